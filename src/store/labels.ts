import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../connection/database.ts'
import { type ForeignKey, type ObjectReference, type ReferenceLabels, referenceKey } from '../core/display.ts'
import { build } from './queries.ts'

/** References that are looked up at once; what is beyond keeps its key. */
const MAX_REFERENCES = 1000

/** Entries of one key that are looked through for a label: objects of other models can have the same key. */
const MAX_ENTRIES = 2000

/** The log keeps no longer key. */
const MAX_KEY_LENGTH = 1024

/**
 * How objects were called at the entries that refer to them: by the newest entry of each, on either side, that had a label then; else by
 * one of the same transaction, which may have made the object after it was referred to. Null where the log has no such entry; left out
 * where it could not be told.
 */
export async function readLabels(database: Database, references: readonly ObjectReference[]): Promise<ReferenceLabels> {
  const keys = references.filter(({ model, id }) => isStorable(model) && isStorable(id) && id.length <= MAX_KEY_LENGTH)
  const wanted = [...new Map(keys.map((reference) => [referenceKey(reference), reference]))].slice(0, MAX_REFERENCES)
  if (wanted.length === 0) return new Map()
  const { sql: text, parameters } = sql`
    select r.place::int as place, l.label, l.label is null and (${reachesBound('object')} or ${reachesBound('related')}) as unknown
    from unnest(
        ${wanted.map(([, { model }]) => model)}::text[], ${wanted.map(([, { id }]) => id)}::text[],
        ${wanted.map(([, { entry }]) => entry.id)}::bigint[], ${wanted.map(([, { entry }]) => entry.transactionId)}::text[]
      ) with ordinality as r (model, key, entry, transaction, place)
    cross join lateral (select coalesce(${newestLabel}, ${labelOfTransaction}) as label offset 0) l`.compile(build)
  const { rows } = await database.query<{ place: number; label: string | null; unknown: boolean }>(text, parameters)
  const known = rows.filter(({ unknown }) => !unknown)
  return new Map(known.map(({ place, label }) => [wanted[place - 1]?.[0] ?? '', label]))
}

function isStorable(text: string): boolean {
  return !text.includes('\0')
}

type Side = 'object' | 'related'

/** The entries that have the key on a side, up to the one that refers to it, newest first; or those behind it, oldest first. */
function entriesOf(side: Side, direction: 'upTo' | 'behind'): RawBuilder<unknown> {
  const model = sql.ref(side === 'object' ? 'e.model' : 'e.related_model')
  const [beyond, order] = direction === 'upTo' ? (['<=', 'desc'] as const) : (['>', 'asc'] as const)
  return sql`
    select e.id, ${model} as model, ${sql.ref(`e.${side}_label`)} as label, e.outcome, e.transaction_id from daybook.entries e
    where ${sql.ref(`e.${side}_id`)} = r.key and e.id ${sql.raw(beyond)} r.entry order by e.id ${sql.raw(order)} limit ${sql.lit(MAX_ENTRIES)}`
}

// What was tried in vain may name an object as a stranger typed it.
const isTelling = sql`e.model = r.model and e.label is not null and e.outcome = 'success'`

function oneOf(side: Side): RawBuilder<unknown> {
  return sql`(select e.id, e.label from (${entriesOf(side, 'upTo')}) e where ${isTelling} order by e.id desc limit 1)`
}

const newestLabel = sql`(select e.label from (${oneOf('object')} union all ${oneOf('related')}) e order by e.id desc limit 1)`

const labelOfTransaction = sql`(select case when e.transaction_id::text = r.transaction then e.label end
  from (${entriesOf('object', 'behind')}) e where ${isTelling} order by e.id limit 1)`

function reachesBound(side: Side): RawBuilder<unknown> {
  return sql`(select count(*) from (${entriesOf(side, 'upTo')}) e) = ${sql.lit(MAX_ENTRIES)}`
}

/** Foreign keys of one column from tracked tables to the keys of tracked tables with a label, as the database has them now. */
export async function readForeignKeys(database: Database): Promise<readonly ForeignKey[]> {
  const { rows } = await database.query<ForeignKey>(`
    select format('%I.%I', s.nspname, c.relname) as "table", a.attname as "column", r.model as "references"
    from daybook.tracked_table t
    join pg_class c on c.oid = t.relation
    join pg_namespace s on s.oid = c.relnamespace
    join pg_constraint k on k.conrelid = t.relation and k.contype = 'f' and cardinality(k.conkey) = 1
    join pg_attribute a on a.attrelid = t.relation and a.attnum = k.conkey[1]
    join daybook.tracked_table r on r.relation = k.confrelid and r.label_columns <> '{}'
    join pg_index i on i.indrelid = k.confrelid and i.indisprimary and i.indnkeyatts = 1 and i.indkey[0] = k.confkey[1]
    order by 1, 2, 3`)
  return rows
}
