import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../connection/database.ts'
import { type FilterKey, writeActor } from '../core/filter.ts'
import { actorName } from '../core/sentence.ts'
import { build } from './queries.ts'
import { type RecentActor, readValues } from './values.ts'

/** A value that occurs in the log, for who is typing a query. */
export interface Suggestion {
  readonly value: string
  /** What people call it, where that is not the value. */
  readonly label?: string
}

/** So many are suggested at most. */
const MAX = 12

/** Looked at are the newest of so many statements; an index has only some values in order. */
const RECENT = 2000

/**
 * Values of a key that hold what is typed, at most 12, those that begin with it first: from value to value in an index (actors by id,
 * actions, models), from the newest 2,000 statements (actors by label, addresses, tenants, labels of objects) and the columns of the
 * tracked tables (fields). Nothing for other keys.
 */
export async function readSuggestions(
  database: Database,
  key: FilterKey,
  typed: string,
): Promise<readonly Suggestion[]> {
  switch (key) {
    case 'action':
    case 'model':
      return matching(plain(await readValues(database, key)), typed)
    case 'actor':
      return readActors(database, typed)
    case 'field':
      return matching(plain(await readFields(database)), typed)
    case 'ip':
      return matching(plain(await readRecent(database, sql`host(e.ip_address)`, typed)), typed)
    case 'tenant':
      return matching(plain(await readRecent(database, sql.ref('e.tenant_id'), typed)), typed)
    case 'object':
      return matching(plain(await readRecent(database, sql.ref('e.object_label'), typed)), typed)
    default:
      return []
  }
}

function plain(values: readonly string[]): readonly Suggestion[] {
  return values.map((value) => ({ value }))
}

function matching(found: readonly Suggestion[], typed: string): readonly Suggestion[] {
  const part = typed.toLowerCase()
  const at = ({ value, label = value }: Suggestion) => {
    const places = [value, label].map((text) => text.toLowerCase().indexOf(part)).filter((place) => place >= 0)
    return places.length === 0 ? -1 : Math.min(...places)
  }
  const holding = found.filter((suggestion) => at(suggestion) >= 0)
  return [
    ...holding.filter((suggestion) => at(suggestion) === 0),
    ...holding.filter((suggestion) => at(suggestion) > 0),
  ].slice(0, MAX)
}

async function readActors(database: Database, typed: string): Promise<readonly Suggestion[]> {
  const [, idTyped = typed] = /^[a-z]+:(.*)$/s.exec(typed) ?? []
  const [recent, byId] = [await readRecentActors(database, idTyped), await readActorsById(database, idTyped)]
  const found = new Map<string, Suggestion>()
  for (const actor of [...recent, ...byId]) {
    const value = writeActor(actor)
    if (value !== undefined && !found.has(value)) found.set(value, { value, label: actorName(actor) })
  }
  return matching([...found.values()], typed)
}

interface ActorRow {
  readonly actor_type: RecentActor['actorType']
  readonly actor_id: string | null
  readonly actor_label: string | null
}

const recentStatements = sql`
  select e.* from daybook.entry e where e.statement_id is null order by e.id desc limit ${sql.lit(RECENT)}`

async function readRecentActors(database: Database, typed: string): Promise<readonly RecentActor[]> {
  const query = sql<ActorRow>`
    select e.actor_type, e.actor_id, e.actor_label from (${recentStatements}) e
    where ${holdsTyped(sql`concat_ws(' ', e.actor_type, e.actor_id, e.actor_label)`, typed)}
    group by e.actor_type, e.actor_id, e.actor_label order by max(e.id) desc limit ${sql.lit(MAX)}`.compile(build)
  const { rows } = await database.query<ActorRow>(query.sql, query.parameters)
  return rows.map(actorOf)
}

/** Actors whose ids begin with what is typed, however long ago they acted, as they were called last. */
async function readActorsById(database: Database, typed: string): Promise<readonly RecentActor[]> {
  // In the order of the bytes nothing that begins with the typed text comes after this.
  const end = `${typed}\u{10ffff}`
  const next = sql`select min(e.actor_id) from daybook.entry e where e.statement_id is null and e.actor_id < ${end}`
  const query = sql<ActorRow>`
    with recursive found (id, place) as (
      select (${next} and e.actor_id >= ${typed}), 1
      union all
      select (${next} and e.actor_id > found.id), place + 1 from found where found.id is not null and place < ${sql.lit(MAX)}
    )
    select a.actor_type, a.actor_id, a.actor_label from found
    cross join lateral (
      select e.actor_type, e.actor_id, e.actor_label from daybook.entry e
      -- Said so, only the index on actors gives the order: by ids alone, the log would be gone through for who has long been away.
      where e.statement_id is null and e.actor_id between found.id and found.id order by e.actor_id desc, e.id desc limit 1) a
    where found.id is not null`.compile(build)
  const { rows } = await database.query<ActorRow>(query.sql, query.parameters)
  return rows.map(actorOf)
}

function actorOf(row: ActorRow): RecentActor {
  return { actorType: row.actor_type, actorId: row.actor_id, actorLabel: row.actor_label }
}

/** What a column held lately, the most recent first. */
async function readRecent(database: Database, column: RawBuilder<unknown>, typed: string): Promise<readonly string[]> {
  const query = sql<{ value: string }>`
    select ${column} as value from (${recentStatements}) e where ${column} is not null and ${holdsTyped(column, typed)}
    group by 1 order by max(e.id) desc limit ${sql.lit(MAX)}`.compile(build)
  const { rows } = await database.query<{ value: string }>(query.sql, query.parameters)
  return rows.map(({ value }) => value)
}

function holdsTyped(text: RawBuilder<unknown>, typed: string): RawBuilder<unknown> {
  return sql`strpos(lower(${text}), lower(${typed}::text)) > 0`
}

/** Columns by their numbers; under 0 stands which database numbered them. */
async function readFields(database: Database): Promise<readonly string[]> {
  const query = sql<{ name: string }>`
    select distinct c.value as name from daybook.tracked_table t cross join lateral jsonb_each_text(t.known_columns) c
    where c.key <> '0' and c.value <> all (t.exclude_columns) and (t.include_columns is null or c.value = any (t.include_columns))
    order by 1`.compile(build)
  const { rows } = await database.query<{ name: string }>(query.sql, query.parameters)
  return rows.map(({ name }) => name)
}
