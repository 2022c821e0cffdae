import { sql } from 'kysely'
import type { Database } from '../connection/database.ts'
import type { Filter } from '../core/filter.ts'
import type { Count } from './count.ts'
import { build } from './queries.ts'

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
export async function countUnattributed(database: Database, moment: Date, atMost: number): Promise<Unattributed> {
  const known = await database.query<{ role: string }>('select r.role from daybook.application_roles() r (role)')
  const roles = known.rows.slice(0, MAX_ROLES).map(({ role }) => role)
  if (roles.length === 0) return { count: 0, orMore: false, filter: {} }
  // To the minute, so that the address of what is counted stays the same for a while.
  const since = `${moment.toISOString().slice(0, 16)}:00Z`
  const month = `${since.slice(0, 7)}-01T00:00:00Z`
  const limit = atMost + 1
  // Looked at are the newest of each role, and then their times: by time alone, a month of such writes would be gone through to find that
  // there are none today. The month only spares the partitions before it. Each role by itself, so that the planner knows how much is its.
  const newest = roles.map(
    (role) => sql`(
      select v.id, v.recorded_at from daybook.entry v
      where v.statement_id is null and v.actor_id = ${role} and v.actor_type = 'database' and v.recorded_at >= ${month}::timestamptz
      order by v.id desc limit ${limit})`,
  )
  const query = sql<{ count: string }>`
    select count(*)::text as count from (
      select e.id from (${sql.join(newest, sql` union all `)}) h
      cross join lateral (
        select h.id union all (
          select o.id from daybook.entry o
          where o.statement_id = h.id and o.recorded_at = h.recorded_at and o.recorded_at >= ${month}::timestamptz limit ${limit})) e (id)
      where h.recorded_at >= ${since}::timestamptz
      limit ${limit}) c`.compile(build)
  const { rows } = await database.query<{ count: string }>(query.sql, query.parameters)
  const count = Number(rows[0]?.count)
  const filter = { actor: roles.map((role) => `database:${role}`), at: [`${since}..`] }
  return { count: Math.min(count, atMost), orMore: count > atMost, filter }
}
