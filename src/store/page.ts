import type { Database } from '../connection/database.ts'
import type { Cursor } from '../core/cursor.ts'
import type { Entry } from '../core/entry.ts'
import type { Filter } from '../core/filter.ts'
import { conditionsOf } from './queries.ts'
import { scan } from './scan.ts'

export interface PageQuery extends Cursor {
  readonly filter?: Filter
  /** Default 50. */
  readonly limit?: number
}

/** One page of the log, newest first. */
export interface Page {
  readonly entries: readonly Entry[]
  /** Where the page of newer entries begins; `{}` is the newest page of all; absent where this is it. */
  readonly newer?: Cursor
  /** Where the page of older entries begins; absent where nothing older is in the filter. */
  readonly older?: Cursor
  /** A search that gave up: it looked at everything back to (or, towards newer ones, up to) this time. `older` or `newer` goes on. */
  readonly searchedTo?: Date
}

/** Reads one page, by the ids of entries and never by counting them off: the thousandth page costs what the first one costs. */
export async function readPage(database: Database, query: PageQuery): Promise<Page> {
  return query.after === undefined ? readOlder(database, query) : readNewer(database, query, query.after)
}

async function readOlder(database: Database, { filter = {}, before, limit = 50 }: PageQuery): Promise<Page> {
  const conditions = conditionsOf(filter)
  const found = await scan(database, { conditions, direction: 'older', from: before, limit: limit + 1 })
  const entries = found.entries.slice(0, limit)
  const last = found.entries.length > limit ? entries.at(-1) : found.edge
  return {
    entries,
    // Who came to a page by `before` came from newer entries.
    ...(before !== undefined && { newer: entries[0] ? { after: entries[0].id } : {} }),
    ...(last && { older: { before: last.id } }),
    ...(found.edge && { searchedTo: found.edge.recordedAt }),
  }
}

async function readNewer(database: Database, query: PageQuery, after: string): Promise<Page> {
  const { filter = {}, limit = 50 } = query
  const conditions = conditionsOf(filter)
  const found = await scan(database, { conditions, direction: 'newer', from: after, limit: limit + 1 })
  // Less than a page is left up to the newest entry: then this is the newest page, and a whole one.
  if (found.entries.length <= limit && !found.edge) return readOlder(database, { filter, limit })
  const entries = found.entries.slice(0, limit).reverse()
  const newest = found.entries.length > limit ? entries[0] : found.edge
  const oldest = entries.at(-1)?.id ?? String(BigInt(after) + 1n)
  return {
    entries,
    ...(newest && { newer: { after: newest.id } }),
    older: { before: oldest },
    ...(found.edge && { searchedTo: found.edge.recordedAt }),
  }
}
