import type { Database } from '../connection/database.ts'
import type { Cursor } from '../core/cursor.ts'
import type { Entry } from '../core/entry.ts'
import type { Filter } from '../core/filter.ts'
import { type Conditions, conditionsOf } from './queries.ts'
import { scan } from './scan.ts'

export interface PageQuery extends Cursor {
  readonly filter?: Filter
  /** Default 50. */
  readonly limit?: number
  /**
   * Where the page ends inside a statement of which it has at least so many entries, `older` begins behind that statement, so that
   * a change of ten thousand rows is not two hundred pages. What is passed over is found by the filter's `statement`.
   */
  readonly passStatementsFrom?: number
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

async function readOlder(database: Database, query: PageQuery): Promise<Page> {
  const { filter = {}, before, limit = 50 } = query
  const conditions = conditionsOf(filter)
  const found = await scan(database, { conditions, direction: 'older', from: before, limit: limit + 1 })
  const entries = found.entries.slice(0, limit)
  const last = found.entries.length > limit ? await lastSeen(database, query, conditions, found.entries) : found.edge
  return {
    entries,
    // Who came to a page by `before` came from newer entries.
    ...(before !== undefined && { newer: entries[0] ? { after: entries[0].id } : {} }),
    ...(last && { older: { before: last.id } }),
    ...(found.edge && { searchedTo: found.edge.recordedAt }),
  }
}

/** The entry behind which the next page begins; undefined where only the rest of a statement is left, and that is passed over. */
async function lastSeen(
  database: Database,
  { limit = 50, passStatementsFrom = Number.POSITIVE_INFINITY }: PageQuery,
  conditions: Conditions,
  found: readonly Entry[],
): Promise<{ readonly id: string } | undefined> {
  const last = found[limit - 1]
  const seen = found.slice(0, limit).filter((entry) => entry.statementId === last?.statementId).length
  const goesOn = found[limit]?.statementId === last?.statementId
  // Only a list in the order of statements has all of one behind its first entry.
  if (!last || !goesOn || seen < passStatementsFrom || !conditions.shared || conditions.searched) return last
  const behind = await scan(database, { conditions, direction: 'older', from: last.statementId, limit: 1 })
  return behind.entries.length > 0 ? { id: last.statementId } : undefined
}

async function readNewer(database: Database, query: PageQuery, after: string): Promise<Page> {
  const { filter = {}, limit = 50 } = query
  const conditions = conditionsOf(filter)
  const found = await scan(database, { conditions, direction: 'newer', from: after, limit: limit + 1 })
  // Less than a page is left up to the newest entry: then this is the newest page, and a whole one.
  if (found.entries.length <= limit && !found.edge) {
    const { after: _, ...newest } = query
    return readOlder(database, newest)
  }
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
