import type { Database } from '../connection/database.ts'
import type { Entry } from '../core/entry.ts'
import { type EntryRow, readEntry } from './entry-row.ts'
import {
  build,
  type Condition,
  type Conditions,
  type Eb,
  type Place,
  selectByStatement,
  selectEntries,
} from './queries.ts'

/** How many entries a search looks at in one step, and how many steps it takes before it says how far it came. */
export const SEARCH_STEP = 50_000
export const SEARCH_STEPS = 4

/** From an entry (exclusive) towards older or newer ones. */
export interface ScanQuery {
  readonly conditions: Conditions
  readonly direction: 'older' | 'newer'
  readonly from?: string | undefined
  readonly limit: number
}

/** What a scan found, in its direction. `edge` is the last entry that it looked at, where it gave up before the end of the log. */
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
  const { conditions, direction, limit } = query
  const { indexed, searched, shared } = conditions
  if (!searched && shared) return { entries: await selectStatements(database, shared, query) }
  if (!searched) {
    const entries = await select(database, (eb) => eb.and([indexed(eb), beyond(eb, direction, query.from)]), query)
    return { entries }
  }
  const entries: Entry[] = []
  let from = query.from
  for (let step = 0; step < SEARCH_STEPS; step += 1) {
    const edge = await edgeBeyond(database, indexed, direction, from, SEARCH_STEP)
    const window = (eb: Eb) =>
      eb.and([
        indexed(eb),
        searched(eb),
        beyond(eb, direction, from),
        ...(edge ? [eb('v.id', direction === 'older' ? '>=' : '<=', edge.id)] : []),
      ])
    entries.push(...(await select(database, window, { direction, limit: limit - entries.length })))
    if (entries.length >= limit || !edge) return { entries }
    if (step === SEARCH_STEPS - 1) return { entries, edge }
    from = edge.id
  }
  return { entries }
}

/** The entry that is `steps` away, or undefined where the log ends before. */
export async function edgeBeyond(
  database: Database,
  indexed: Conditions['indexed'],
  direction: 'older' | 'newer',
  from: string | undefined,
  steps: number,
): Promise<Edge | undefined> {
  const { sql, parameters } = build
    .selectFrom('daybook.entry as v')
    .select(['v.id', 'v.recorded_at'])
    .where((eb) => eb.and([indexed(eb), beyond(eb, direction, from)]))
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

async function selectStatements(
  database: Database,
  shared: NonNullable<Conditions['shared']>,
  { direction, from, limit }: ScanQuery,
): Promise<Entry[]> {
  const place = from === undefined ? undefined : await placeOf(database, from)
  const { sql, parameters } = selectByStatement({
    shared,
    direction,
    from: place,
    limit,
  }).compile()
  const { rows } = await database.query<EntryRow>(sql, parameters)
  return rows.map(readEntry)
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

async function select(
  database: Database,
  condition: (eb: Eb) => Condition,
  { direction, limit }: Pick<ScanQuery, 'direction' | 'limit'>,
): Promise<Entry[]> {
  const { sql, parameters } = selectEntries(condition, direction === 'older' ? 'desc' : 'asc')
    .limit(limit)
    .compile()
  const { rows } = await database.query<EntryRow>(sql, parameters)
  return rows.map(readEntry)
}
