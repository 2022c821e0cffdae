import { readFileSync } from 'node:fs'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  baseline,
  doctor,
  type InstallResult,
  install,
  sync,
  track,
  trackedTables,
  untrack,
} from '../../src/capture/postgres/index.ts'
import { readMigrations, readRoles } from '../../src/capture/postgres/sql-files.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { runCli } from '../cli/run-cli.ts'
import { type Cluster, createCluster, postgresPrograms } from '../postgres-cluster.ts'

/** Roles are the server's: each test starts without those of a log, on a server of its own. */
let cluster: Cluster
let admin: pg.Pool
let version: number
const pools: pg.Pool[] = []

beforeAll(async () => {
  cluster = await createCluster(await postgresPrograms(), { fsync: 'off' })
  await cluster.start()
  admin = new pg.Pool({ connectionString: `${cluster.url}/postgres` })
  version = Number((await admin.query('show server_version_num')).rows[0].server_version_num)
})
afterAll(async () => {
  await admin?.end()
  await cluster?.remove()
})

function urlOf(role: string, database = 'shop'): string {
  const url = new URL(`${cluster.url}/${database}`)
  url.username = role
  url.password = role
  return url.href
}

function connectAs(role: string, database = 'shop'): pg.Pool {
  const pool = new pg.Pool({ connectionString: urlOf(role, database), max: 3 })
  pool.on('error', () => {})
  pools.push(pool)
  return pool
}

/** A database `shop`, without a log on the whole server, and the roles of a team. */
async function emptyServer(setUp = ''): Promise<void> {
  await admin.query('create database shop')
  for (const role of ['migrator', 'app', 'auditor']) await admin.query(`create role ${role} login password '${role}'`)
  const shop = connectAs('postgres')
  await shop.query(`grant create on schema public to migrator; ${setUp}`)
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()))
  const { rows } = await admin.query("select datname from pg_database where datname in ('shop', 'other')")
  for (const { datname } of rows) await admin.query(`drop database ${datname} with (force)`)
  const { rows: roles } = await admin.query(
    "select quote_ident(rolname) as name from pg_roles where rolname !~ '^(pg_|postgres$)'",
  )
  for (const { name } of roles) await admin.query(`drop owned by ${name}`)
  for (const { name } of roles) await admin.query(`drop role ${name}`)
})

const CREATES_ROLES = 'alter role migrator createrole; grant create on database shop to migrator'
const FOR_TEAM = { applicationRoles: ['app'], readerRoles: ['auditor'] }

/** The statements that docs/install.md gives a DBA. */
function statementsOfDba(): string {
  const page = readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8')
  const [, block] = /```sql\n([\s\S]+?)```/.exec(page) ?? []
  if (!block) throw new Error('docs/install.md has no statements')
  return block
}

/** Tracks a table of a role's own, writes to it as the application, and reads that as the auditor. */
async function expectToWork(owner: pg.Pool, result: InstallResult, table = 'invoice'): Promise<void> {
  expect(result.months.length + result.from).toBeGreaterThan(0)
  await owner.query(`create table ${table} (id int primary key, v text); grant all on ${table} to app`)
  await track(fromPgPool(owner), table, { label: 'v' })
  const app = connectAs('app')
  await app.query(`insert into ${table} values (1, 'a')`)
  await app.query(`truncate ${table}`)
  await app.query("select daybook.record('invoice.approved')")
  await expect(app.query('select from daybook.entries')).rejects.toMatchObject({ code: '42501' })
  const { rows } = await connectAs('auditor').query(
    "select action, database_user, context -> 'rows' as rows from daybook.entries order by id desc limit 3",
  )
  expect(rows).toEqual([
    { action: 'invoice.approved', database_user: 'app', rows: null },
    { action: 'truncate', database_user: 'app', rows: 1 },
    { action: 'create', database_user: 'app', rows: null },
  ])
}

