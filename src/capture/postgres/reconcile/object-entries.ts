import type { Database } from '../../../connection/database.ts'
import type { Tracked } from './tracked.ts'

/** After every entry. */
export const NEWEST = '9223372036854775807'

/** Entries of one object that are read at once. */
export const ENTRIES_OF_AN_OBJECT = 20

/** An entry of one object. */
export interface ObjectEntry {
  readonly place: number
  readonly id: string
  readonly statement_id: string
  readonly transaction_id: string
  readonly action: string
  readonly previous_object_id: string | null
  readonly changes: string | null
  /** The object was given another key: what came before is another object's. */
  readonly left: boolean
}

/** An object, and the entry before which its entries are asked for. */
export interface Lookup {
  readonly key: string
  readonly related: string | null
  readonly before: string
}

/** The entries of objects before a certain one, newest first; and the last by which an object left its key. */
export async function entriesOf(
  database: Database,
  { names }: Tracked,
  lookups: readonly Lookup[],
): Promise<ObjectEntry[]> {
  const columns =
    "v.id, v.statement_id, coalesce(v.transaction_id::text, '0') as transaction_id, v.action, v.previous_object_id, v.changes::text as changes"
  const ofTable =
    'exists (select from unnest($4::text[], $5::bigint[], $6::bigint[]) n (name, after, before) where v.table_name = n.name and v.id > n.after and v.id < n.before)'
  const { rows } = await database.query<ObjectEntry>(
    `select w.place::int, v.* from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality as w (key, related, before, place)
      cross join lateral (
        (select v.* from (select ${columns}, false as "left" from daybook.entries v
            where v.object_id = w.key and v.related_id is not distinct from w.related and v.id < w.before and ${ofTable} offset 0) v
          order by v.id desc limit ${ENTRIES_OF_AN_OBJECT})
        union all
        (select v.* from (select ${columns}, true from daybook.entries v
            where v.previous_object_id = w.key and v.object_id <> w.key and v.id < w.before and ${ofTable} offset 0) v
          order by v.id desc limit 1)
      ) v
      order by w.place, v.id desc`,
    [
      lookups.map(({ key }) => key),
      lookups.map(({ related }) => related),
      lookups.map(({ before }) => before),
      names.map(({ name }) => name),
      names.map(({ after }) => after),
      names.map(({ before }) => before),
    ],
  )
  return rows
}

export function begins({ link }: Tracked, action: string): boolean {
  return action === 'baseline' || (link ? action === 'linked' || action === 'permission_granted' : action === 'create')
}

export function ends({ link }: Tracked, action: string): boolean {
  return link ? action === 'unlinked' || action === 'permission_revoked' : action === 'delete'
}
