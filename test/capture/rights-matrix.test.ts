import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureMonths, install, track } from '../../src/capture/postgres/index.ts'
import { createLoginRole } from '../database.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

/** Who comes: without any right, the application, staff's dashboard, and the owner of tracked tables that records events too. */
const ROLES = {
  stranger: 'matrix_stranger',
  application: 'matrix_app',
  reader: 'matrix_reader',
  tableOwner: 'matrix_owner',
} as const
type Who = keyof typeof ROLES
const WHO = Object.keys(ROLES) as Who[]

let log: CaptureLog
const clients = {} as Record<Who, pg.Client>

beforeAll(async () => {
  log = await createCaptureLog()
  await log.run('drop schema daybook cascade')
  for (const role of Object.values(ROLES)) await createLoginRole(log.pool, role)
  const everybody = `${Object.values(ROLES).join(', ')}, public`
  const giveAway = (whose: string, where = '') =>
    ['tables', 'functions', 'sequences', 'types', ...(where ? [] : ['schemas'])]
      .map((kind) => `alter default privileges ${whose} ${where} grant all on ${kind} to ${everybody};`)
      .join('\n')
  // What a careless or hostile administrator may have left behind before Daybook came, and afterwards.
  await log.run(giveAway('for role daybook_owner') + giveAway(''))
  const installed = () =>
    install(log.database, { applicationRoles: [ROLES.application, ROLES.tableOwner], readerRoles: [ROLES.reader] })
  await installed()
  await log.run(giveAway('for role daybook_owner', 'in schema daybook') + giveAway('', 'in schema daybook'))
  await log.run(
    Object.values(ROLES)
      .map((role) => `create schema ${role} authorization ${role};`)
      .join(''),
  )
  await log.run(`grant create on schema public to ${everybody}`)
  for (const who of WHO) clients[who] = await connect(log.urlAs(ROLES[who]))
  await clients.tableOwner.query(`create table matrix_owner.thing (id int primary key, v text);
    create table matrix_owner.parted (id int primary key, v text) partition by range (id);
    create table matrix_owner.part partition of matrix_owner.parted for values from (0) to (100);
    grant all on all tables in schema matrix_owner to public; grant usage on schema matrix_owner to public`)
  await track(log.database, 'matrix_owner.thing', { label: 'v' })
  await track(log.database, 'matrix_owner.parted')
  // Months that the application makes, that a superuser makes, and that entries had fallen into before they were made.
  await clients.application.query('select daybook.ensure_months(5)')
  await log.run('select daybook.ensure_months(6)')
  await log.run("insert into daybook.entry (recorded_at, action, actor_type) values ('1999-12-31', 'a', 'user')")
  await ensureMonths(log.database)
  await clients.application.query('insert into matrix_owner.thing values (1, $$a$$)')
})
afterAll(async () => {
  for (const client of Object.values(clients)) await client.end()
  await log?.close()
})

interface Relation {
  readonly name: string
  /** As `pg_class` has it: r, p, v, S. */
  readonly kind: string
  readonly column: string
}

async function relations(): Promise<Relation[]> {
  const { rows } = await log.run(`select c.relname as name, c.relkind::text as kind,
      (select quote_ident(attname) from pg_attribute where attrelid = c.oid and attnum = 1) as column
    from pg_class c where c.relnamespace = 'daybook'::regnamespace and c.relkind not in ('i', 'I', 'c') order by 1`)
  return rows
}

/** What is in the schema, and who may read it. Whatever is new has to be put here by somebody who thought about it. */
const READABLE: Readonly<Record<string, readonly Who[]>> = {
  entries: ['reader'],
  entry: ['reader'],
  entry_default: [],
  'entry_<month>': [],
  entry_id: [],
  migration: ['reader'],
  paused_table: [],
  tracked_table: ['reader'],
  tracked_table_id_seq: [],
}
const kindOf = (name: string) => name.replace(/^entry_\d{4}_\d{2}$/, 'entry_<month>')