/** Who owns what, beside the roles that Daybook means to. */
async function strangeOwners(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query(`
    select c.relname || ' ' || c.relowner::regrole as line from pg_class c
      where c.relnamespace = 'daybook'::regnamespace and c.relowner <> 'daybook_owner'::regrole
    union all
    select p.proname || ' ' || p.proowner::regrole from pg_proc p
      where p.pronamespace = 'daybook'::regnamespace and p.proowner <> 'daybook_owner'::regrole
    order by 1`)
  return rows.map(({ line }) => line)
}

const LOOKUPS = ['count_rows daybook_lookup', 'look_up daybook_lookup']
const FOLLOWERS = ['follow_partitions postgres', 'follow_tables daybook_follower', 'follow_triggers postgres']

describe('installing without a superuser', () => {
  it('a role that may create roles installs and upgrades the log, and lets the application and a reader in', async () => {
    await emptyServer(CREATES_ROLES)
    const migrator = connectAs('migrator')
    const result = await install(fromPgPool(migrator), FOR_TEAM)
    expect(result).toMatchObject({ from: 0, eventTrigger: false, eventTriggerOutdated: false })
    await expectToWork(migrator, result)
    expect((await runCli(['init', '--database-url', urlOf('migrator')])).stdout).toContain('Without a superuser')
    expect(await strangeOwners(connectAs('postgres'))).toEqual(LOOKUPS)
    expect((await admin.query("select from pg_roles where rolname = 'daybook_follower'")).rows).toEqual([])
    const again = await install(fromPgPool(migrator), FOR_TEAM)
    expect(again).toMatchObject({ from: result.to, to: result.to, months: [], eventTrigger: false })
    await expectToWork(migrator, again, 'customer')
  })

  it('so does the main user of a managed PostgreSQL, also for the tables of a role that it is a member of', async () => {
    await emptyServer(`create role rds_superuser nologin; grant pg_monitor, pg_signal_backend to rds_superuser`)
    await admin.query(`alter role migrator createrole createdb; grant rds_superuser to migrator; alter database shop owner to migrator;
      create role shop_owner nologin; grant shop_owner to migrator; grant shop_owner to app`)
    const migrator = connectAs('migrator')
    const result = await install(fromPgPool(migrator), FOR_TEAM)
    expect(result).toMatchObject({ from: 0, eventTrigger: false })
    await expectToWork(migrator, result)
    await migrator.query(
      'create schema sales authorization shop_owner; set role shop_owner; create table sales.item (id int primary key)',
    )
    await track(fromPgPool(connectAs('migrator')), 'sales.item')
    await connectAs('app').query('insert into sales.item values (1)')
    const { rows } = await connectAs('auditor').query(
      "select table_name from daybook.entries where action = 'create' order by id desc limit 1",
    )
    expect(rows).toEqual([{ table_name: 'sales.item' }])
  })

  it('a role that may create nothing installs and upgrades where a DBA has run what the documentation says', async () => {
    await emptyServer(statementsOfDba())
    const migrator = connectAs('migrator')
    const result = await install(fromPgPool(migrator), FOR_TEAM)
    expect(result).toMatchObject({ from: 0, eventTrigger: false })
    await expectToWork(migrator, result)
    const again = await install(fromPgPool(migrator), FOR_TEAM)
    await expectToWork(migrator, again, 'customer')
    expect(await strangeOwners(connectAs('postgres'))).toEqual(LOOKUPS)
  })

  it('who may not give the rights that are asked for is told what somebody else has to run', async () => {
    await emptyServer(statementsOfDba())
    await admin.query('create role "an ""other"""; revoke daybook_writer from app')
    const database = fromPgPool(connectAs('migrator'))
    await expect(install(database, { readerRoles: ['an "other"'] })).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('grant daybook_reader to "an ""other"""'),
    })
    await expect(install(database, FOR_TEAM)).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('grant daybook_writer to app'),
    })
    await admin.query('grant daybook_writer to app')
    await install(database, FOR_TEAM)
  })

  it('who may do nothing is refused, told where to read on, and leaves nothing behind', async () => {
    await emptyServer()
    const database = fromPgPool(connectAs('migrator'))
    const refused = { code: 'permission_denied', message: expect.stringContaining('docs/install.md') }
    await expect(install(database)).rejects.toMatchObject(refused)
    await admin.query('alter role migrator createrole')
    await expect(install(database)).rejects.toMatchObject(refused)
    expect((await admin.query("select from pg_roles where rolname ~ '^daybook'")).rows).toEqual([])
  })

  it('functions would run as a superuser where daybook_owner is one: that is refused', async () => {
    await emptyServer()
    await admin.query('create role daybook_owner superuser')
    await expect(install(fromPgPool(connectAs('postgres')))).rejects.toMatchObject({
      code: 'not_installed',
      message: expect.stringContaining('alter role daybook_owner nosuperuser'),
    })
  })

  it('a second database of the server is installed by whoever may act as the owner', async () => {
    await emptyServer(CREATES_ROLES)
    await install(fromPgPool(connectAs('migrator')))
    await admin.query('create database other')
    await admin.query("create role second login createrole password 'second'; grant create on database other to second")
    const second = fromPgPool(connectAs('second', 'other'))
    if (version >= 160000) {
      await expect(install(second)).rejects.toMatchObject({ code: 'permission_denied' })
      await admin.query('grant daybook_owner to second')
    }
    expect(await install(second)).toMatchObject({ from: 0 })
  })
})

