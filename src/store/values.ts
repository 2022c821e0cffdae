import { sql } from 'kysely'
import type { Database } from '../connection/database.ts'
import type { ActorType } from '../core/context.ts'
import { build } from './queries.ts'

/** Fields of which the values that occur can be listed. */
export type ValuesField = 'action' | 'model'

const MAX_VALUES = 200

/** The values of a field that occur in the log, in order, 200 at most: from value to value in the index, never through the entries. */
export async function readValues(database: Database, field: ValuesField): Promise<readonly string[]> {
  const column = sql.ref(`e.${field}`)
  const next = sql`select min(${column}) from daybook.entry e where e.statement_id is null`
  const query = sql<{ value: string }>`
    with recursive found (value, place) as (
      select (${next}), 1
      union all
      select (${next} and ${column} > found.value), place + 1 from found where found.value is not null and place < ${sql.lit(MAX_VALUES)}
    )
    select value from found where value is not null order by value`.compile(build)
  const { rows } = await database.query<{ value: string }>(query.sql, query.parameters)
  return rows.map((row) => row.value)
}

/** Somebody who acted. */
export interface RecentActor {
  readonly actorType: ActorType | 'unknown'
  readonly actorId: string | null
  readonly actorLabel: string | null
}

const RECENT = 2000

/** Who acted in the newest 2,000 entries, the most recent first; for suggestions. */
export async function readRecentActors(database: Database): Promise<readonly RecentActor[]> {
  const recent = build
    .selectFrom('daybook.entries as v')
    .select(['v.id', 'v.actor_type', 'v.actor_id', 'v.actor_label'])
  const { sql: text, parameters } = build
    .selectFrom(recent.orderBy('v.id', 'desc').limit(RECENT).as('v'))
    .select(['v.actor_type', 'v.actor_id', 'v.actor_label'])
    .groupBy(['v.actor_type', 'v.actor_id', 'v.actor_label'])
    .orderBy((eb) => eb.fn.max('v.id'), 'desc')
    .limit(50)
    .compile()
  const { rows } = await database.query<{
    actor_type: RecentActor['actorType']
    actor_id: string | null
    actor_label: string | null
  }>(text, parameters)
  return rows.map((row) => ({ actorType: row.actor_type, actorId: row.actor_id, actorLabel: row.actor_label }))
}

/** A table whose changes are captured. */
export interface TrackedName {
  readonly model: string
  readonly table: string
}

/** What is tracked, by model. */
export async function readTracked(database: Database): Promise<readonly TrackedName[]> {
  const { sql: text, parameters } = build
    .selectFrom('daybook.tracked_table as t')
    .select(['t.model', sql<string>`t.relation::text`.as('table')])
    .orderBy('t.model')
    .compile()
  const { rows } = await database.query<TrackedName>(text, parameters)
  return rows
}