/** What anybody might try on a table of the log, beside reading it. */
function attempts({ name, kind, column }: Relation, own: string): Record<string, string> {
  const table = `daybook.${name}`
  if (kind === 'S') {
    return {
      read: `select * from ${table}`,
      nextval: `select nextval('${table}')`,
      setval: `select setval('${table}', 1)`,
      currval: `select currval('${table}')`,
      restart: `alter sequence ${table} restart`,
      drop: `drop sequence ${table} cascade`,
      own: `alter sequence ${table} owner to ${own}`,
      give: `grant all on ${table} to ${own}`,
      use: `create table ${own}.x (id bigint default nextval('${table}')); insert into ${own}.x default values`,
    }
  }
  const word = kind === 'v' ? 'view' : 'table'
  return {
    insert: `insert into ${table} (${column}) values (default)`,
    update: `update ${table} set ${column} = default`,
    delete: `delete from ${table}`,
    merge: `merge into ${table} t using (select 1) s on true when matched then delete`,
    truncate: `truncate ${table}`,
    'copy in': `copy ${table} from '/dev/null'`,
    'for update': `select from ${table} for update`,
    'for key share': `select from ${table} for key share`,
    lock: `lock table ${table} in row share mode`,
    'lock all': `lock table ${table}`,
    drop: `drop ${word} ${table} cascade`,
    rename: `alter ${word} ${table} rename to gone`,
    move: `alter ${word} ${table} set schema ${own}`,
    own: `alter ${word} ${table} owner to ${own}`,
    // Without the right to do so it is a warning, and nothing is given.
    give: `do $$ begin grant all on ${table} to matrix_stranger;
      if not has_table_privilege('matrix_stranger', '${table}', 'select') then raise insufficient_privilege; end if; end $$`,
    rule: `create rule r as on insert to ${table} do instead nothing`,
    comment: `comment on ${word} ${table} is 'mine'`,
    'column default': `alter ${word} ${table} alter ${column} set default null`,
    trigger: `create trigger t ${kind === 'v' ? 'instead of' : 'before'} insert on ${table} for each row execute function suppress_redundant_updates_trigger()`,
    'use type': `create table ${own}.x (e ${table})`,
    'use type in list': `create table ${own}.x (e ${table}[])`,
    'use type in function': `create function ${own}.x(${table}) returns int language sql as 'select 1'`,
    ...(kind === 'v'
      ? { 'replace view': `create or replace view ${table} as select 1` }
      : {
          'add column': `alter table ${table} add x int`,
          'disable trigger': `alter table ${table} disable trigger all`,
          'row security': `alter table ${table} enable row level security`,
          policy: `create policy p on ${table}`,
          index: `create index on ${table} ((1))`,
          statistics: `create statistics s on ${column}, ${column} from ${table}`,
          constraint: `alter table ${table} add check (false)`,
          unlogged: `alter table ${table} set unlogged`,
          inherit: `create table ${own}.x () inherits (${table})`,
          'partition of': `create table ${own}.x partition of ${table} default`,
          attach: `create table ${own}.x (id int); alter table ${table} attach partition ${own}.x default`,
          detach: `alter table daybook.entry detach partition ${table}`,
          'inherit from': `create table ${own}.x (id int); alter table ${own}.x inherit ${table}`,
          reference: `create table ${own}.x (id bigint references ${table})`,
          publish: `create publication p for table ${table}`,
          cluster: `cluster ${table} using x`,
        }),
  }
}

/** Refusals that come before PostgreSQL looks at the rights: views take no writes, and a partition has no other children. */
const OTHER_STATES: Readonly<Record<string, readonly string[]>> = {
  'v insert': ['55000'],
  'v update': ['55000'],
  'v delete': ['55000'],
  'v merge': ['55000', '0A000'],
  'v truncate': ['42809'],
  'r inherit': ['42809'],
  'p inherit': ['42809'],
}

