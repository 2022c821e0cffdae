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

/**
 * All entries of one object, newest first: those of the keys that it had before and after as well, and those in which it is the
 * other object, such as a role that was granted to it.
 */
export async function readTimeline(database: Database, query: TimelineQuery): Promise<Page> {
  const { model, objectId, before, after, limit = 50 } = query
  const spans = await keySpans(database, model, objectId)
  const newest = () => read(database, model, spans, {}, limit)
  if (after === undefined) {
    const { entries, more } = await read(database, model, spans, { before }, limit)
    const last = entries.at(-1)
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
    return { entries: page.entries, ...(page.more && last && { older: { before: last.id } }) }
  }
  const [first] = entries
  const last = entries.at(-1)
  return { entries, ...(first && { newer: { after: first.id } }), ...(last && { older: { before: last.id } }) }
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
  const { sql, parameters } = build
    .selectFrom('daybook.entry as v')
    .select(['v.id'])
    .where('v.model', '=', model)
    .where('v.object_id', '=', key)
    .where('v.id', '<', String(until))
    .where((eb) => eb.or([eb('v.action', '=', 'create'), eb('v.previous_object_id', 'is not', null)]))
    .orderBy('v.id', 'desc')
    .limit(1)
    .compile()
  const { rows } = await database.query<{ id: unknown }>(sql, parameters)
  return { key, until, ...(rows[0] && { from: BigInt(String(rows[0].id)) }) }
}

/** The stretch from an entry on in which a key was one object's: to where it was deleted or gave the key away. */
async function untilItsEnd(database: Database, model: string, key: string, from: bigint): Promise<KeySpan> {
  const { sql, parameters } = build
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
  const { rows } = await database.query<{ id: unknown }>(sql, parameters)
  return { key, from, ...(rows[0] && { until: BigInt(String(rows[0].id)) + 1n }) }
}

async function renamesOf(database: Database, model: string, span: KeySpan): Promise<Rename[]> {
  const { sql, parameters } = build
    .selectFrom('daybook.entry as v')
    .select(['v.id', 'v.object_id', 'v.previous_object_id'])
    .where('v.previous_object_id', 'is not', null)
    .where('v.model', '=', model)
    .where((eb) => eb.or([eb('v.object_id', '=', span.key), eb('v.previous_object_id', '=', span.key)]))
    .where((eb) => within(eb, span))
    .orderBy('v.id')
    .limit(MAX_RENAMES)
    .compile()
  const { rows } = await database.query<{ id: unknown; object_id: string; previous_object_id: string }>(sql, parameters)
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
      const { sql, parameters } = selectEntries(
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
      const { rows } = await database.query<EntryRow>(sql, parameters)
      for (const row of rows) found.set(BigInt(row.id), readEntry(row))
    }
  }
  const ids = [...found.keys()].sort((a, b) => (a < b === (order === 'asc') ? -1 : 1))
  const entries = ids.slice(0, limit).map((id) => found.get(id) as Entry)
  return { entries: order === 'desc' ? entries : entries.reverse(), more: ids.length > limit }
}
