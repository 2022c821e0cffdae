import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import {
  ensureMonths,
  install,
  installedVersion,
  installSql,
  requireInstalled,
  sync,
  syncSql,
  track,
  trackedTables,
  trackSql,
} from '../../src/capture/postgres/index.ts'
import { readMigrations } from '../../src/capture/postgres/sql-files.ts'
import type { Database } from '../../src/connection/database.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from '../database.ts'
import { connect } from './log.ts'
import { schemaOf } from './schema-of.ts'

/** The schema's version. */
const NEWEST = readMigrations().at(-1)?.version as number

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const database of open.splice(0).reverse()) await database.close()
})

async function emptyDatabase(): Promise<TestDatabase> {
  const test = await createTestDatabase('install')
  open.push(test)
  return test
}

/** A tablespace of its own, in the server's folder, that goes once the databases have gone. */
async function tablespace(): Promise<string> {
  const { pool } = await emptyDatabase()
  const name = `place_${randomBytes(6).toString('hex')}`
  const client = await connect(pool.options.connectionString as string)
  await client.query('set allow_in_place_tablespaces = on')
  await client.query(`create tablespace ${name} location ''`)
  await client.end()
  open.push({
    async close() {
      await pool.query(`drop tablespace ${name}`)
    },
  })
  return name
}

const trackAny = (database: Database) => track(database, 'any')
const syncNothing = (database: Database) => sync(database, {})

