import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type DoctorOptions,
  doctor,
  type Finding,
  type FindingCode,
  install,
  track,
} from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { openPglite, type Pglite } from '../../src/connection/pglite.ts'
import { createLoginRole } from '../database.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

let log: CaptureLog
beforeEach(async () => {
  log = await createCaptureLog()
})
afterEach(() => log?.close())

/** Roles are the server's: what other tests have left there is none of this one's. */
const ROLES = ['doctor_app', 'doctor_owner', 'doctor_member', 'doctor_reader', 'doctor_nobody', 'doctor_free', 'PUBLIC']

async function look(options: DoctorOptions = {}, database = log.database) {
  const diagnosis = await doctor(database, { reconcileRows: 0, ...options })
  const findings = diagnosis.findings.filter(({ subject: { role } }) => role === undefined || ROLES.includes(role))
  return { ...diagnosis, findings }
}

async function codes(options: DoctorOptions = {}, database = log.database): Promise<string[]> {
  const { findings } = await look(options, database)
  return findings.filter(({ severity }) => severity !== 'info').map(told)
}

/** The code and what it is about, as one line. */
function told({ code, subject: { table, columns, role, object } }: Finding): string {
  return [code, table, role, object, ...(columns ?? [])].filter((part) => part !== undefined).join(' ')
}

async function as<T>(role: string, work: (database: CaptureLog['database']) => Promise<T>): Promise<T> {
  const pool = new pg.Pool({ connectionString: log.urlAs(role), max: 2 })
  pool.on('error', () => {})
  try {
    return await work(fromPgPool(pool))
  } finally {
    await pool.end()
  }
}

const INVOICE = 'create table invoice (id int primary key, status text, total numeric)'

describe('a log that is as it was installed', () => {
  it('B45 has no finding but what is meant to be', async () => {
    await log.table(INVOICE, 'invoice')
    await createLoginRole(log.pool, 'doctor_app')
    await install(log.database, { applicationRoles: ['doctor_app'] })
    const diagnosis = await doctor(log.database)
    expect(diagnosis).toMatchObject({
      role: 'postgres',
      trackedTables: 1,
      followsChanges: true,
      fixed: [],
      notFixed: [],
    })
    expect(await codes()).toEqual([])
    expect(diagnosis.findings).toContainEqual(
      expect.objectContaining({ code: 'superuser', severity: 'info', subject: { role: 'postgres' } }),
    )
  })
})

describe('on PGlite', () => {
  let pglite: Pglite
  beforeAll(async () => {
    pglite = await openPglite()
    await install(pglite.database)
    await pglite.database.query(INVOICE)
    await track(pglite.database, 'invoice')
  })
  afterAll(() => pglite?.close())

  it('B45 a log that is as it was installed is healthy, and a row that changed past it is found', async () => {
    const { database } = pglite
    await database.query("insert into invoice values (1, 'open', 1.50), (2, null, 'NaN')")
    expect(await doctor(database)).toMatchObject({
      healthy: true,
      reconciliation: { tables: [{ rows: 2, complete: true }] },
    })
    await database.query('set session_replication_role = replica')
    await database.query('update invoice set total = 2 where id = 1')
    await database.query('reset session_replication_role')
    expect((await doctor(database)).findings[0]).toMatchObject({ code: 'rows_differ', subject: { keys: ['1'] } })
  })
})

