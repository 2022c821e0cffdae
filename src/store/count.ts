import { type AliasedSelectQueryBuilder, sql } from 'kysely'
import type { Database } from '../connection/database.ts'
import type { Filter } from '../core/filter.ts'
import { build, conditionsOf } from './queries.ts'
import { edgeBeyond, SEARCH_STEP, SEARCH_STEPS } from './scan.ts'

/** How many entries a filter has. */
export interface Count {
  readonly count: number
  /** There are that many and maybe more: the counting stopped at its bound. */
  readonly orMore: boolean
}

/** Counts up to a bound; what must be searched, as far back as a page searches. */
export async function countUpTo(database: Database, filter: Filter, atMost: number): Promise<Count> {
  const { indexed, searched } = conditionsOf(filter)
  if (!searched) {
    const bounded = build
      .selectFrom('daybook.entry as v')
      .select('v.id')
      .where(indexed)
      .limit(atMost + 1)
    const count = await countOf(database, bounded)
    return { count: Math.min(count, atMost), orMore: count > atMost }
  }
  const edge = await edgeBeyond(database, indexed, 'older', undefined, SEARCH_STEP * SEARCH_STEPS)
  const bounded = build
    .selectFrom('daybook.entries as v')
    .select('v.id')
    .where((eb) => eb.and([indexed(eb), searched(eb), ...(edge ? [eb('v.id', '>=', edge.id)] : [])]))
    .limit(atMost + 1)
  const count = await countOf(database, bounded)
  return { count: Math.min(count, atMost), orMore: count > atMost || edge !== undefined }
}

/** Counts them all, however long it takes. */
export async function countExactly(database: Database, filter: Filter): Promise<number> {
  const { indexed, searched } = conditionsOf(filter)
  const all = searched
    ? build.selectFrom('daybook.entries as v').where((eb) => eb.and([indexed(eb), searched(eb)]))
    : build.selectFrom('daybook.entry as v').where(indexed)
  return countOf(database, all.select('v.id'))
}

interface Counted {
  as(alias: 'counted'): AliasedSelectQueryBuilder<{ id: string }, 'counted'>
}

async function countOf(database: Database, query: Counted): Promise<number> {
  const counting = build.selectFrom(query.as('counted')).select(sql<string>`count(*)::text`.as('count')).compile()
  const { rows } = await database.query<{ count: string }>(counting.sql, counting.parameters)
  return Number(rows[0]?.count)
}