describe('upgrading what another has installed', () => {
  /** The log as its first version had it, made by the role of a pool. */
  async function installFirstVersion(pool: pg.Pool): Promise<void> {
    const [first] = readMigrations()
    await pool.query(`begin; ${readRoles()}; set local role daybook_owner; ${first?.text};
      insert into daybook.migration (version, name) values (1, '${first?.name}'); commit`)
  }

  it('a role without any right but membership in daybook_owner upgrades it', async () => {
    await emptyServer(CREATES_ROLES)
    await installFirstVersion(connectAs('migrator'))
    await admin.query(
      "create role upgrader login password 'upgrader'; grant daybook_owner to upgrader; grant daybook_writer to app; grant daybook_reader to auditor",
    )
    await connectAs('postgres').query('grant create on schema public to upgrader')
    const result = await install(fromPgPool(connectAs('upgrader')), FOR_TEAM)
    expect(result).toMatchObject({ from: 1, to: readMigrations().at(-1)?.version, eventTrigger: false })
    await expectToWork(connectAs('upgrader'), result)
  })

  it('a superuser upgrades it, and adds what follows schema changes', async () => {
    await emptyServer(CREATES_ROLES)
    const migrator = connectAs('migrator')
    await installFirstVersion(migrator)
    const result = await install(fromPgPool(connectAs('postgres')), FOR_TEAM)
    expect(result).toMatchObject({ from: 1, eventTrigger: true, eventTriggerOutdated: false })
    await expectToWork(migrator, result)
    expect(await strangeOwners(connectAs('postgres'))).toEqual([...LOOKUPS, ...FOLLOWERS].sort())
    await migrator.query('alter table invoice drop column v; insert into invoice values (2)')
  })

  it('where a superuser has installed it, another upgrades it, is told when the event triggers are of another version, and leaves them', async () => {
    await emptyServer()
    const superuser = connectAs('postgres')
    await install(fromPgPool(superuser), FOR_TEAM)
    await admin.query('grant daybook_owner to migrator')
    const migrator = connectAs('migrator')
    const upgraded = await install(fromPgPool(migrator), FOR_TEAM)
    expect(upgraded).toMatchObject({ eventTrigger: true, eventTriggerOutdated: false })
    await expectToWork(migrator, upgraded)
    await superuser.query(
      `do $$ begin execute replace(pg_get_functiondef('daybook.follow_tables'::regproc), 'follow_changes', 'follow_changes /* as it was */'); end $$`,
    )
    expect(await install(fromPgPool(migrator))).toMatchObject({ eventTrigger: true, eventTriggerOutdated: true })
    expect((await runCli(['init', '--database-url', urlOf('migrator')])).stdout).toContain(
      'of another version of Daybook',
    )
    expect(await install(fromPgPool(superuser))).toMatchObject({ eventTrigger: true, eventTriggerOutdated: false })
    await superuser.query('drop event trigger daybook_follow_drops')
    expect(await install(fromPgPool(migrator))).toMatchObject({ eventTrigger: false })
  })
})