describe('tables', () => {
  it('tells what is covered and what is not, by schema', async () => {
    await log.run(`create schema shop; create schema other; create table shop.customer (id int primary key, name text, password text, notes text, iban text);
      create table shop.cache (x int); create table other.thing (x int); create unlogged table shop.session (id int); create temp table t (x int);
      create view shop.v as select 1; create table "other"."Odd.One" (id int)`)
    await track(log.database, 'shop.customer', { exclude: ['notes'], mask: ['iban'] })
    const { findings } = await look()
    expect(findings.map(told)).toEqual(
      expect.arrayContaining([
        'untracked_table shop.cache',
        'untracked_table shop.session',
        'untracked_table other.thing',
        'untracked_table other."Odd.One"',
        'excluded_columns shop.customer notes',
        'masked_columns shop.customer password iban',
      ]),
    )
    expect(findings.filter(({ code }) => code === 'untracked_table')).toHaveLength(4)
    expect(findings.every(({ severity }) => severity === 'info')).toBe(true)
    const { findings: ofShop } = await look({ schemas: ['shop'] })
    expect(ofShop.filter(({ code }) => code === 'untracked_table').map(told)).toEqual([
      'untracked_table shop.cache',
      'untracked_table shop.session',
    ])
  })

  it('B12 B25 warns of tables without a timeline, and of secrets that are recorded', async () => {
    await log.table('create table keyless (a int)', 'keyless')
    await log.table('create table secret_key (token text primary key, a int)', 'secret_key')
    await log.table('create table person (id int primary key, password text, data jsonb, j json)', 'person', {
      unmask: ['password'],
    })
    await log.run(
      `insert into person values (1, 'x', '{"a": [{"api_key": "v: \\"secret\\": "}]}', '{"x": "\\"password\\":1", "apiToken": 1}')`,
    )
    expect(await codes({ reconcileRows: 10 })).toEqual([
      'secret_unmasked public.person password',
      'secret_in_json public.person apiToken j',
      'secret_in_json public.person api_key data',
      'no_key public.keyless',
      'masked_key public.secret_key token',
    ])
    expect((await doctor(log.database)).healthy).toBe(true)
  })

  it('B11 warns of children that inherit without capture and of partitions that were detached with it', async () => {
    await log.table(
      'create table parent (id int primary key); create table child () inherits (parent); create table grandchild () inherits (child); create table tracked_child (primary key (id)) inherits (parent)',
      'parent',
    )
    await track(log.database, 'tracked_child')
    await log.table(
      'create table p (id int primary key) partition by list (id); create table p_1 partition of p for values in (1); create table p_2 partition of p for values in (2)',
      'p',
    )
    await log.run('alter table p detach partition p_1')
    expect(await codes()).toEqual([
      'inheriting_table public.child',
      'inheriting_table public.grandchild',
      'detached_partition public.p_1',
    ])
  })
})

