import { type SqlBool, sql } from 'kysely'
import type { Database } from '../connection/database.ts'
import type { Cursor } from '../core/cursor.ts'
import type { Entry } from '../core/entry.ts'
import { type EntryRow, readEntry } from './entry-row.ts'
import type { Page } from './page.ts'
import { build, type Condition, type Eb, selectEntries } from './queries.ts'

export interface TimelineQuery extends Cursor {
  readonly model: string
  readonly objectId: string
  /** Default 50. */
  readonly limit?: number
}

/** A stretch of the log in which the object had a key. */
interface KeySpan {
  readonly key: string
  /** Entries from this one on (inclusive). */
  readonly from?: bigint
  /** Entries before this one (exclusive). */
  readonly until?: bigint
}

interface Rename {
  readonly id: string
  readonly object_id: string
  readonly previous_object_id: string
}

/** An object's key can have changed this often before its timeline stops following. */
const MAX_RENAMES = 100

/** What tells that changes went unrecorded: a pause that is over, and the end and the beginning of the capture. */
const GAPS = ['capture.resumed', 'capture.untracked', 'capture.tracked']

/** So many of them stand on one page, the newest ones: they must not hide the object's own entries. */
const MAX_GAPS = 20

/**
 * All entries of one object, newest first: those of the keys that it had before and after as well, and those in which it is the
 * other object, such as a role that was granted to it. Between and after them stand those that tell when changes of its model went
 * unrecorded, up to 20 a page.
 */
export async function readTimeline(database: Database, query: TimelineQuery): Promise<Page> {
  const { model, objectId, before, after, limit = 50 } = query
  const spans = await keySpans(database, model, objectId)
  const newest = () => read(database, model, spans, {}, limit)
  if (after === undefined) {
    const { entries: own, more } = await read(database, model, spans, { before }, limit)
    const last = own.at(-1)
    const entries = await withGaps(database, model, own, before)
    return {
      entries,
      ...(before !== undefined && { newer: entries[0] ? { after: entries[0].id } : {} }),
      ...(more && last && { older: { before: last.id } }),
    }
  }
  const { entries, more } = await read(database, model, spans, { after }, limit)
  if (!more) {
    const page = await newest()
    const last = page.entries.at(-1)
    return {
      entries: await withGaps(database, model, page.entries),
      ...(page.more && last && { older: { before: last.id } }),
    }
  }
  const [first] = entries
  const last = entries.at(-1)
  const all = await withGaps(database, model, entries, first?.id)
  return { entries: all, ...(first && { newer: { after: first.id } }), ...(last && { older: { before: last.id } }) }
}

/** Entries of a page, newest first, with those that tell of gaps since the oldest of them and before another one. */
async function withGaps(
  database: Database,
  model: string,
  entries: readonly Entry[],
  before?: string,
): Promise<readonly Entry[]> {
  const oldest = entries.at(-1)
  if (!oldest) return entries
  // Found by their action and then put in order: in the order of ids, all that came since the oldest would be looked through.
  const gaps = build
    .selectFrom('daybook.entry as e')
    .select('e.id')
    .where(sql<SqlBool>`e.statement_id is null`)
    .where('e.action', 'in', GAPS)
    .where('e.model', '=', model)
    .where('e.id', '>', oldest.id)
    .$if(before !== undefined, (query) => query.where('e.id', '<', before as string))
    .offset(0)
  const newest = build.selectFrom(gaps.as('g')).select('g.id').orderBy('g.id', 'desc').limit(MAX_GAPS)
  const { sql: text, parameters } = selectEntries((eb) => eb('v.id', 'in', newest)).compile()
  const { rows } = await database.query<EntryRow>(text, parameters)
  const found = rows.map(readEntry).filter(({ action, context }) => action !== 'capture.resumed' || context.rows !== 0)
  return [...entries, ...found].sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? 1 : -1))
}

/**
 * The keys of an object and when it had them, followed back and forward from one key. Of a key that it was followed to, another object
 * that had it earlier or later stays out; of the one that was asked for, all objects that had it are told.
 */
async function keySpans(database: Database, model: string, objectId: string): Promise<readonly KeySpan[]> {
  const spans: KeySpan[] = [{ key: objectId }]
  const followed = new Set<string>()
  for (const span of spans) {
    if (followed.size >= MAX_RENAMES) break
    for (const rename of await renamesOf(database, model, span)) {
      if (followed.has(rename.id)) continue
      followed.add(rename.id)
      const id = BigInt(rename.id)
      if (rename.object_id === span.key) spans.push(await sinceItsStart(database, model, rename.previous_object_id, id))
      if (rename.previous_object_id === span.key) spans.push(await untilItsEnd(database, model, rename.object_id, id))
    }
  }
  return spans
}

