import type { Database } from '../connection/database.ts'
import type { Entry } from '../core/entry.ts'
import type { Filter } from '../core/filter.ts'
import { type EntryRow, readEntry } from './entry-row.ts'
import { conditionsOf, selectEntries } from './queries.ts'

const FETCH = 'fetch forward 500 from daybook_entries'

/** Every entry of a filter through a server-side cursor: one snapshot, flat memory, and over as soon as the iterator is. */
export async function* streamEntries(database: Database, filter: Filter): AsyncGenerator<Entry, void, void> {
  const held = await holdTransaction(database)
  try {
    const { indexed, searched } = conditionsOf(filter)
    const { sql, parameters } = selectEntries((eb) =>
      eb.and([indexed(eb), ...(searched ? [searched.whole('v', 'v')] : [])]),
    ).compile()
    await held.transaction.query('set transaction isolation level repeatable read, read only')
    // The first rows are wanted at once: no plan that sorts everything first.
    await held.transaction.query('set local cursor_tuple_fraction = 0.0001')
    await held.transaction.query(`declare daybook_entries no scroll cursor for ${sql}`, parameters)
    for (;;) {
      const { rows } = await held.transaction.query<EntryRow>(FETCH)
      if (rows.length === 0) return
      for (const row of rows) yield readEntry(row)
    }
  } finally {
    await held.end()
  }
}

/** A transaction that is open until `end`, for a reader that can't put all its work into one function. */
function holdTransaction(database: Database): Promise<{ transaction: Database; end: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const { promise: ended, resolve: end } = withResolver()
    const finished = database.transaction((transaction) => {
      resolve({
        transaction,
        end: () => {
          end()
          // How the reading ended is known to the reader: a connection that broke meanwhile has nothing to add.
          return finished.catch(() => {})
        },
      })
      return ended
    })
    finished.catch(reject)
  })
}

function withResolver() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
