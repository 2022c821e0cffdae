import type pg from 'pg'

/** All that is in the schema, as text: tables with columns, indexes and rights, functions, views, triggers that call them, event triggers. */
export async function schemaOf(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query(`
    select concat_ws(' ', 'class', c.relname, c.relkind, c.relowner::regrole, (select string_agg(a::text, ' ' order by a::text) from unnest(c.relacl) a), pg_get_expr(c.relpartbound, c.oid)) as line
      from pg_class c where c.relnamespace = 'daybook'::regnamespace
    union all select concat_ws(' ', 'column', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation,
        pg_get_expr(d.adbin, d.adrelid))
      from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relnamespace = 'daybook'::regnamespace and a.attnum > 0
    union all select concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid)) from pg_index i join pg_class c on c.oid = i.indrelid
      where c.relnamespace = 'daybook'::regnamespace
    union all select concat_ws(' ', 'constraint', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) from pg_constraint c
      where c.connamespace = 'daybook'::regnamespace
    union all select concat_ws(' ', 'function', p.proowner::regrole, (select string_agg(a::text, ' ' order by a::text) from unnest(p.proacl) a), pg_get_functiondef(p.oid)) from pg_proc p
      where p.pronamespace = 'daybook'::regnamespace
    union all select concat_ws(' ', 'view', pg_get_viewdef('daybook.entries'::regclass))
    union all select concat_ws(' ', 'schema', nspowner::regrole, (select string_agg(a::text, ' ' order by a::text) from unnest(nspacl) a)) from pg_namespace where nspname = 'daybook'
    union all select concat_ws(' ', 'trigger', t.tgenabled, pg_get_triggerdef(t.oid)) from pg_trigger t join pg_proc p on p.oid = t.tgfoid
      where p.pronamespace = 'daybook'::regnamespace
    union all select concat_ws(' ', 'event trigger', evtname, evtevent, evtfoid::regproc, evtenabled, evttags::text) from pg_event_trigger
    order by 1`)
  return rows.map(({ line }) => line)
}