/** Tries a statement in a transaction of its own that is rolled back; gives the SQLSTATE of its refusal, or `ok`. */
async function outcome(client: pg.Client, statement: string): Promise<string> {
  await client.query('begin')
  const state = await client.query(statement).then(
    () => 'ok',
    (error: pg.DatabaseError) => error.code ?? 'lost',
  )
  await client.query('rollback')
  return state
}

describe('the log, on every partition that there is and that was made later', () => {
  it('B45 has nothing in it that nobody thought about', async () => {
    const names = (await relations()).map(({ name }) => kindOf(name))
    expect(names.filter((name) => !(name in READABLE))).toEqual([])
    expect((await relations()).filter(({ name }) => kindOf(name) === 'entry_<month>')).toHaveLength(8)
  })

  it.each(WHO)('B45 can not be changed, locked, taken or leant on by %s', async (who) => {
    const surprises: string[] = []
    for (const relation of await relations()) {
      for (const [what, statement] of Object.entries(attempts(relation, ROLES[who]))) {
        const state = await outcome(clients[who], statement)
        if (state !== '42501' && !OTHER_STATES[`${relation.kind} ${what}`]?.includes(state))
          surprises.push(`${relation.name} ${what}: ${state}`)
      }
    }
    expect(surprises).toEqual([])
  })

  it.each(WHO)('B45 is read by %s only where that is meant', async (who) => {
    const surprises: string[] = []
    for (const { name, kind, column } of await relations()) {
      if (kind === 'S') continue
      const expected = READABLE[kindOf(name)]?.includes(who) ? 'ok' : '42501'
      for (const statement of [
        `select * from daybook.${name}`,
        `select count(*) from daybook.${name}`,
        `select ${column} from daybook.${name}`,
        `explain select from daybook.${name}`,
        `lock table daybook.${name} in access share mode`,
        `create table ${ROLES[who]}.x (like daybook.${name})`,
        `create table ${ROLES[who]}.x as select * from daybook.${name}`,
        `create view ${ROLES[who]}.x as select * from daybook.${name}; select * from ${ROLES[who]}.x`,
      ]) {
        const state = await outcome(clients[who], statement)
        if (state !== expected) surprises.push(`${statement}: ${state}`)
      }
    }
    expect(surprises).toEqual([])
  })
})

/** The functions that a role may run. */
const RUNNABLE: Readonly<Record<Who, readonly string[]>> = {
  stranger: [],
  application: ['ensure_months', 'probe', 'record', 'wiring'],
  reader: ['application_roles', 'attribution', 'findings', 'granted_rights', 'parts'],
  tableOwner: ['ensure_months', 'probe', 'record', 'wiring'],
}

/** What runs with other rights than its caller's, hence must not do what the caller tells it to; and whose rights these are. */
const OTHERS_RIGHTS: Readonly<Record<string, string>> = {
  application_roles: 'daybook_owner',
  attribution: 'daybook_owner',
  capture_: 'daybook_owner',
  compile_capture: 'daybook_owner',
  count_rows: 'daybook_lookup',
  drop_capture: 'daybook_owner',
  end_forgotten_pause: 'daybook_owner',
  ensure_months: 'daybook_owner',
  findings: 'daybook_owner',
  follow_changes: 'daybook_owner',
  follow_order: 'daybook_owner',
  follow_partitions: 'postgres',
  follow_tables: 'daybook_follower',
  follow_triggers: 'postgres',
  granted_rights: 'daybook_owner',
  look_up: 'daybook_lookup',
  parts: 'daybook_owner',
  probe: 'daybook_owner',
  record: 'daybook_owner',
  wiring: 'daybook_owner',
}

