import type { Database } from '../connection/database.ts'

/** The role that may read the log and nothing else. */
const READER = 'set local role daybook_reader'

/**
 * The same database, on which everything runs as the role `daybook_reader` inside a read-only transaction: for an application
 * that gives the dashboard no second pool. The application's role must be a member of `daybook_reader`.
 */
export function readAs(database: Database): Database {
  return {
    query: (text, values) => readAs(database).transaction((transaction) => transaction.query(text, values)),
    transaction: (work) =>
      database.transaction(async (transaction) => {
        await transaction.query('set transaction read only')
        await transaction.query(READER)
        return work(transaction)
      }),
  }
}