/** The stretch before an entry in which a key was one object's: from where it was created or took the key. */
async function sinceItsStart(database: Database, model: string, key: string, until: bigint): Promise<KeySpan> {
  const { sql: text, parameters } = build
    .selectFrom('daybook.entry as v')
    .select(['v.id'])
    .where('v.model', '=', model)
    .where('v.object_id', '=', key)
    .where('v.id', '<', String(until))
    .where((eb) => eb.or([eb('v.action', '=', 'create'), eb('v.previous_object_id', 'is not', null)]))
    .orderBy('v.id', 'desc')
    .limit(1)
    .compile()
  const { rows } = await database.query<{ id: unknown }>(text, parameters)
  return { key, until, ...(rows[0] && { from: BigInt(String(rows[0].id)) }) }
}

/** The stretch from an entry on in which a key was one object's: to where it was deleted or gave the key away. */
async function untilItsEnd(database: Database, model: string, key: string, from: bigint): Promise<KeySpan> {
  const { sql: text, parameters } = build
    .selectFrom('daybook.entry as v')
    .select(['v.id'])
    .where('v.model', '=', model)
    .where('v.id', '>', String(from))
    .where((eb) =>
      eb.or([
        eb.and([eb('v.object_id', '=', key), eb('v.action', '=', 'delete')]),
        eb('v.previous_object_id', '=', key),
      ]),
    )
    .orderBy('v.id')
    .limit(1)
    .compile()
  const { rows } = await database.query<{ id: unknown }>(text, parameters)
  return { key, from, ...(rows[0] && { until: BigInt(String(rows[0].id)) + 1n }) }
}

async function renamesOf(database: Database, model: string, span: KeySpan): Promise<Rename[]> {
  const { sql: text, parameters } = build
    .selectFrom('daybook.entry as v')
    .select(['v.id', 'v.object_id', 'v.previous_object_id'])
    .where('v.previous_object_id', 'is not', null)
    .where('v.model', '=', model)
    .where((eb) => eb.or([eb('v.object_id', '=', span.key), eb('v.previous_object_id', '=', span.key)]))
    .where((eb) => within(eb, span))
    .orderBy('v.id')
    .limit(MAX_RENAMES)
    .compile()
  const { rows } = await database.query<{ id: unknown; object_id: string; previous_object_id: string }>(
    text,
    parameters,
  )
  return rows.map((row) => ({ ...row, id: String(row.id) }))
}

function within(eb: Eb, { from, until }: KeySpan): Condition {
  return eb.and([
    ...(from === undefined ? [] : [eb('v.id', '>=', String(from))]),
    ...(until === undefined ? [] : [eb('v.id', '<', String(until))]),
  ])
}

async function read(
  database: Database,
  model: string,
  spans: readonly KeySpan[],
  { before, after }: { readonly before?: string | undefined; readonly after?: string },
  limit: number,
): Promise<{ readonly entries: readonly Entry[]; readonly more: boolean }> {
  const order = after === undefined ? 'desc' : 'asc'
  const found = new Map<bigint, Entry>()
  // One query a key and a side, each in the order of its index; joined by "or" they would be sorted as a whole.
  for (const span of spans) {
    for (const [modelColumn, keyColumn] of [
      ['v.model', 'v.object_id'],
      ['v.related_model', 'v.related_id'],
    ] as const) {
      const { sql: text, parameters } = selectEntries(
        (eb) =>
          eb.and([
            eb(modelColumn, '=', model),
            eb(keyColumn, '=', span.key),
            within(eb, span),
            ...(before === undefined ? [] : [eb('v.id', '<', before)]),
            ...(after === undefined ? [] : [eb('v.id', '>', after)]),
          ]),
        order,
      )
        .limit(limit + 1)
        .compile()
      const { rows } = await database.query<EntryRow>(text, parameters)
      for (const row of rows) found.set(BigInt(row.id), readEntry(row))
    }
  }
  const ids = [...found.keys()].sort((a, b) => (a < b === (order === 'asc') ? -1 : 1))
  const entries = ids.slice(0, limit).map((id) => found.get(id) as Entry)
  return { entries: order === 'desc' ? entries : entries.reverse(), more: ids.length > limit }
}
