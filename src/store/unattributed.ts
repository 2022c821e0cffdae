import type { Database } from '../connection/database.ts'
import type { Filter } from '../core/filter.ts'
import { type Count, countUpTo } from './count.ts'

/** Entries that the application wrote without saying who it was, and the filter that finds them. */
export interface Unattributed extends Count {
  readonly filter: Filter
}

/** A filter takes no more values of one part. */
const MAX_ROLES = 50

/**
 * Counts, up to a bound, the entries since a moment that came from the application's roles without a context: their actor is the
 * database's own user. Where no role is known to be the application's there are none.
 */
export async function countUnattributed(database: Database, since: Date, atMost: number): Promise<Unattributed> {
  const { rows } = await database.query<{ role: string }>('select r.role from daybook.application_roles() r (role)')
  if (rows.length === 0) return { count: 0, orMore: false, filter: {} }
  const filter = {
    actor: rows.slice(0, MAX_ROLES).map(({ role }) => `database:${role}`),
    from: `${since.toISOString().slice(0, 16)}:00Z`,
  }
  return { ...(await countUpTo(database, filter, atMost)), filter }
}
