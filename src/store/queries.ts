import {
  DummyDriver,
  type Expression,
  type ExpressionBuilder,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type SqlBool,
  sql,
} from 'kysely'
import type { Outcome } from '../core/event.ts'
import {
  type ActorQuery,
  FILTER_KEYS,
  type Filter,
  type FilterKey,
  isExactActor,
  readActor,
  timesOf,
} from '../core/filter.ts'
import type { TimeBounds } from '../core/time-range.ts'
import { ENTRY_COLUMNS, type EntriesView } from './entry-row.ts'

interface Schema {
  'daybook.entries': EntriesView
  /** The table below the view has the columns of which queries need an index under the same names. */
  'daybook.entry': EntriesView
  'daybook.tracked_table': { relation: string; model: string }
}

/** Builds queries and runs none: what it compiles goes through the `Database` seam. */
export const build = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

export type Eb = ExpressionBuilder<{ v: EntriesView }, 'v'>
export type Condition = Expression<SqlBool>

/**
 * A filter as conditions on `v`: those that an index answers, which hold for `daybook.entry` as for `daybook.entries`, and those
 * for which entries must be looked at one by one.
 */
export interface Conditions {
  readonly indexed: (eb: Eb) => Condition
  /** The same, asked of the first entry of a statement for them all. Absent where the entries of a statement may differ in it. */
  readonly shared?: (eb: Eb) => Condition
  /** Absent where the indexes answer it all. */
  readonly searched?: Searches
}

/** What entries must be looked at for. */
export interface Searches {
  /** Of all of it: for a list that is not in the order of statements. */
  readonly whole: Search
  /** What all entries of a statement have in common, so that the first one tells it for them. */
  readonly shared: Search
  /** What each entry has of its own. */
  readonly own: Search
}

/**
 * What entries must be looked at for, given the alias of an entry and of the first one of its statement, which has the actor's
 * label for them all. In the view both are `v`.
 */
export type Search = (own: string, first: string) => Condition

interface IndexedRule {
  readonly indexed: true
  /** The entries of one statement may differ in it. */
  readonly own?: true
  readonly build: (eb: Eb) => Condition
  /** What is simpler to ask of the first entry of a statement. */
  readonly buildFirst?: (eb: Eb) => Condition
}

interface SearchRule {
  readonly indexed: false
  /** The entries of one statement may differ in it. */
  readonly own?: true
  readonly search: Search
}

type Rule = IndexedRule | SearchRule

/** Which conditions a filter stands for at a moment. */
export function conditionsOf(filter: Filter, now = new Date()): Conditions {
  const rules = [...rulesOf(filter, now)]
  const indexed = rules.filter((rule) => rule.indexed)
  const searched = rules.filter((rule) => !rule.indexed)
  return {
    indexed: (eb) => eb.and(indexed.map((rule) => rule.build(eb))),
    ...(!indexed.some((rule) => rule.own) && {
      shared: (eb: Eb) => eb.and(indexed.map((rule) => (rule.buildFirst ?? rule.build)(eb))),
    }),
    ...(searched.length > 0 && {
      searched: {
        whole: together(searched),
        shared: together(searched.filter((rule) => !rule.own)),
        own: together(searched.filter((rule) => rule.own)),
      },
    }),
  }
}

function together(rules: readonly SearchRule[]): Search {
  return (own, first) => (rules.length === 0 ? sql<SqlBool>`true` : allOf(rules.map((rule) => rule.search(own, first))))
}