describe('a superuser that installs after another role', () => {
  it('B45 runs nothing in its event triggers that the other may put there', async () => {
    await emptyServer(`${CREATES_ROLES}; create table ran_as (who text); grant all on ran_as to public`)
    const migrator = connectAs('migrator')
    await install(fromPgPool(migrator))
    // What the other role can prepare, owning the schema and being allowed to make roles.
    await migrator.query(`create role daybook_follower login; set role daybook_owner;
      create function daybook.follow_partitions() returns event_trigger language plpgsql as 'begin end';
      create function daybook.follow_tables() returns event_trigger language plpgsql as 'begin end'; reset role`)
    await migrator.query('create function public.mine() returns event_trigger language plpgsql as $$ begin end $$')
    expect(await install(fromPgPool(connectAs('postgres')))).toMatchObject({ eventTrigger: true })
    expect(await strangeOwners(connectAs('postgres'))).toEqual([...LOOKUPS, ...FOLLOWERS].sort())
    const { rows } =
      await admin.query(`select r.rolcanlogin, (select count(*)::int from pg_auth_members where roleid = r.oid) as members
      from pg_roles r where rolname = 'daybook_follower'`)
    expect(rows).toEqual([{ rolcanlogin: false, members: 0 }])
    const evil = `language plpgsql as $$ begin insert into public.ran_as values (current_user); end $$`
    // Until PostgreSQL 15 CREATEROLE is as good as being a superuser: it makes itself a member of any role.
    if (version >= 160000) {
      await expect(migrator.query('grant daybook_follower to migrator')).rejects.toMatchObject({ code: '42501' })
    }
    for (const name of ['follow_tables', 'follow_partitions']) {
      await expect(
        migrator.query(`create or replace function daybook.${name}() returns event_trigger ${evil}`),
      ).rejects.toMatchObject({ code: '42501' })
    }
    await migrator.query(
      `create or replace function daybook.follow_changes(changed oid[] default null) returns void security invoker ${evil}`,
    )
    await connectAs('postgres').query(
      'create table any_table (id int); alter table any_table add column v int; drop table any_table',
    )
    const ran = await connectAs('postgres').query('select distinct who from ran_as')
    expect(ran.rows.map(({ who }) => who)).toEqual(['daybook_follower'])
  })

  it('B45 runs nothing that others have put into public, or that fits the arguments better than PostgreSQL’s own', async () => {
    await emptyServer(
      `create table ran_as (who text, what text); grant all on ran_as to public; grant create on schema public to app`,
    )
    const app = connectAs('app')
    const hostile = async (signature: string, returns: string) => {
      const name = signature.slice(0, signature.indexOf('('))
      await app.query(`create function public.${signature} returns ${returns} language plpgsql as $$ begin
        insert into public.ran_as values (current_user, '${name}'); return null; end $$`)
    }
    await hostile('format(text, text)', 'text')
    await hostile('format(text, name)', 'text')
    await hostile('format(text, name, name)', 'text')
    await hostile('quote_ident(name)', 'text')
    await hostile('pg_has_role(name, text, text)', 'boolean')
    await hostile('array_position(smallint[], smallint)', 'int')
    await hostile('concat_ws(text, smallint, text, oid, int, oid)', 'text')
    await hostile('same_oid(oid, regclass)', 'boolean')
    await app.query('create operator public.= (leftarg = oid, rightarg = regclass, function = public.same_oid)')
    const superuser = connectAs('postgres')
    await superuser.query('create table thing (id int primary key, v text)')
    const database = fromPgPool(superuser)
    await install(database, FOR_TEAM)
    await install(database, FOR_TEAM)
    await track(database, 'thing', { label: 'v' })
    await superuser.query("insert into thing values (1, 'a')")
    await trackedTables(database)
    await sync(database, { thing: { label: 'v' } })
    await doctor(database, { fix: true })
    await baseline(database, 'thing')
    await untrack(database, 'thing')
    expect((await superuser.query('select distinct what from ran_as')).rows).toEqual([])
  })
})