describe('the functions of the log', () => {
  it.each(WHO)('B45 are run by %s only where that is meant', async (who) => {
    const { rows } = await log.run(
      `select distinct p.proname as name from pg_proc p
        where p.pronamespace = 'daybook'::regnamespace and has_function_privilege($1, p.oid, 'execute') order by 1`,
      [ROLES[who]],
    )
    expect(rows.map(({ name }) => name).filter((name) => !RUNNABLE[who].includes(name))).toEqual([])
  })

  it.each(WHO)('B45 are refused to %s when they are called, whatever their arguments', async (who) => {
    const { rows } = await log.run(
      `select p.proname as name, p.oid::regprocedure::text as signature, array(select format('null::%s', format_type(t, -1)) from unnest(p.proargtypes) t) as arguments
        from pg_proc p where p.pronamespace = 'daybook'::regnamespace and not p.proname = any ($1)
          -- Called with null they are not called at all.
          and not p.proisstrict order by 1`,
      [RUNNABLE[who]],
    )
    expect(rows.length).toBeGreaterThan(25)
    const surprises: string[] = []
    for (const { name, signature, arguments: args } of rows) {
      for (const statement of [
        `select daybook.${name}(${args.join(', ')})`,
        `drop function ${signature} cascade`,
        `alter function ${signature} security invoker`,
        `alter function ${signature} owner to ${ROLES[who]}`,
        `grant execute on function ${signature} to ${ROLES[who]}`,
      ]) {
        const state = await outcome(clients[who], statement)
        if (state !== '42501') surprises.push(`${statement}: ${state}`)
      }
    }
    expect(surprises).toEqual([])
  })

  it('B45 run with the rights of another only where that is meant, and find nothing but what PostgreSQL itself has', async () => {
    const { rows } =
      await log.run(`select p.proname as name, p.proowner::regrole::text as owner, p.proconfig as settings from pg_proc p
      where p.pronamespace = 'daybook'::regnamespace and p.prosecdef order by 1`)
    for (const { name, owner, settings } of rows) {
      expect([name, owner]).toEqual([name, OTHERS_RIGHTS[name.replace(/^capture_\d+$/, 'capture_')]])
      expect([name, settings]).toEqual([name, expect.arrayContaining(['search_path=pg_catalog, pg_temp'])])
    }
  })

  it("B45 can not be hung on somebody's own table", async () => {
    const { rows } = await log.run(`select p.proname as name from pg_proc p
      where p.pronamespace = 'daybook'::regnamespace and p.prorettype = 'trigger'::regtype`)
    expect(rows.length).toBeGreaterThan(1)
    for (const who of WHO) {
      for (const { name } of rows) {
        for (const table of [`${ROLES[who]}.bait`, 'pg_temp.bait']) {
          const bait = `create ${table.startsWith('pg_temp') ? 'temp ' : ''}table ${table.replace('pg_temp.', '')} (id int, v text);`
          expect(
            await outcome(
              clients[who],
              `${bait} create trigger t after insert on ${table} referencing new table as new_rows for each statement execute function daybook.${name}()`,
            ),
          ).toBe('42501')
        }
      }
    }
    // Its owner may write to a tracked table as it likes, and may not lend the capture of it to another.
    expect(
      await outcome(
        clients.tableOwner,
        'create trigger again after insert on matrix_owner.thing referencing new table as new_rows for each statement execute function daybook.capture_1()',
      ),
    ).toBe('42501')
  })
})

