import type { CompiledQuery } from 'kysely'
import type { Database } from '../connection/database.ts'
import type { Entry } from '../core/entry.ts'
import { type EntryRow, readEntry } from './entry-row.ts'
import {
  build,
  type Condition,
  type Conditions,
  type Eb,
  type Place,
  type SearchQuery,
  type StatementsQuery,
  selectByStatement,
  selectEntries,
  selectSearched,
} from './queries.ts'

/**
 * How many statements a search looks at in each step, before it says how far it came. What is frequent is found in the first ones, which
 * therefore are small.
 */
const SEARCH_STEPS = [1_000, 9_000, 30_000, 60_000]

/** How many statements a search looks at in all. */
export const SEARCHED_STATEMENTS = SEARCH_STEPS.reduce((sum, step) => sum + step)

/** From an entry (exclusive) towards older or newer ones. */
export interface ScanQuery {
  readonly conditions: Conditions
  readonly direction: 'older' | 'newer'
  readonly from?: string | undefined
  readonly limit: number
}

/** What a scan found, in its direction. `edge` is the first entry of the last statement that it looked at, where it gave up before the end of the log. */
export interface ScanResult {
  readonly entries: readonly Entry[]
  readonly edge?: Edge
}

export interface Edge {
  readonly id: string
  readonly recordedAt: Date
}

/**
 * The next entries of a filter. Where indexes answer it, one query; where entries must be looked at one by one, a bounded number
 * of them in steps, so that a rare word never takes longer than a frequent one.
 */
export async function scan(database: Database, query: ScanQuery): Promise<ScanResult> {
  const { conditions, direction, from, limit } = query
  const { indexed, searched, shared } = conditions
  if (shared) {
    const place = from === undefined ? undefined : await placeOf(database, from)
    const statements = { shared, direction, from: place }
    if (searched) return search(database, { ...statements, searched }, limit)
    return { entries: await run(database, selectByStatement({ ...statements, limit })) }
  }
  // What is left is narrowed to few objects by an index that has every entry.
  const entries = await run(
    database,
    selectEntries(
      (eb) => eb.and([indexed(eb), beyond(eb, direction, from), ...(searched ? [searched.whole('v', 'v')] : [])]),
      direction === 'older' ? 'desc' : 'asc',
    ).limit(limit),
  )
  return { entries }
}

async function search(database: Database, query: Omit<SearchQuery, 'edge'>, limit: number): Promise<ScanResult> {
  const entries: Entry[] = []
  let { from } = query
  let edge: Edge | undefined
  for (const step of SEARCH_STEPS) {
    const stretch = { ...query, from }
    edge = await edgeBeyond(database, stretch, step)
    entries.push(...(await run(database, selectSearched({ ...stretch, edge: edge?.id }, limit - entries.length))))
    if (entries.length >= limit || !edge) return { entries }
    from = { id: edge.id, statementId: edge.id }
  }
  return { entries, ...(edge && { edge }) }
}

/** The statement that is `steps` away, by its first entry; undefined where the log ends before. */
export async function edgeBeyond(
  database: Database,
  { shared, direction, from }: Omit<StatementsQuery, 'limit'>,
  steps: number,
): Promise<Edge | undefined> {
  const { sql, parameters } = build
    .selectFrom('daybook.entry as v')
    .select(['v.id', 'v.recorded_at'])
    .where('v.statement_id', 'is', null)
    .where((eb) => eb.and([shared(eb), beyond(eb, direction, from?.statementId)]))
    .orderBy('v.id', direction === 'older' ? 'desc' : 'asc')
    .offset(steps - 1)
    .limit(1)
    .compile()
  const { rows } = await database.query<{ id: string | number | bigint; recorded_at: Date | string }>(sql, parameters)
  const [row] = rows
  return row && { id: String(row.id), recordedAt: new Date(row.recorded_at) }
}

function beyond(eb: Eb, direction: 'older' | 'newer', id: string | undefined): Condition {
  if (id === undefined) return eb.and([])
  return eb('v.id', direction === 'older' ? '<' : '>', id)
}

/** Where an entry stands. One that is gone stands where its id is. */
async function placeOf(database: Database, id: string): Promise<Place> {
  const { sql, parameters } = build
    .selectFrom('daybook.entry as v')
    .select('v.statement_id')
    .where('v.id', '=', id)
    .compile()
  const { rows } = await database.query<{ statement_id: string | number | bigint | null }>(sql, parameters)
  return { id, statementId: String(rows[0]?.statement_id ?? id) }
}

async function run(database: Database, query: { compile(): CompiledQuery }): Promise<Entry[]> {
  const { sql, parameters } = query.compile()
  const { rows } = await database.query<EntryRow>(sql, parameters)
  return rows.map(readEntry)
}