describe('the capture', () => {
  const broken: [what: string, sql: string, code: FindingCode, table: string][] = [
    [
      'a trigger that was switched off',
      'alter table invoice disable trigger daybook_delete',
      'trigger_disabled',
      'public.invoice',
    ],
    ['all triggers switched off', 'alter table invoice disable trigger all', 'trigger_disabled', 'public.invoice'],
    [
      'a trigger for replicas alone',
      'alter table invoice enable replica trigger daybook_update',
      'trigger_disabled',
      'public.invoice',
    ],
    ['a trigger that was dropped', 'drop trigger daybook_insert on invoice', 'trigger_missing', 'public.invoice'],
    ['a partition without', 'drop trigger daybook_insert on part_1', 'trigger_missing', 'public.part_1'],
    [
      'a capture that is out of step',
      'alter event trigger daybook_follow_tables disable; alter table invoice add column added text; alter event trigger daybook_follow_tables enable',
      'out_of_step',
      'public.invoice',
    ],
    [
      'a capture function that was written anew',
      "do $$ begin execute format('create or replace function daybook.capture_%s() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as %L', (select id from daybook.tracked_table where relation = 'invoice'::regclass), 'begin return null; end'); end $$",
      'capture_differs',
      'public.invoice',
    ],
  ]

  it.each(broken)('B17 of %s is an error that --fix sets right', async (_what, sql, code, table) => {
    await log.table(INVOICE, 'invoice')
    await log.table(
      'create table part (id int primary key) partition by list (id); create table part_1 partition of part for values in (1)',
      'part',
    )
    expect(await codes()).toEqual([])
    await log.run(sql)
    const { findings, healthy } = await look()
    expect(healthy).toBe(false)
    expect(findings.filter(({ severity }) => severity === 'error')).toMatchObject([
      { code, severity: 'error', subject: { table }, fixable: true },
    ])
    const fixed = await look({ fix: true })
    expect(fixed.fixed).toMatchObject([{ code, subject: { table } }])
    expect(fixed).toMatchObject({ notFixed: [] })
    expect(await codes()).toEqual([])
    await log.entries()
    await log.run(
      "insert into invoice (id) values (1); update invoice set status = 'x'; delete from invoice; insert into part_1 values (1)",
    )
    expect((await log.entries()).map(({ action }) => action)).toEqual(['create', 'update', 'delete', 'create'])
  })

  it('B17 keeps telling of rows that changed while a trigger was off, also after --fix', async () => {
    await log.table(INVOICE, 'invoice')
    await log.run("insert into invoice values (1, 'a', 1), (2, 'b', 2)")
    await log.run('alter table invoice disable trigger user; update invoice set total = 9 where id = 2')
    await look({ fix: true })
    expect(await codes({ reconcileRows: 100 })).toEqual(['rows_differ public.invoice total'])
  })

  it('B14 without event triggers is a warning, and an error where one was switched off', async () => {
    await log.run('alter event trigger daybook_follow_drops disable')
    expect(await codes()).toEqual(['event_trigger_off daybook_follow_drops'])
    expect((await look()).followsChanges).toBe(false)
    await log.run(
      'drop event trigger daybook_follow_drops; drop event trigger daybook_follow_tables; drop event trigger daybook_follow_partitions; drop event trigger daybook_follow_triggers',
    )
    expect(await codes()).toEqual(['no_event_triggers'])
    expect((await look()).followsChanges).toBe(false)
    await install(log.database)
    expect(await codes()).toEqual([])
  })

  it('B14 of a table that is gone is forgotten by --fix', async () => {
    await log.table(INVOICE, 'invoice')
    await log.run(
      'alter event trigger daybook_follow_drops disable; drop table invoice; alter event trigger daybook_follow_drops enable',
    )
    expect(await codes()).toEqual(['dropped_table Invoice'])
    expect((await look({ fix: true })).fixed.map(told)).toEqual(['dropped_table Invoice'])
    expect(await codes()).toEqual([])
  })

  it('B17 of a table that --fix may not touch is told, and the others are set right', async () => {
    await createLoginRole(log.pool, 'doctor_owner')
    await log.run('grant daybook_owner to doctor_owner')
    await log.table(INVOICE, 'invoice')
    await log.table('create table own (id int primary key)', 'own')
    await log.run(
      'alter table own owner to doctor_owner; alter table own disable trigger all; alter table invoice disable trigger all',
    )
    const { fixed, notFixed } = await as('doctor_owner', (database) => look({ fix: true }, database))
    expect(fixed.map(told)).toEqual(['trigger_disabled public.own'])
    expect(notFixed).toEqual([expect.stringMatching(/invoice/)])
    expect(await codes()).toEqual(['trigger_disabled public.invoice'])
  })
})