describe('install', () => {
  it('makes the log, all or nothing, and says what it did', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    expect(await installedVersion(database)).toBe(0)
    await expect(requireInstalled(database)).rejects.toMatchObject({ code: 'not_installed' })
    await expect(track(database, 'any')).rejects.toMatchObject({ code: 'not_installed' })
    await expect(install(database, { applicationRoles: ['nobody here'] })).rejects.toMatchObject({
      code: 'invalid_option',
    })
    expect(await installedVersion(database)).toBe(0)
    expect((await pool.query("select to_regnamespace('daybook') as there")).rows[0].there).toBeNull()
    const result = await install(database)
    expect(result).toMatchObject({ from: 0, to: NEWEST, eventTrigger: true })
    expect(result.months).toHaveLength(4)
    await requireInstalled(database)
  })

  it('B59 a second installation changes nothing', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await pool.query('create table thing (id int primary key)')
    await install(database)
    await track(database, 'thing')
    const before = await schemaOf(pool)
    expect(await install(database)).toEqual({
      from: NEWEST,
      to: NEWEST,
      months: [],
      eventTrigger: true,
      eventTriggerOutdated: false,
    })
    expect(await schemaOf(pool)).toEqual(before)
  })

  it('B59 of many installers at once one installs, and the others see that it is done', async () => {
    const { pool } = await emptyDatabase()
    const databases = Array.from({ length: 5 }, () => fromPgPool(pool))
    const results = await Promise.all(databases.map((database) => install(database)))
    expect(results.map(({ from }) => from).sort()).toEqual([0, NEWEST, NEWEST, NEWEST, NEWEST])
    expect(results.flatMap(({ months }) => months)).toHaveLength(4)
    expect((await pool.query('select max(version) as newest, count(*)::int from daybook.migration')).rows).toEqual([
      { newest: NEWEST, count: NEWEST },
    ])
  })

  it('B59 installers of two databases of one server do not disturb each other', async () => {
    const [a, b] = [await emptyDatabase(), await emptyDatabase()]
    const results = await Promise.all([a, b, a, b].map(({ pool }) => install(fromPgPool(pool))))
    expect(results.map(({ to }) => to)).toEqual([NEWEST, NEWEST, NEWEST, NEWEST])
  })

  it('B59 a schema that is newer is refused with both numbers, and one that is older names the way to upgrade', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await install(database)
    await pool.query("insert into daybook.migration values (99, 'of the future')")
    const before = await schemaOf(pool)
    for (const refused of [install, requireInstalled, trackAny, syncNothing]) {
      await expect(refused(database)).rejects.toMatchObject({
        code: 'schema_newer',
        message: expect.stringMatching(new RegExp(`99.*${NEWEST}`)),
        details: { installed: 99, known: NEWEST },
      })
    }
    expect(await schemaOf(pool)).toEqual(before)
    await pool.query('update daybook.migration set version = version - 99')
    await pool.query(
      'delete from daybook.migration where version = 0; insert into daybook.migration values (-1, $$x$$) on conflict do nothing',
    )
    await expect(requireInstalled(database)).rejects.toMatchObject({
      code: 'schema_older',
      message: expect.stringContaining('daybook init'),
    })
  })

  it('the script for psql makes the same schema', async () => {
    const [script, called] = [await emptyDatabase(), await emptyDatabase()]
    await createLoginRole(script.pool, 'script "app"')
    const options = { applicationRoles: ['script "app"'], readerRoles: ['script "app"'] }
    const client = await connect(script.url)
    await client.query(installSql(options))
    await client.end()
    await install(fromPgPool(called.pool), options)
    expect(await schemaOf(script.pool)).toEqual(await schemaOf(called.pool))
    expect(await install(fromPgPool(script.pool))).toMatchObject({ from: NEWEST, to: NEWEST, months: [] })
  })

  it('what track and sync do can be had as SQL', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await install(database)
    const tables = {
      account: { label: ['name', "o'brien"], mask: ['note'], permissionColumns: ['is_staff'] },
      role: { label: 'name', model: 'Rôle' },
      account_role: { permission: { to: 'account_id', grants: 'role_id' } },
      plain: { include: ['id'], truncate: 'refuse' as const },
    }
    await pool.query(`create table account (id int primary key, name text, "o'brien" text, note text, is_staff boolean);
      create table role (id int primary key, name text); create table plain (id int);
      create table account_role (account_id int references account, role_id int references role)`)
    await pool.query(syncSql(tables))
    const bySql = await trackedTables(database)
    expect(bySql).toHaveLength(4)
    expect((await sync(database, tables)).map(({ step }) => step)).toEqual(Array.from({ length: 4 }, () => 'unchanged'))
    await pool.query(trackSql('plain', {}))
    expect((await sync(database, tables)).map(({ step }) => step).sort()).toEqual([
      'change',
      'unchanged',
      'unchanged',
      'unchanged',
    ])
  })

  it('a schema daybook that is somebody else’s is refused', async () => {
    const { pool } = await emptyDatabase()
    await pool.query('create schema daybook')
    await expect(install(fromPgPool(pool))).rejects.toMatchObject({
      code: 'not_installed',
      message: expect.stringContaining('schema daybook'),
    })
  })

  it('a role that is no superuser installs without event triggers, and says so', async () => {
    const { pool, urlAs } = await emptyDatabase()
    await createLoginRole(pool, 'install_plain')
    await pool.query('alter role install_plain createrole')
    await pool.query(
      'do $$ begin execute format($f$grant create on database %I to install_plain$f$, current_database()); end $$; grant create on schema public to install_plain',
    )
    // The server's roles are there already: whoever made them lets this one act as their owner.
    await pool.query(
      'do $$ begin create role daybook_owner; exception when duplicate_object then null; end $$; grant daybook_owner to install_plain',
    )
    const own = new pg.Pool({ connectionString: urlAs('install_plain'), max: 2 })
    try {
      const database = fromPgPool(own)
      expect(await install(database)).toMatchObject({ from: 0, to: NEWEST, eventTrigger: false })
      await own.query('create table mine (id int primary key, v text)')
      await track(database, 'mine', { label: 'v' })
      await own.query("insert into mine values (1, 'a'); update mine set v = 'b'; truncate mine")
      const { rows } = await own.query(
        "select action, context -> 'rows' as rows from daybook.entries where action not like 'capture.%' order by id",
      )
      expect(rows.map(({ action }) => action)).toEqual(['create', 'update', 'truncate'])
      expect(rows[2].rows).toBe(1)
      // After a change of the table, sync is what brings the capture back into step.
      await own.query(
        'alter table mine rename v to w; alter table mine add column x int; alter table mine drop column w',
      )
      await sync(database, { mine: {} })
      await own.query('insert into mine values (2, 5)')
      const { rows: later } = await own.query('select changes from daybook.entries order by id desc limit 1')
      expect(later[0].changes).toEqual({ id: [null, 2], x: [null, 5] })
      // A table that was dropped is forgotten.
      await own.query('drop table mine')
      await sync(database, {})
      expect((await own.query('select * from daybook.tracked_table')).rows).toEqual([])
      // The superuser adds them later, and a plain installation leaves them.
      expect(await install(fromPgPool(pool))).toMatchObject({ eventTrigger: true })
      expect(await install(database)).toMatchObject({ eventTrigger: true })
      await own.query('create table mine (id int primary key, v text)')
      await track(database, 'mine')
      await own.query('alter table mine drop column v; insert into mine values (1)')
    } finally {
      await own.end()
    }
  })

  it('ids go on after the highest in the log, where their sequence was left behind', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await pool.query('create table thing (id int primary key)')
    await install(database)
    await track(database, 'thing')
    await pool.query("insert into thing select generate_series(1, 50); select setval('daybook.entry_id', 20)")
    await install(database)
    await pool.query('insert into thing values (51)')
    const { rows } = await pool.query(
      'select count(*)::int as entries, count(distinct id)::int as ids from daybook.entries',
    )
    expect(rows[0].ids).toBe(rows[0].entries)
  })

  it('the schema can be dropped, and installed again', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await pool.query('create table thing (id int primary key)')
    await install(database)
    await track(database, 'thing')
    await pool.query('drop schema daybook cascade')
    await pool.query('insert into thing values (1); alter table thing add column v text')
    expect(await install(database)).toMatchObject({ from: 0, eventTrigger: true })
  })
})

