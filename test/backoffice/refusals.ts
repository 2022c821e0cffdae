import type pg from 'pg'
import { expect } from 'vitest'

/** Not permitted; or, for the view, not possible at all. */
const REFUSED = new Set(['42501', '55000'])

interface Queryable {
  query(text: string): Promise<{ rows: Record<string, unknown>[] }>
}

/**
 * Tries, as the application's own connection, everything that would change the log, forge an entry or switch capture off, on
 * every table and partition of the log and every table of the back office. The database must refuse each of them.
 */
export async function refusals(application: Pick<pg.Pool, 'query'>, owner: Queryable): Promise<void> {
  const { rows } = await owner.query(
    `select c.oid::regclass::text as name, n.nspname as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname in ('daybook', 'backoffice') and c.relkind in ('r', 'p') order by 1`,
  )
  const names = (schema: string) => rows.filter((row) => row.schema === schema).map(({ name }) => String(name))
  const log = names('daybook')
  expect(log.filter((name) => /^daybook\.entry_\d/.test(name)).length).toBeGreaterThanOrEqual(4)

  const attempts = [
    ...log.flatMap((name) => [
      `delete from ${name}`,
      `truncate ${name}`,
      `drop table ${name} cascade`,
      `alter table ${name} disable trigger all`,
      `alter table ${name} owner to backoffice_app`,
      `create trigger spy before insert on ${name} for each row execute function suppress_redundant_updates_trigger()`,
    ]),
    ...log
      .filter((name) => name.startsWith('daybook.entry'))
      .flatMap((name) => [
        `update ${name} set actor_label = 'somebody else'`,
        `insert into ${name} (id, recorded_at, action, actor_type) values (1, now(), 'login', 'user')`,
      ]),
    'delete from daybook.entries',
    "update daybook.entries set actor_label = 'somebody else'",
    'drop schema daybook cascade',
    'create function daybook.mine() returns int language sql as $$ select 1 $$',
    "select setval('daybook.entry_id', 1)",
    "update daybook.tracked_table set mask_columns = '{}'",
    "select daybook.untrack('backoffice.invoice')",
    'set role daybook_owner',
    ...names('backoffice').flatMap((name) => [
      `alter table ${name} disable trigger all`,
      `alter table ${name} add column mine text`,
      `truncate ${name} cascade`,
      `drop table ${name} cascade`,
    ]),
    'set session_replication_role = replica',
  ]
  for (const attempt of attempts) {
    const outcome = await application.query(attempt).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    )
    expect(REFUSED, `${attempt}: ${outcome}`).toContain(outcome)
  }

  for (const action of ['create', 'update', 'delete', 'truncate', 'purge']) {
    const forged = application.query(
      `select daybook.record('${action}', null, 'Invoice', '1', 'forged', null, null, null, null, null)`,
    )
    await expect(forged, action).rejects.toThrow()
  }
  const functions = await owner.query(
    `select p.oid::regprocedure::text as name from pg_proc p where pronamespace = 'daybook'::regnamespace
       and has_function_privilege('backoffice_app', p.oid, 'execute') order by 1`,
  )
  expect(functions.rows.map(({ name }) => String(name).replace(/\(.*/s, ''))).toEqual([
    'daybook.ensure_months',
    'daybook.probe',
    'daybook.record',
    'daybook.wiring',
  ])
}