describe('roles', () => {
  beforeEach(async () => {
    for (const role of ['doctor_app', 'doctor_owner', 'doctor_member', 'doctor_free']) {
      await createLoginRole(log.pool, role)
      await log.run(`revoke daybook_owner, daybook_reader, daybook_writer from ${role}`)
    }
    await install(log.database, { applicationRoles: ['doctor_app'] })
    await log.table(INVOICE, 'invoice')
  })

  /** What is told where these are done, each after the others. Nothing of it stays: roles are the server's. */
  async function given(...statements: string[]): Promise<string[]> {
    let told: string[] = []
    await log.database
      .transaction(async (transaction) => {
        for (const statement of statements) await transaction.query(statement)
        told = await codes({}, transaction)
        throw new Error('not kept')
      })
      .catch((error: Error) => {
        if (error.message !== 'not kept') throw error
      })
    return told
  }

  it("B45 the application's that owns a tracked table, itself or through another role, can switch the capture off", async () => {
    const owned = 'alter table invoice owner to doctor_owner'
    expect(await given(owned)).toEqual([])
    expect(await given(owned, 'grant doctor_owner to doctor_member', 'grant doctor_member to doctor_app')).toEqual([
      'application_owns_table doctor_app',
    ])
    expect(await given('alter table invoice owner to doctor_app')).toEqual(['application_owns_table doctor_app'])
    await log.run(owned)
    const { findings } = await look()
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'table_owner', severity: 'info', subject: { role: 'doctor_owner' } }),
    )
  })

  it("B45 the application's that owns only a partition can, too", async () => {
    await log.table(
      'create table part (id int primary key) partition by list (id); create table part_1 partition of part for values in (1)',
      'part',
    )
    expect(await given('alter table part_1 owner to doctor_app')).toEqual(['application_owns_table doctor_app'])
  })

  it("B45 the application's that is a superuser, or can become the log's owner or its reader, is told", async () => {
    expect(await given()).toEqual([])
    expect(await given('grant daybook_reader to doctor_app')).toEqual(['application_reads doctor_app'])
    expect(await given('grant daybook_owner to doctor_member')).toEqual([])
    expect(await given('grant daybook_owner to doctor_member', 'grant doctor_member to doctor_app')).toEqual([
      'application_owns_log doctor_app',
    ])
    expect(await given('alter role doctor_app superuser')).toEqual(['application_superuser doctor_app'])
    expect(await given('grant pg_write_all_data to doctor_app')).toEqual(['application_is_mighty doctor_app'])
    expect(await given('grant pg_write_all_data to doctor_free')).toEqual(['mighty_role doctor_free'])
  })

  it('B45 who may set session_replication_role, and where it is set, is told', async () => {
    expect(await given('grant set on parameter session_replication_role to doctor_app, doctor_free')).toEqual([
      'application_goes_round doctor_app',
      'goes_round doctor_free',
    ])
    const { rows } = await log.run('select quote_ident(current_database()) as name')
    expect(
      await given(`alter role doctor_free in database ${rows[0].name} set session_replication_role = replica`),
    ).toEqual(['replication_role doctor_free'])
    expect(await given(`alter database ${rows[0].name} set session_replication_role = replica`)).toEqual([
      'replication_role',
    ])
    expect(await given(`alter database ${rows[0].name} set session_replication_role = local`)).toEqual([])
  })

  it('B45 that may not connect to the database are none of its own', async () => {
    const { rows } = await log.run('select quote_ident(current_database()) as name')
    expect(
      await given('alter table invoice owner to doctor_app', `revoke connect on database ${rows[0].name} from public`),
    ).toEqual([])
  })

  it('B5 a subscription that writes to a tracked table is told', async () => {
    await log.run(
      "create subscription doctor_subscription connection 'host=127.0.0.1 port=1' publication p with (connect = false, slot_name = none, enabled = false)",
    )
    await log.run(
      "insert into pg_subscription_rel (srsubid, srrelid, srsubstate) select s.oid, 'invoice'::regclass, 'i' from pg_subscription s where subname = 'doctor_subscription'",
    )
    expect(await codes()).toEqual(['subscription public.invoice'])
    await log.run('alter table invoice enable always trigger daybook_insert')
    expect(await codes()).toEqual([])
    await log.run('drop subscription doctor_subscription')
  })
})

