import type { Database } from '../../connection/database.ts'

/**
 * What Daybook runs names everything by its schema but PostgreSQL's own. Functions and operators that somebody has put into `public`,
 * and that fit the arguments better, must not be run with the rights of who installs, tracks or looks.
 */
const TRUST_POSTGRES_ALONE = 'set local search_path = pg_catalog, pg_temp'

/** The same database, on which names that have no schema are PostgreSQL's own, whatever the session's `search_path` is. */
export function pinSearchPath(database: Database): Database {
  return {
    query: (text, values) => pinSearchPath(database).transaction((transaction) => transaction.query(text, values)),
    transaction: (work) =>
      database.transaction(async (transaction) => {
        await transaction.query(TRUST_POSTGRES_ALONE)
        return work(transaction)
      }),
  }
}
