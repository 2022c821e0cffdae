import type { Database } from '../../../connection/database.ts'

/** A tracked table whose rows can be compared with the log. */
export interface Tracked {
  readonly id: number
  readonly table: string
  /** What it was called, after which entry and before which one. */
  readonly names: readonly { readonly name: string; readonly after: string; readonly before: string }[]
  readonly partitions: readonly string[]
  /** The transaction that made the key what it is: objects may have gone by another before. */
  readonly key_since: string
  readonly partitioned: boolean
  readonly link: boolean
  readonly about: number
}

export async function comparableTables(database: Database): Promise<Tracked[]> {
  const { rows } = await database.query<Tracked>(`
    select t.id, t.relation::text as table, c.relkind = 'p' as partitioned, t.link_kind is not null as link,
      daybook.rows_about(t.relation)::float8 as about,
      (select json_agg(json_build_object('name', n.name, 'after', n.after_id::text, 'before', n.before_id::text)) from daybook.names_of(t.id) n) as names,
      greatest((select max(c.known_since::numeric) from daybook.compared_columns(t.id) c where c.in_key or c.name in (t.link_from, t.link_to)),
        (select daybook.full_xid(i.xmin) from pg_index i where i.indrelid = t.relation and i.indisprimary))::text as key_since,
      array(select p.relid::text from pg_partition_tree(t.relation) p where p.relid <> t.relation) as partitions
    from daybook.tracked_table t join pg_class c on c.oid = t.relation
    where daybook.object_key_sql(t, 'n') <> 'null::text'
    order by 2`)
  return rows
}

/** Whether the table went by that name at the time. */
export function wentBy(
  { names }: Tracked,
  { id, table_name }: { readonly id: string; readonly table_name: string | null },
) {
  return names.some(
    ({ name, after, before }) => name === table_name && BigInt(id) > BigInt(after) && BigInt(id) < BigInt(before),
  )
}