describe('rights on the log', () => {
  it('B45 that were given away are told to whom, and taken back by --fix', async () => {
    await createLoginRole(log.pool, 'doctor_nobody')
    await createLoginRole(log.pool, 'doctor_app')
    await install(log.database, { applicationRoles: ['doctor_app'] })
    const { rows } = await log.run(
      "select c.relname from pg_class c join pg_inherits i on i.inhrelid = c.oid where i.inhparent = 'daybook.entry'::regclass order by 1 limit 1",
    )
    const month = rows[0].relname
    for (const grant of [
      `select on daybook.${month} to doctor_nobody`,
      'update (object_label) on daybook.entry to doctor_nobody',
      'create on schema daybook to doctor_nobody',
      'usage on sequence daybook.entry_id to doctor_nobody',
      'execute on function daybook.ensure_months to public',
      'select on daybook.entries to daybook_writer',
      'insert on daybook.entry to daybook_reader',
    ]) {
      expect(await codes(), grant).toEqual([])
      await log.run(`grant ${grant}`)
      const { findings } = await doctor(log.database, { reconcileRows: 0 })
      const given = findings.filter(({ code }) => code === 'right_given')
      const [, privilege, role] = /^(\w+) .* to (\w+)$/.exec(grant) ?? []
      expect(given, grant).toMatchObject([
        { severity: 'error', fixable: true, subject: { role: role === 'public' ? 'PUBLIC' : role } },
      ])
      expect(given[0]?.message).toMatch(new RegExp(privilege ?? '', 'i'))
      const { fixed } = await look({ fix: true })
      expect(fixed).toMatchObject([{ code: 'right_given' }])
      expect((await doctor(log.database, { reconcileRows: 0 })).findings.map(({ code }) => code)).not.toContain(
        'right_given',
      )
    }
    await as('doctor_app', (database) => database.query("select daybook.record('still.works')"))
  })

  it('B45 that default privileges would give on the next month are told, and taken back', async () => {
    await createLoginRole(log.pool, 'doctor_nobody')
    await log.run(`alter default privileges for role daybook_owner grant select on tables to doctor_nobody;
      alter default privileges for role daybook_owner in schema daybook grant all on tables to public, doctor_nobody;
      alter default privileges for role daybook_owner in schema daybook grant all on functions to doctor_nobody`)
    expect(await codes()).toEqual(['default_privileges PUBLIC', 'default_privileges doctor_nobody'])
    expect((await look({ fix: true })).fixed.map(told)).toEqual([
      'default_privileges PUBLIC',
      'default_privileges doctor_nobody',
    ])
    expect(await codes()).toEqual([])
    const { rows } = await log.run("select from pg_default_acl where defaclrole = 'daybook_owner'::regrole")
    expect(rows).toEqual([])
  })

  it('B45 what is not Daybook’s in its schema is told, and what was changed there', async () => {
    await createLoginRole(log.pool, 'doctor_nobody')
    await log.run(
      'grant daybook_owner to doctor_nobody; set role daybook_owner; create table daybook.mine (id int); reset role',
    )
    expect(await codes()).toEqual(['foreign_part The table daybook.mine'])
    await log.run('alter table daybook.mine owner to doctor_nobody')
    expect(await codes()).toEqual([
      'foreign_owner doctor_nobody The table daybook.mine',
      'foreign_part The table daybook.mine',
    ])
    await log.run('drop table daybook.mine; revoke daybook_owner from doctor_nobody')

    await log.run(`set role daybook_owner; create function daybook.helper() returns int language sql security definer as 'select 1'; reset role;
      revoke all on function daybook.helper() from public`)
    expect(await codes()).toEqual([
      'unpinned_function The function daybook.helper()',
      'foreign_part The function daybook.helper()',
    ])
    await log.run('drop function daybook.helper()')

    await log.run(`set role daybook_owner; create trigger swallow before insert on daybook.entry_default for each row execute function suppress_redundant_updates_trigger();
      create rule quiet as on delete to daybook.entry_default do instead nothing; alter table daybook.entry_default enable row level security; reset role`)
    expect(await codes()).toEqual([
      'foreign_part The row-level security daybook.entry_default',
      'foreign_part The rule quiet on daybook.entry_default',
      'foreign_part The trigger swallow on daybook.entry_default',
    ])
    await log.run(
      'drop trigger swallow on daybook.entry_default; drop rule quiet on daybook.entry_default; alter table daybook.entry_default disable row level security',
    )

    await log.run(
      `create or replace function daybook.looks_secret(column_name text) returns boolean language sql immutable as 'select false'`,
    )
    expect(await codes()).toEqual(['function_differs The function daybook.looks_secret(text)'])
    await log.run('drop function daybook.same_json')
    expect(await codes()).toEqual([
      'function_differs The function daybook.looks_secret(text)',
      'missing_part The function daybook.same_json',
    ])
    await install(log.database)
    expect(await codes()).toEqual([])
  })
})