function allOf(conditions: readonly Condition[]): Condition {
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

function anyOf(conditions: readonly Condition[]): Condition {
  return sql<SqlBool>`(${sql.join(conditions, sql` or `)})`
}

function* rulesOf(filter: Filter, now: Date): Generator<Rule> {
  if (filter.actor) yield actorRule(filter.actor)
  if (filter.model) yield oneOf('v.model', filter.model)
  if (filter.objectId) yield { ...oneOf('v.object_id', filter.objectId), own: true }
  if (filter.action) yield actionRule(filter.action)
  if (filter.outcome) yield outcomeRule(filter.outcome)
  if (filter.ip) yield addressRule(filter.ip)
  if (filter.request || filter.transaction || filter.statement) yield statementsRule(filter)
  const { at, object, field, tenant, text, not } = filter
  if (at) yield { indexed: true, build: () => holds.at(at, 'v', 'v', now) }
  if (object) yield searchRule('object', (own, first) => holds.object(object, own, first, now))
  if (field) yield searchRule('field', (own, first) => holds.field(field, own, first, now))
  if (tenant) yield searchRule('tenant', (own, first) => holds.tenant(tenant, own, first, now))
  // Each word must be found.
  for (const part of text ?? []) yield searchRule('text', (own, first) => holds.text([part], own, first, now))
  for (const { key } of FILTER_KEYS) {
    const values = not?.[key]
    // No index answers what is left out; an entry of which it can't be said stays.
    if (values) yield searchRule(key, (own, first) => sql<SqlBool>`${holds[key](values, own, first, now)} is not true`)
  }
}

/** What the entries of one statement may differ in. */
const OWN: readonly FilterKey[] = ['object', 'objectId', 'field', 'text']

function searchRule(key: FilterKey, search: Search): SearchRule {
  return { indexed: false, ...(OWN.includes(key) && { own: true }), search }
}

function oneOf(column: 'v.model' | 'v.object_id', values: readonly string[]): IndexedRule {
  // One value as `=` keeps the order of an index on (column, id).
  const [first = '', ...others] = values
  return {
    indexed: true,
    build: (eb) => (others.length === 0 ? eb(column, '=', first) : eb(column, 'in', values)),
  }
}

function actorRule(values: readonly string[]): Rule {
  const queries = values.map(readActor)
  if (!queries.every(isExactActor)) {
    return searchRule('actor', (own, first) => anyOf(queries.map((query) => isActor(query, own, first))))
  }
  return {
    indexed: true,
    build: (eb) =>
      eb.or(queries.map(({ type, id }) => eb.and([eb('v.actor_id', '=', id), eb('v.actor_type', '=', type)]))),
  }
}

function isActor(query: ActorQuery, own: string, first: string): Condition {
  const [type, id, label] = [`${own}.actor_type`, `${own}.actor_id`, `${first}.actor_label`].map((name) =>
    sql.ref(name),
  )
  if ('idOrLabel' in query) {
    return sql<SqlBool>`(${id} = ${query.idOrLabel} or lower(${label}) = ${query.idOrLabel.toLowerCase()})`
  }
  return query.id === undefined
    ? sql<SqlBool>`${type} = ${query.type}`
    : sql<SqlBool>`(${id} = ${query.id} and ${type} = ${query.type})`
}

function actionRule(values: readonly string[]): Rule {
  const ranges = values.filter((value) => value.endsWith('.*')).map((value) => value.slice(0, -1))
  const names = values.filter((value) => !value.endsWith('.*'))
  return {
    indexed: true,
    build: (eb) => {
      if (ranges.length === 0 && names.length === 1) return eb('v.action', '=', names[0] as string)
      return eb.or([
        ...(names.length > 0 ? [eb('v.action', 'in', names)] : []),
        // The index is in the order of the bytes, in which "/" comes right after ".".
        ...ranges.map((prefix) =>
          eb.and([eb('v.action', '>=', prefix), eb('v.action', '<', `${prefix.slice(0, -1)}/`)]),
        ),
      ])
    },
  }
}

function outcomeRule(values: readonly Outcome[]): Rule {
  // A success is stored as null and is most of the log; what went wrong is little, and has an index of its own below the view.
  if (values.includes('success'))
    return { indexed: true, build: () => sql<SqlBool>`coalesce(v.outcome, 'success') in (${sql.join(values)})` }
  return {
    indexed: true,
    buildFirst: (eb) => eb('v.outcome', 'in', values),
    build: () => {
      const failed = build
        .selectFrom('daybook.entry as f')
        .select(['f.id', 'f.recorded_at'])
        .where('f.outcome', 'in', values)
      return sql<SqlBool>`(v.id, v.recorded_at) in ${failed}`
    },
  }
}

function addressRule(values: readonly string[]): Rule {
  return {
    indexed: true,
    build: (eb) =>
      eb.or(
        values.map((value) =>
          value.includes('/')
            ? sql<SqlBool>`v.ip_address <<= ${value}::inet`
            : sql<SqlBool>`v.ip_address = ${value}::inet`,
        ),
      ),
  }
}

/**
 * Request and transaction are stored once a statement, with its first entry, and have their indexes there: the entries are
 * those first ones and the ones that name them.
 */
function statementsRule(filter: Filter): Rule {
  const { request, transaction, statement } = filter
  const first = () => {
    let query = build.selectFrom('daybook.entry as h')
    if (request) {
      // The index has a number for each request's name.
      query = query
        .where('h.request_id', 'in', request)
        .where(
          sql<SqlBool>`hashtextextended(h.request_id, 0) = any(array(select hashtextextended(r, 0) from unnest(${request}::text[]) r))`,
        )
    }
    if (transaction) {
      // As the index has it.
      query = query.where(
        sql<SqlBool>`h.transaction_id::text::bigint = any(${transaction}::text[]::xid8[]::text[]::bigint[])`,
      )
    }
    if (statement) query = query.where('h.id', 'in', statement).where('h.statement_id', 'is', null)
    return query
  }
  const others = () =>
    first().innerJoin('daybook.entry as f', (join) =>
      join.onRef('f.statement_id', '=', 'h.id').onRef('f.recorded_at', '=', 'h.recorded_at'),
    )
  return {
    indexed: true,
    // As an array, these few are looked up first; joined, the planner would rather walk the log until it meets them.
    buildFirst: () => sql<SqlBool>`v.id = any(array(${first().select('h.id')}))`,
    build: () =>
      sql<SqlBool>`(v.id, v.recorded_at) in (${first().select(['h.id', 'h.recorded_at'])} union all ${others().select(['f.id', 'f.recorded_at'])})`,
  }
}

/** Whether any value of a key is true of one entry, whatever index there is. */
type Holds = (values: readonly string[], own: string, first: string, now: Date) => Condition

const holds: Readonly<Record<FilterKey, Holds>> = {
  actor: (values, own, first) => anyOf(values.map((value) => isActor(readActor(value), own, first))),
  model: (values, own) => isOneOf(`${own}.model`, values),
  object: (values, own) =>
    anyOf([isOneOf(`${own}.object_id`, values), ...values.map((part) => contains(`${own}.object_label`, part))]),
  objectId: (values, own) => isOneOf(`${own}.object_id`, values),
  action: (values, own) => anyOf(values.map((value) => isAction(`${own}.action`, value))),
  outcome: (values, own) => sql<SqlBool>`coalesce(${sql.ref(`${own}.outcome`)}, 'success') = any(${values}::text[])`,
  field: hasField,
  ip: (values, own) => anyOf(values.map((value) => sql<SqlBool>`${sql.ref(`${own}.ip_address`)} <<= ${value}::inet`)),
  request: (values, _own, first) => isOneOf(`${first}.request_id`, values),
  transaction: (values, _own, first) => isOneOf(`${first}.transaction_id`, values),
  statement: (values, own) =>
    sql<SqlBool>`coalesce(${sql.ref(`${own}.statement_id`)}, ${sql.ref(`${own}.id`)}) = any(${values}::text[]::bigint[])`,
  tenant: (values, own) => isOneOf(`${own}.tenant_id`, values),
  at: (values, own, _first, now) =>
    anyOf(timesOf({ at: values }, now).map((bounds) => isWithin(`${own}.recorded_at`, bounds))),
  text: (values, own, first) =>
    anyOf(
      [`${own}.object_label`, `${own}.related_label`, `${first}.actor_label`].flatMap((label) =>
        values.map((part) => contains(label, part)),
      ),
    ),
}

function isOneOf(column: string, values: readonly string[]): Condition {
  return sql<SqlBool>`${sql.ref(column)}::text = any(${values}::text[])`
}

function isAction(column: string, value: string): Condition {
  return value.endsWith('.*')
    ? sql<SqlBool>`starts_with(${sql.ref(column)}, ${value.slice(0, -1)})`
    : sql<SqlBool>`${sql.ref(column)} = ${value}`
}

function isWithin(column: string, { from, to }: TimeBounds): Condition {
  return allOf([
    ...(from === undefined ? [] : [sql<SqlBool>`${sql.ref(column)} >= ${from}::timestamptz`]),
    ...(to === undefined ? [] : [sql<SqlBool>`${sql.ref(column)} < ${to}::timestamptz`]),
  ])
}

/**
 * The names of the fields stand by themselves, with the first entry of a statement, or in an update's changes: each one's name, old and
 * new. These are only taken apart where the name stands in them at all; and not as a whole, for some values could not be unescaped.
 */
function hasField(values: readonly string[], own: string, first: string): Condition {
  const changes = sql`${sql.ref(`${own}.changes`)}::text`
  const names = sql`coalesce(${sql.ref(`${own}.changed_fields`)}, ${sql.ref(`${first}.changed_fields`)})`
  const stands = anyOf(values.map((value) => sql<SqlBool>`strpos(${changes}, to_json(${value}::text)::text) > 0`))
  return sql<SqlBool>`case
    when ${names} is not null then ${names} && ${values}::text[]
    when ${changes} like '[%' and ${stands} then exists (
      select from json_array_elements(${changes}::json) c (change)
      cross join lateral (select n.name #>> '{}' as name from json_array_elements(c.change) n (name) limit 1) f
      where f.name = any(${values}::text[]))
    else false end`
}

function contains(column: string, part: string): Condition {
  return sql<SqlBool>`${sql.ref(column)} ilike ${`%${part.replace(/[\\%_]/g, '\\$&')}%`}`
}

/** Where a page begins: an entry and the statement that it belongs to. */
export interface Place {
  readonly id: string
  readonly statementId: string
}

export interface StatementsQuery {
  readonly shared: NonNullable<Conditions['shared']>
  readonly direction: 'older' | 'newer'
  readonly from?: Place | undefined
  readonly limit: number
}

/**
 * The entries of the statements whose first entry has the condition, newest or oldest statement first. What a statement's entries
 * share is indexed on the first one alone; and as two statements that changed the same row follow each other as wholes, the order of
 * statements is an order of changes.
 */
export function selectByStatement({ shared, direction, from, limit }: StatementsQuery) {
  const order = direction === 'older' ? 'desc' : 'asc'
  const [beyond, upTo] = direction === 'older' ? (['<', '<='] as const) : (['>', '>='] as const)
  let first = build
    .selectFrom('daybook.entry as v')
    .select(['v.id', 'v.recorded_at'])
    .where('v.statement_id', 'is', null)
    .where(shared)
    .orderBy('v.id', order)
  if (from) first = first.where('v.id', upTo, from.statementId)
  // The statement in which the last page ended may have nothing left.
  first = first.limit(limit + 1)
  let others = build
    .selectFrom('daybook.entry as o')
    .select(['o.id', 'o.recorded_at'])
    .whereRef('o.statement_id', '=', sql.ref('h.id'))
    .whereRef('o.recorded_at', '=', sql.ref('h.recorded_at'))
  if (from) others = others.where(sql<SqlBool>`(h.id <> ${from.statementId} or o.id ${sql.raw(beyond)} ${from.id})`)
  others = others.orderBy('o.id', order).limit(limit)
  const rest = from ? sql`where h.id <> ${from.statementId} or e.id ${sql.raw(beyond)} ${from.id}` : sql``
  const places = sql<{ id: string; recorded_at: Date }>`(
    select e.id, e.recorded_at from (${first}) h
    cross join lateral (select h.id, h.recorded_at union all (${others})) e ${rest}
    order by h.id ${sql.raw(order)}, e.id ${sql.raw(order)} limit ${limit})`
  return build
    .selectFrom(places.as('p'))
    .innerJoin('daybook.entries as v', (join) =>
      join.onRef('v.id', '=', 'p.id').onRef('v.recorded_at', '=', 'p.recorded_at'),
    )
    .select(ENTRY_COLUMNS)
    .orderBy('v.statement_id', order)
    .orderBy('v.id', order)
}

export interface SearchQuery extends Omit<StatementsQuery, 'limit'> {
  readonly searched: Searches
  /** The last statement that is looked at; absent: to the end of the log. */
  readonly edge?: string | undefined
}

/** Where the entries are that a search finds in a stretch of statements. */
export function searchPlaces({ shared, searched, direction, from, edge }: SearchQuery) {
  const [beyond, upTo, downTo] = direction === 'older' ? (['<', '<=', '>='] as const) : (['>', '>=', '<='] as const)
  const inStretch = (column: string) =>
    allOf([
      sql<SqlBool>`true`,
      ...(from ? [sql<SqlBool>`${sql.ref(column)} ${sql.raw(upTo)} ${from.statementId}`] : []),
      ...(edge === undefined ? [] : [sql<SqlBool>`${sql.ref(column)} ${sql.raw(downTo)} ${edge}`]),
    ])
  const isLeft = (own: string) =>
    from
      ? sql<SqlBool>`(v.id <> ${from.statementId} or ${sql.ref(`${own}.id`)} ${sql.raw(beyond)} ${from.id})`
      : sql<SqlBool>`true`
  const first = build
    .selectFrom('daybook.entry as v')
    .where('v.statement_id', 'is', null)
    .where(shared)
    .where(searched.shared('v', 'v'))
    .where(inStretch('v.id'))
  const others = first
    .innerJoin('daybook.entry as o', (join) =>
      join.onRef('o.statement_id', '=', 'v.id').onRef('o.recorded_at', '=', 'v.recorded_at'),
    )
    .where(inStretch('o.statement_id'))
    .where(searched.own('o', 'v'))
    .where(isLeft('o'))
    .select(['o.id', 'o.recorded_at', 'v.id as first_id'])
  return first
    .where(searched.own('v', 'v'))
    .where(isLeft('v'))
    .select(['v.id', 'v.recorded_at', 'v.id as first_id'])
    .unionAll(others)
}

/** The entries that a search finds in a stretch of statements, newest or oldest statement first. */
export function selectSearched(query: SearchQuery, limit: number) {
  const order = query.direction === 'older' ? 'desc' : 'asc'
  const places = build
    .selectFrom(searchPlaces(query).as('f'))
    .selectAll()
    .orderBy('f.first_id', order)
    .orderBy('f.id', order)
    .limit(limit)
  return build
    .selectFrom(places.as('p'))
    .innerJoin('daybook.entries as v', (join) =>
      join.onRef('v.id', '=', 'p.id').onRef('v.recorded_at', '=', 'p.recorded_at'),
    )
    .select(ENTRY_COLUMNS)
    .orderBy('p.first_id', order)
    .orderBy('p.id', order)
}

/** The entries for which a condition holds, newest or oldest first. */
export function selectEntries(condition: (eb: Eb) => Condition, order: 'desc' | 'asc' = 'desc') {
  return build.selectFrom('daybook.entries as v').select(ENTRY_COLUMNS).where(condition).orderBy('v.id', order)
}
