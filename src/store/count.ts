import { type AliasedSelectQueryBuilder, sql } from 'kysely'
import type { Database } from '../connection/database.ts'
import type { Filter } from '../core/filter.ts'
import { build, type Conditions, conditionsOf, type Searches, searchPlaces } from './queries.ts'
import { edgeBeyond, SEARCHED_STATEMENTS } from './scan.ts'

/** How many entries a filter has. */
export interface Count {
  readonly count: number
  /** There are that many and maybe more: the counting stopped at its bound. */
  readonly orMore: boolean
}

/** Counts up to a bound; what must be searched, as far back as a page searches. */
export async function countUpTo(database: Database, filter: Filter, atMost: number): Promise<Count> {
  const conditions = conditionsOf(filter)
  const { shared, searched } = conditions
  const edge = searched && shared && (await edgeBeyond(database, { shared, direction: 'older' }, SEARCHED_STATEMENTS))
  const ids = searched ? searchedIds(conditions, searched, edge?.id) : indexedIds(conditions, atMost + 1)
  const bounded = build
    .selectFrom(ids.as('counted'))
    .select('counted.id')
    .limit(atMost + 1)
  const count = await countOf(database, bounded)
  return { count: Math.min(count, atMost), orMore: count > atMost || edge !== undefined }
}

/** Counts them all, however long it takes. */
export async function countExactly(database: Database, filter: Filter): Promise<number> {
  const conditions = conditionsOf(filter)
  const { searched } = conditions
  return countOf(database, searched ? searchedIds(conditions, searched) : indexedIds(conditions))
}

/** The ids of a filter for which entries must be looked at, back to an edge. */
function searchedIds({ indexed, shared }: Conditions, searched: Searches, edge?: string): Counted {
  if (shared) return searchPlaces({ shared, searched, direction: 'older', edge })
  return build
    .selectFrom('daybook.entries as v')
    .where((eb) => eb.and([indexed(eb), searched.whole('v', 'v')]))
    .select('v.id')
}

/** The ids of a filter that indexes answer: by statement, where that holds for statements as wholes. */
function indexedIds({ indexed, shared }: Conditions, atMost?: number): Counted {
  const entries = build.selectFrom('daybook.entry as v').select('v.id')
  const own = atMost === undefined ? entries.where(indexed) : entries.where(indexed).limit(atMost)
  if (!shared) return own
  const first = entries.select('v.recorded_at').where('v.statement_id', 'is', null).where(shared)
  const others = build
    .selectFrom('daybook.entry as o')
    .select('o.id')
    .whereRef('o.statement_id', '=', sql.ref('h.id'))
    .whereRef('o.recorded_at', '=', sql.ref('h.recorded_at'))
  // A bound keeps the planner from joining the whole log.
  const all = build
    .selectFrom((atMost === undefined ? first : first.limit(atMost)).as('h'))
    .innerJoinLateral(
      sql<{ id: string }>`(select h.id union all (${atMost === undefined ? others : others.limit(atMost)}))`.as('e'),
      (join) => join.onTrue(),
    )
    .select('e.id')
  return atMost === undefined ? all : all.limit(atMost)
}

interface Counted {
  as(alias: 'counted'): AliasedSelectQueryBuilder<{ id: string }, 'counted'>
}

async function countOf(database: Database, query: Counted): Promise<number> {
  const counting = build.selectFrom(query.as('counted')).select(sql<string>`count(*)::text`.as('count')).compile()
  const { rows } = await database.query<{ count: string }>(counting.sql, counting.parameters)
  return Number(rows[0]?.count)
}