describe('months', () => {
  it('B53 a month that has no partition never makes a write fail, and its entries move in when it is made', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await pool.query('create table thing (id int primary key, v text)')
    await install(database)
    await track(database, 'thing')
    await pool.query("insert into thing values (0, 'before')")
    const { rows: months } = await pool.query(
      "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'daybook.entry'::regclass",
    )
    for (const { name } of months) if (!name.endsWith('default')) await pool.query(`drop table ${name}`)
    await pool.query(
      "insert into thing select n, 'x' from generate_series(1, 50) n; update thing set v = 'y' where id < 10",
    )
    expect((await pool.query('select count(*)::int as n from daybook.entry_default')).rows[0].n).toBe(60)
    const before = (await pool.query('select * from daybook.entries order by id')).rows

    // Writers and other callers go on all the while.
    const writer = await connect(pool.options.connectionString as string)
    let writing = true
    const written = (async () => {
      let last = 1000
      while (writing) await writer.query(`insert into thing values (${++last}, 'during')`)
      return last - 1000
    })()
    const made = await Promise.all(Array.from({ length: 4 }, () => ensureMonths(database)))
    writing = false
    const during = await written
    await writer.end()
    expect(made.flat()).toHaveLength(4)
    expect(await ensureMonths(database)).toEqual([])
    const after = (await pool.query('select * from daybook.entries order by id')).rows
    expect(after.slice(0, 60)).toEqual(before)
    expect(after).toHaveLength(60 + during)
    expect((await pool.query('select count(*)::int as n from daybook.entry_default')).rows[0].n).toBe(0)
  })

  it('B53 months long ago and far ahead that entries fell into are made too', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await install(database)
    await pool.query(`insert into daybook.entry (recorded_at, action, actor_type) values
      ('1999-12-31 23:59:59.999999+00', 'a', 'user'), ('2000-01-01 00:00:00+00', 'b', 'user'), ('2099-06-15', 'c', 'user')`)
    expect(await ensureMonths(database)).toEqual(['entry_1999_12', 'entry_2000_01', 'entry_2099_06'])
    const { rows } = await pool.query(
      'select tableoid::regclass::text as partition, action from daybook.entry order by id',
    )
    expect(rows).toEqual([
      { partition: 'daybook.entry_1999_12', action: 'a' },
      { partition: 'daybook.entry_2000_01', action: 'b' },
      { partition: 'daybook.entry_2099_06', action: 'c' },
    ])
  })

  it('B53 sessions of another time zone make the same months', async () => {
    const { pool, url } = await emptyDatabase()
    await install(fromPgPool(pool))
    const client = await connect(url)
    await client.query("set timezone = 'Pacific/Kiritimati'; set datestyle = 'SQL, DMY'")
    await client.query('select daybook.ensure_months(6)')
    await client.end()
    const { rows } = await pool.query(`select c.relname, pg_get_expr(c.relpartbound, c.oid) as bound from pg_class c
      where c.relispartition and c.relkind = 'r' and c.relnamespace = 'daybook'::regnamespace and c.relname <> 'entry_default'`)
    expect(rows).toHaveLength(7)
    const zone = (await pool.query('show timezone')).rows[0].TimeZone
    for (const { relname, bound } of rows) {
      const from = new Date(/FROM \('(.*?)'\)/.exec(bound)?.[1] ?? '')
      expect(`entry_${from.toISOString().slice(0, 7).replace('-', '_')}`, `${bound} ${zone}`).toBe(relname)
    }
  })

  it('B53 behind a long read of the log, months wait without holding up other readers', async () => {
    const { pool, url } = await emptyDatabase()
    const database = fromPgPool(pool)
    await install(database)
    const reader = await connect(url)
    await reader.query('begin; select count(*) from daybook.entries')
    let waited = false
    const made = ensureMonths(database, 5, { onWait: () => (waited = true) })
    const other = await connect(url)
    const deadline = Date.now() + 2_000
    while (Date.now() < deadline) {
      await other.query("set statement_timeout = '1s'; select count(*) from daybook.entries")
    }
    expect(waited).toBe(true)
    await reader.query('commit')
    expect(await made).toHaveLength(2)
    await Promise.all([reader.end(), other.end()])
  })

  it('a month is stored where the log was put, with its indexes, whatever the session prefers', async () => {
    const [place, elsewhere] = [await tablespace(), await tablespace()]
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await install(database)
    await pool.query(`alter table all in tablespace pg_default owned by daybook_owner set tablespace ${place};
      alter index all in tablespace pg_default owned by daybook_owner set tablespace ${place}`)
    await expect(ensureMonths(database, 4)).rejects.toMatchObject({ code: 'permission_denied' })
    await pool.query(`grant create on tablespace ${place}, ${elsewhere} to daybook_owner`)
    const client = await connect(pool.options.connectionString as string)
    await client.query(`set default_tablespace = ${elsewhere}`)
    await client.query('select daybook.ensure_months(5)')
    expect((await client.query('show default_tablespace')).rows).toEqual([{ default_tablespace: elsewhere }])
    await client.end()
    const { rows } =
      await pool.query(`select distinct s.spcname as place from pg_class c left join pg_tablespace s on s.oid = c.reltablespace
      where c.relnamespace = 'daybook'::regnamespace and c.relkind in ('r', 'i', 'p', 'I')`)
    expect(rows).toEqual([{ place }])
  })

  it('a number of months that makes no sense is refused', async () => {
    const { pool } = await emptyDatabase()
    const database = fromPgPool(pool)
    await install(database)
    for (const months of [-1, 121]) {
      await expect(ensureMonths(database, months)).rejects.toMatchObject({ code: 'invalid_option' })
    }
  })
})