describe('months', () => {
  it('B53 that are missing, and entries that fell into the default partition, are told and made', async () => {
    await log.table(INVOICE, 'invoice')
    const { rows } = await log.run(
      "select to_char(date_trunc('month', now()) + make_interval(months => m), '\"entry_\"YYYY_MM') as name from generate_series(0, 3) m",
    )
    await log.run(`drop table daybook.${rows[0].name}, daybook.${rows[2].name}`)
    await log.run("insert into invoice values (1, 'a', 1)")
    const { findings } = await look()
    expect(findings.filter(({ severity }) => severity === 'warning')).toMatchObject([
      { code: 'months_missing', fixable: true, message: expect.stringContaining(`${rows[0].name}, ${rows[2].name}:`) },
      { code: 'default_rows', fixable: true },
    ])
    expect((await look({ fix: true })).fixed.map(told)).toEqual(['months_missing', 'default_rows'])
    expect(await codes()).toEqual([])
    expect(await log.entries()).toMatchObject(expect.arrayContaining([expect.objectContaining({ object_id: '1' })]))
  })

  it('B53 one that was detached is an error that nothing sets right by itself', async () => {
    const { rows } = await log.run("select to_char(now() + interval '2 months', '\"entry_\"YYYY_MM') as name")
    await log.run(`alter table daybook.entry detach partition daybook.${rows[0].name}`)
    expect(await codes()).toEqual([`month_detached ${rows[0].name}`])
    expect((await look({ fix: true })).fixed).toEqual([])
  })
})

describe('the version', () => {
  it('B59 older or newer than this Daybook is the one finding, and no log is an error', async () => {
    await log.run("insert into daybook.migration (version, name) values (999, 'x')")
    expect(await codes()).toEqual(['schema_newer'])
    await log.run('delete from daybook.migration where version > 1')
    expect(await codes()).toEqual(['schema_older'])
    expect((await look()).healthy).toBe(false)
    await log.run('drop schema daybook cascade')
    await expect(look()).rejects.toMatchObject({ code: 'not_installed' })
  })

  it('refuses a number of rows that is none', async () => {
    await expect(look({ reconcileRows: -1 })).rejects.toMatchObject({ code: 'invalid_option' })
    await expect(look({ reconcileRows: Number.NaN })).rejects.toMatchObject({ code: 'invalid_option' })
  })
})

describe('who looks', () => {
  it('B45 without being a superuser sees the findings and is told what it could not look at', async () => {
    await log.table(INVOICE, 'invoice')
    await log.run("insert into invoice values (1, 'a', 1); alter table invoice disable trigger all")
    await createLoginRole(log.pool, 'doctor_reader')
    await log.run('grant daybook_reader to doctor_reader')
    const { findings, reconciliation } = await as('doctor_reader', (database) => look({ reconcileRows: 10 }, database))
    expect(findings.map(told)).toEqual(
      expect.arrayContaining([
        'trigger_disabled public.invoice',
        'not_checked public.invoice the capture function of public.invoice',
        'not_checked the rows of the tables',
      ]),
    )
    expect(reconciliation).toBeNull()
    await createLoginRole(log.pool, 'doctor_nobody')
    await expect(as('doctor_nobody', (database) => look({}, database))).rejects.toMatchObject({
      code: 'permission_denied',
    })
  })

  it('changes nothing without fix', async () => {
    await log.table(INVOICE, 'invoice')
    await log.run('alter table invoice disable trigger all; grant select on daybook.entry to public')
    const state = async () =>
      (
        await log.run(
          "select (select string_agg(t::text, ';' order by t.oid) from pg_trigger t) as triggers, (select string_agg(relacl::text, ';' order by oid) from pg_class) as rights, (select string_agg(p.prosrc, ';' order by p.oid) from pg_proc p) as functions, (select string_agg(e::text, ';') from daybook.entries e) as entries",
        )
      ).rows[0]
    const before = await state()
    await doctor(log.database)
    expect(await state()).toEqual(before)
  })
})
