import type { Database } from '../connection/database.ts'
import type { ForeignKey, ObjectReference, ReferenceLabels } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import type { Filter, FilterKey } from '../core/filter.ts'
import { type Count, countExactly, countUpTo } from './count.ts'
import { readEntry } from './entry-row.ts'
import { readForeignKeys, readLabels } from './labels.ts'
import { type Page, type PageQuery, readPage } from './page.ts'
import { conditionsOf, selectEntries } from './queries.ts'
import { scan } from './scan.ts'
import { storeError } from './store-error.ts'
import { streamEntries } from './stream.ts'
import { readSuggestions, type Suggestion } from './suggestions.ts'
import { readTimeline, type TimelineQuery } from './timeline.ts'
import { countUnattributed, type Unattributed } from './unattributed.ts'
import {
  type RecentActor,
  readRecentActors,
  readTracked,
  readValues,
  type TrackedName,
  type ValuesField,
} from './values.ts'

/** Reads the log. Everything is newest first; nothing is counted or gone through as a whole unless it is asked for. */
export interface Store {
  /** One page of the entries in a filter. */
  page(query?: PageQuery): Promise<Page>
  /** One entry, or undefined where there is none with this id. */
  entry(id: string): Promise<Entry | undefined>
  /** The ids of the entries in a filter right after and right before one. */
  neighbours(id: string, filter?: Filter): Promise<{ readonly newer?: string; readonly older?: string }>
  /** One page of the entries of an object, also under the keys that it had before. Empty where it has none. */
  timeline(query: TimelineQuery): Promise<Page>
  /** How many entries a filter has, counted up to a bound (default 10,000). */
  count(filter?: Filter, options?: { readonly atMost?: number }): Promise<Count>
  /** How many entries a filter has, counted to the end: seconds on a large log. */
  countExactly(filter?: Filter): Promise<number>
  /**
   * How many entries the application's roles made since a moment without a context (who is writing), counted up to a bound (default 1,000),
   * and the filter that finds them.
   */
  unattributed(since: Date, options?: { readonly atMost?: number }): Promise<Unattributed>
  /** The actions or models that occur, in order, 200 at most. */
  values(field: ValuesField): Promise<readonly string[]>
  /** Values of a key that hold what somebody has typed of a query, 12 at most; bounded as `values` is. Nothing for keys whose values are not listed. */
  suggestions(key: FilterKey, typed: string): Promise<readonly Suggestion[]>
  /** Who acted lately, the most recent first, 50 at most. */
  recentActors(): Promise<readonly RecentActor[]>
  /** The tables whose changes are captured. */
  tracked(): Promise<readonly TrackedName[]>
  /** The foreign keys between tracked tables whose objects can be shown by their labels. */
  foreignKeys(): Promise<readonly ForeignKey[]>
  /** How objects were called at the entries that refer to them; of 1,000 references at most. */
  labels(references: readonly ObjectReference[]): Promise<ReferenceLabels>
  /**
   * Every entry of a filter, from one snapshot and with flat memory. It holds a connection until it ends: leave the loop, or
   * call `return()`, and the query is stopped.
   */
  stream(filter?: Filter): AsyncIterableIterator<Entry>
}

/**
 * The store on a database whose role may read the log: a member of `daybook_reader`, or `readAs(database)`.
 *
 * Its methods throw DaybookError `not_installed`, `permission_denied` or `database_unreachable`.
 */
export function createStore(database: Database): Store {
  return {
    page: (query = {}) => translated(() => readPage(database, query)),
    entry: (id) => translated(() => readOne(database, id)),
    neighbours: (id, filter = {}) => translated(() => readNeighbours(database, id, filter)),
    timeline: (query) => translated(() => readTimeline(database, query)),
    count: (filter = {}, { atMost = 10_000 } = {}) => translated(() => countUpTo(database, filter, atMost)),
    countExactly: (filter = {}) => translated(() => countExactly(database, filter)),
    unattributed: (since, { atMost = 1000 } = {}) => translated(() => countUnattributed(database, since, atMost)),
    values: (field) => translated(() => readValues(database, field)),
    suggestions: (key, typed) => translated(() => readSuggestions(database, key, typed)),
    recentActors: () => translated(() => readRecentActors(database)),
    tracked: () => translated(() => readTracked(database)),
    foreignKeys: () => translated(() => readForeignKeys(database)),
    labels: (references) => translated(() => readLabels(database, references)),
    stream: (filter = {}) => translatedStream(streamEntries(database, filter)),
  }
}

async function translated<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw storeError(error)
  }
}

async function* translatedStream(entries: AsyncGenerator<Entry, void, void>): AsyncGenerator<Entry, void, void> {
  try {
    yield* entries
  } catch (error) {
    throw storeError(error)
  }
}

async function readOne(database: Database, id: string): Promise<Entry | undefined> {
  const { sql, parameters } = selectEntries((eb) => eb('v.id', '=', id)).compile()
  const { rows } = await database.query<Parameters<typeof readEntry>[0]>(sql, parameters)
  return rows[0] && readEntry(rows[0])
}

async function readNeighbours(database: Database, id: string, filter: Filter) {
  const conditions = conditionsOf(filter)
  const newer = await scan(database, { conditions, direction: 'newer', from: id, limit: 1 })
  const older = await scan(database, { conditions, direction: 'older', from: id, limit: 1 })
  return {
    ...(newer.entries[0] && { newer: newer.entries[0].id }),
    ...(older.entries[0] && { older: older.entries[0].id }),
  }
}