describe('the schema and the roles of the log', () => {
  it.each(WHO)('B45 are closed to %s', async (who) => {
    const own = ROLES[who]
    const surprises: string[] = []
    for (const statement of [
      'create table daybook.mine (id int)',
      'create view daybook.mine as select 1',
      'create sequence daybook.mine',
      'create type daybook.mine as enum ()',
      "create function daybook.mine() returns int language sql as 'select 1'",
      "create function daybook.read_origin(int) returns int language sql as 'select 1'",
      `create operator daybook.= (leftarg = int, rightarg = int, function = int4eq)`,
      `create table ${own}.x (id int); alter table ${own}.x set schema daybook`,
      'drop schema daybook cascade',
      'alter schema daybook rename to gone',
      `alter schema daybook owner to ${own}`,
      'set role daybook_owner',
      'set role daybook_lookup',
      'set role daybook_follower',
      'set session authorization daybook_owner',
      'set session authorization postgres',
      `grant daybook_owner to ${own}`,
      `grant daybook_lookup to ${own}`,
      `grant daybook_follower to ${own}`,
      'alter role daybook_owner login',
      'drop role daybook_reader',
      'drop owned by daybook_owner',
      'reassign owned by daybook_owner to current_user',
      'set session_replication_role = replica',
      "alter system set session_replication_role = 'replica'",
      'drop event trigger daybook_follow_tables',
      'alter event trigger daybook_follow_partitions disable',
      'alter default privileges for role daybook_owner grant all on tables to public',
    ]) {
      const state = await outcome(clients[who], statement)
      if (!['42501', '25001'].includes(state)) surprises.push(`${statement}: ${state}`)
    }
    expect(surprises).toEqual([])
  })

  it.each(['application', 'reader', 'stranger'] as const)('B45 the capture is not switched off by %s', async (who) => {
    for (const statement of [
      'alter table matrix_owner.thing disable trigger daybook_insert',
      'alter table matrix_owner.thing disable trigger all',
      'drop trigger daybook_insert on matrix_owner.thing',
      'alter trigger daybook_insert on matrix_owner.thing rename to gone',
      'drop table matrix_owner.thing',
      'create rule r as on insert to matrix_owner.thing do instead nothing',
    ]) {
      expect(await outcome(clients[who], statement), statement).toBe('42501')
    }
  })

  it('B45 what statistics know of the log is not told to whoever may not read it', async () => {
    await log.run('analyze daybook.entry')
    const seen = (client: pg.Client) =>
      client.query("select from pg_stats where schemaname = 'daybook' and tablename ~ '^entry'")
    expect((await seen(clients.application)).rowCount).toBe(0)
    expect((await seen(clients.stranger)).rowCount).toBe(0)
  })
})

