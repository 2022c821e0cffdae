import type { Database } from '../../connection/database.ts'

/** Whether events can be recorded here: the role may, and the database takes writes, which a standby doesn't. */
export async function mayRecord(database: Database): Promise<boolean> {
  const { rows } = await database.query<{ may: boolean }>(
    `select current_setting('transaction_read_only') = 'off' and exists (
       select from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
       where n.nspname = 'daybook' and p.proname = 'record' and has_function_privilege(p.oid, 'execute')
     ) as may`,
  )
  return rows[0]?.may === true
}