describe('what a session may set or hold', () => {
  it('B45 settings of Daybook do not silence the capture', async () => {
    await log.entries()
    const { application } = clients
    await application.query(
      `set daybook.paused = 'on'; set daybook.pause = 'on'; set daybook.off = 'on'; set daybook.context = 'off'`,
    )
    await application.query("update matrix_owner.thing set v = 'b' where id = 1")
    await application.query('reset daybook.paused; reset daybook.pause; reset daybook.off; reset daybook.context')
    expect((await log.entries()).map(({ action }) => action)).toEqual(['update'])
  })

  it('B45 temporary tables and functions of the same names change nothing in what is recorded', async () => {
    const client = await connect(log.urlAs(ROLES.application))
    await client.query(`create temp table entry (id int); create temp table entries (id int); create temp table new_rows (id int, v text);
      create temp table old_rows (id int, v text); create temp table pg_class (oid oid); create temp table pg_attribute (attrelid oid);
      create temp table tracked_table (id int); create temp table paused_table (id int); 
      create function pg_temp.concat(text) returns text language sql as $$ select 'forged' $$;
      create function pg_temp.set_config(text, text, boolean) returns text language sql as $$ select 'forged' $$;
      create function pg_temp.octet_length(text) returns int language sql as $$ select 0 $$`)
    await client.query(`create function matrix_app.concat(text) returns text language sql as $$ select 'forged' $$;
      create function matrix_app.to_json(text) returns json language sql as $$ select '"forged"'::json $$;
      create function matrix_app.octet_length(text) returns int language sql as $$ select 0 $$;
      create function matrix_app.read_origin() returns int language sql as $$ select 0 $$;
      create function matrix_app.never(int, int) returns boolean language sql as $$ select false $$;
      create operator matrix_app.= (leftarg = int, rightarg = int, function = matrix_app.never);
      create operator matrix_app.*<> (leftarg = int, rightarg = int, function = matrix_app.never);
      create domain matrix_app.text as int; create type pg_temp.text as enum ('x'); create type pg_temp.jsonb as enum ('x');
      set search_path = matrix_app, pg_temp, public, pg_catalog`)
    await log.entries()
    await client.query("insert into matrix_owner.thing values (50, 'true')")
    await client.query("update matrix_owner.thing set v = 'also' where id operator(pg_catalog.=) 50")
    await client.query('insert into matrix_owner.parted values (7), (8)')
    await client.query('truncate matrix_owner.parted')
    await client.end()
    const entries = await log.entries()
    expect(entries.map(({ action, object_id, changes }) => [action, object_id, changes])).toEqual([
      ['create', '50', { id: [null, 50], v: [null, 'true'] }],
      ['update', '50', { v: ['true', 'also'] }],
      ['create', '7', { id: [null, 7], v: [null, null] }],
      ['create', '8', { id: [null, 8], v: [null, null] }],
      ['truncate', null, null],
    ])
    expect(entries.at(-1)?.context).toMatchObject({ rows: 2 })
  })

  it('B45 whoever holds advisory locks holds up nobody', async () => {
    const squatter = await connect(log.urlAs(ROLES.stranger))
    for (const key of ['install', 'ensure_months', 'configure_table', 'track', 'sync', 'pause', 'purge']) {
      await squatter.query("select pg_advisory_lock(hashtextextended('daybook.' || $1, 0))", [key])
    }
    await clients.application.query(
      "update matrix_owner.thing set v = 'c' where id = 1; select daybook.ensure_months(7)",
    )
    await log.run(
      "set lock_timeout = '2s'; select daybook.ensure_months(8); select daybook.configure_table('matrix_owner.thing', label_columns => '{v}')",
    )
    await install(log.database, {}, { waitMs: 0 })
    await squatter.end()
  })

  it('B45 an application that makes months and does not commit holds up other makers of months, and no writer', async () => {
    const { application, tableOwner } = clients
    await application.query('begin; select daybook.ensure_months(12)')
    await tableOwner.query(
      "set lock_timeout = '2s'; insert into matrix_owner.thing values (60, 'x'); reset lock_timeout",
    )
    await expect(ensureMonths(log.database, 12, { waitMs: 0 })).rejects.toMatchObject({ code: 'lock_timeout' })
    await application.query('rollback')
    expect(await ensureMonths(log.database, 12)).toHaveLength(4)
  })
})

describe('installing again', () => {
  it('B45 takes back what was given away since, also on single columns, to types, and passed on by others', async () => {
    await log.run(`grant usage on schema daybook to matrix_stranger, matrix_reader;
      grant select on daybook.entry to matrix_reader with grant option;
      set role matrix_reader; grant select on daybook.entry to matrix_stranger; reset role;
      grant select (action), update (action) on daybook.entry_default to matrix_stranger;
      grant usage on type daybook.entry to matrix_stranger;
      grant execute on all functions in schema daybook to public`)
    const { stranger } = clients
    expect(await outcome(stranger, 'select from daybook.entry')).toBe('ok')
    expect(await outcome(stranger, 'select action from daybook.entry_default')).toBe('ok')
    await install(log.database)
    for (const statement of [
      'select from daybook.entry',
      'select action from daybook.entry_default',
      "update daybook.entry_default set action = 'x'",
      'create table matrix_stranger.x (e daybook.entry)',
      "select daybook.record('x')",
    ]) {
      expect(await outcome(stranger, statement), statement).toBe('42501')
    }
    const { rows } = await log.run(`select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
      where c.relnamespace = 'daybook'::regnamespace and a.attacl is not null and a.attacl <> '{}'`)
    expect(rows).toEqual([])
  })
})
