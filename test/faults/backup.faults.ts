import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { install, sync, trackedTables } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { schemaOf } from '../capture/schema-of.ts'
import { type Cluster, createCluster, postgresPrograms } from '../postgres-cluster.ts'

const run = promisify(execFile)

let programs: string
let cluster: Cluster
let other: Cluster
let source: pg.Pool
let dump: string
const pools: pg.Pool[] = []

beforeAll(async () => {
  programs = await postgresPrograms()
  cluster = await createCluster(programs, { fsync: 'off' })
  other = await createCluster(programs, { fsync: 'off' })
  await cluster.start()
  await other.start()
  source = await database('source')
  await install(fromPgPool(source))
  await source.query(TABLES)
  await sync(fromPgPool(source), TRACKED)
  await source.query(`insert into customer select n, 'Ada ' || n, 'ada@example.com', '555', 'x' from generate_series(1, 20) n;
    insert into invoice select n, n, 'N' || n, n from generate_series(1, 20) n;
    insert into part select n, n, n from generate_series(1, 19) n; insert into early.thing select generate_series(1, 5)`)
  await source.query('update part set day = 19 - day; update invoice set total = total + 1')
  await source.query("delete from invoice where id > 18; select daybook.record('invoice.approved', model => 'Invoice')")
  dump = join(cluster.folder, 'whole.dump')
  await program('pg_dump', ['-Fc', '-f', dump, 'source'])
})
afterAll(async () => {
  for (const pool of pools) await pool.end()
  await Promise.all([cluster?.remove(), other?.remove()])
})

/** Tables in schemas before and after the log's, of which one has lost a column, so that its others are numbered anew when restored. */
const TABLES = `create table customer (id int primary key, old text, name text, email text, phone text, api_token text);
  alter table customer drop column old;
  create table invoice (id int primary key, customer_id int references customer, number text, total numeric);
  create table part (id int, day int, v int, primary key (id, day)) partition by range (day);
  create table part_a partition of part for values from (0) to (10); create table part_b partition of part for values from (10) to (20);
  create schema early; create table early.thing (id int primary key)`

const TRACKED = {
  customer: { label: 'name', mask: ['email'], exclude: ['phone'], unmask: ['api_token'] },
  invoice: { label: 'number' },
  part: {},
  'early.thing': {},
}

async function database(name: string, on: Cluster = cluster): Promise<pg.Pool> {
  const server = new pg.Client(`${on.url}/postgres`)
  await server.connect()
  await server.query(`create database ${name} template template0`)
  await server.end()
  const pool = new pg.Pool({ connectionString: `${on.url}/${name}`, max: 2 })
  pools.push(pool)
  return pool
}

/** Runs one of PostgreSQL's programs on a server; that it fails, or says that it has met an error, fails the test. */
async function program(
  name: 'pg_dump' | 'pg_restore' | 'psql' | 'pg_dumpall',
  args: readonly string[],
  { on = cluster, replica = false }: { readonly on?: Cluster; readonly replica?: boolean } = {},
): Promise<string> {
  const { hostname, port, username, password } = new URL(on.url)
  const { stdout, stderr } = await run(join(programs, name), args, {
    maxBuffer: 2 ** 26,
    env: {
      ...process.env,
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: password,
      LC_ALL: 'C',
      ...(replica && { PGOPTIONS: '-c session_replication_role=replica' }),
    },
  })
  expect(stderr, `${name} ${args.join(' ')}`).toBe('')
  return stdout
}

const restore = (into: string, ...args: string[]) => program('pg_restore', ['-d', into, ...args, dump])

async function entriesOf(pool: pg.Pool): Promise<unknown[]> {
  return (await pool.query('select e.*, e.changes::text as changes from daybook.entries e order by id')).rows
}

const captured = async (pool: pg.Pool) =>
  (await trackedTables(fromPgPool(pool))).map(({ table, options, masked, uncaptured }) => ({
    table,
    options,
    masked,
    uncaptured,
  }))

async function expectWhole(pool: pg.Pool, what: string): Promise<void> {
  expect(await entriesOf(pool), what).toEqual(await entriesOf(source))
  expect(await schemaOf(pool), what).toEqual(await schemaOf(source))
  expect(await captured(pool), what).toEqual(await captured(source))
}

/** Writes and changes of tables go on being recorded, as they were before. */
async function expectCapturing(pool: pg.Pool, what: string): Promise<void> {
  const { rows: before } = await pool.query<{ id: string }>('select max(id) as id from daybook.entries')
  const write = (id: number) =>
    pool.query(`insert into customer (id, name, email, phone, api_token) values (${id}, 'Eve', 'eve@example.com', '555', 'y');
      update part_a set v = v + 1 where id = 12; delete from early.thing where id = ${id - 100}`)
  await write(101)
  await pool.query(
    'alter table customer add column note text; create table part_c partition of part for values from (20) to (30)',
  )
  await write(102)
  await pool.query('insert into part_c values (30, 25, 1)')
  const { rows } = await pool.query(
    'select action, model, object_id, object_label, changes from daybook.entries where id > $1 order by id',
    [before[0]?.id],
  )
  const created = (id: number, more: object) => ({
    action: 'create',
    model: 'Customer',
    object_id: `${id}`,
    object_label: 'Eve',
    changes: {
      id: [null, id],
      name: [null, 'Eve'],
      email: [null, { $daybook: 'masked' }],
      api_token: [null, 'y'],
      ...more,
    },
  })
  expect(rows[0], what).toEqual(created(101, {}))
  expect(
    rows.map(({ action, model }) => `${action} ${model}`),
    what,
  ).toEqual([
    'create Customer',
    'update Part',
    'delete Thing',
    'create Customer',
    'update Part',
    'delete Thing',
    'create Part',
  ])
  expect(rows[3], what).toEqual(created(102, { note: [null, null] }))
}

describe('a whole dump', () => {
  const ways = {
    'a script for psql': async (into: string) => {
      const script = join(cluster.folder, `${into}.sql`)
      await program('pg_dump', ['-f', script, 'source'])
      await program('psql', ['-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', into, '-f', script])
    },
    'pg_restore in parallel': (into: string) => restore(into, '-j', '3'),
    'pg_restore in one transaction': (into: string) => restore(into, '--single-transaction'),
    'pg_restore section by section': async (into: string) => {
      for (const section of ['pre-data', 'data', 'post-data']) await restore(into, `--section=${section}`)
    },
  }
  it.for(Object.entries(ways))(
    'B60 by %s: no error, nothing doubled, everything as it was and at work',
    async ([what, way]) => {
      const into = `whole_${Object.keys(ways).indexOf(what)}`
      const pool = await database(into)
      await way(into)
      await expectWhole(pool, what)
      await expectCapturing(pool, what)
    },
  )

  it('B60 on another server, where the roles were made first', async () => {
    const roles = join(cluster.folder, 'roles.sql')
    // The superuser is there already.
    const script = (await program('pg_dumpall', ['--roles-only', '--no-role-passwords'])).replace(
      /^.* postgres\b.*$/gm,
      '',
    )
    await writeFile(roles, script)
    await program('psql', ['-q', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', roles], { on: other })
    const pool = await database('moved', other)
    await program('pg_restore', ['-d', 'moved', dump], { on: other })
    await expectWhole(pool, 'moved')
    await expectCapturing(pool, 'moved')
  })

  it('B60 over a log that is there already: every entry stays, none is doubled, and none gets a number again', async () => {
    const pool = await database('twice')
    await restore('twice')
    await pool.query("update customer set name = 'Later'")
    const before = await entriesOf(pool)
    await expect(restore('twice')).rejects.toThrow(/already exists/)
    expect((await entriesOf(pool)).slice(0, before.length)).toEqual(before)
    await install(fromPgPool(pool))
    await pool.query("update customer set name = 'Still later'")
    const { rows } = await pool.query('select id from daybook.entries group by id having count(*) > 1')
    expect(rows).toEqual([])
  })
})

describe('the data alone', () => {
  const ways = {
    '--disable-triggers': (into: string) => restore(into, '--data-only', '--disable-triggers'),
    session_replication_role: (into: string) =>
      program('pg_restore', ['-d', into, '--data-only', '-j', '2', dump], { replica: true }),
  }
  it.for(Object.entries(ways))(
    'B60 into its schema, with %s: no error, nothing doubled, everything at work',
    async ([what, way]) => {
      const into = `data_${Object.keys(ways).indexOf(what)}`
      const pool = await database(into)
      await restore(into, '--schema-only')
      await way(into)
      await expectWhole(pool, what)
      await expectCapturing(pool, what)
    },
  )

  it('B60 into a database in which the log was installed and nothing is tracked yet', async () => {
    const pool = await database('installed')
    await install(fromPgPool(pool))
    await pool.query(TABLES)
    const script = join(cluster.folder, 'data.sql')
    // A month that is not made there.
    await source.query(`insert into daybook.entry (recorded_at, action, actor_type) values ('2001-02-03', 'old.event', 'user');
      select daybook.ensure_months()`)
    await program('pg_dump', [
      ...['--data-only', '--load-via-partition-root', '--exclude-table-data=daybook.[^e]*'],
      ...['-f', script, 'source'],
    ])
    await program('psql', ['-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', 'installed', '-f', script])
    expect((await install(fromPgPool(pool))).months).toEqual(['entry_2001_02'])
    expect(await entriesOf(pool)).toEqual(await entriesOf(source))
    await sync(fromPgPool(pool), TRACKED)
    expect(await captured(pool)).toEqual(await captured(source))
    await expectCapturing(pool, 'installed')
  })

  it('B60 of the tables without the log, while the capture is paused: the pause is what is recorded', async () => {
    const pool = await database('paused')
    await restore('paused', '--schema-only', '-N', 'daybook', '--section=pre-data')
    await install(fromPgPool(pool))
    await sync(fromPgPool(pool), TRACKED)
    const script = join(cluster.folder, 'tables.sql')
    await program('pg_dump', ['--data-only', '-N', 'daybook', '-f', script, 'source'])
    const pause = "select daybook.pause('brought back from the backup')"
    await program('psql', [
      '-q',
      '-o',
      '/dev/null',
      '-v',
      'ON_ERROR_STOP=1',
      '-1',
      '-d',
      'paused',
      '-c',
      pause,
      '-f',
      script,
    ])
    const { rows } = await pool.query('select distinct action from daybook.entries order by 1')
    expect(rows.map(({ action }) => action)).toEqual(['capture.paused', 'capture.resumed', 'capture.tracked'])
    expect((await pool.query('select from customer')).rowCount).toBe(20)
    await pool.query(
      'alter table customer add primary key (id); alter table part add primary key (id, day); alter table early.thing add primary key (id)',
    )
    await expectCapturing(pool, 'paused')
  })

  it('B60 of one table, back into the database that lives on: what it changes is recorded like any other change', async () => {
    const pool = await database('alive')
    await restore('alive')
    const before = (await entriesOf(pool)).length
    await pool.query('truncate invoice')
    await restore('alive', '--data-only', '-n', 'public', '-t', 'invoice')
    const after = (await entriesOf(pool)).slice(before) as { action: string; model: string }[]
    expect(after.map(({ action, model }) => `${action} ${model}`)).toEqual([
      'truncate Invoice',
      ...Array.from({ length: 18 }, () => 'create Invoice'),
    ])
  })

  it('B60 of one table with its definition, into a database whose log knows other tables: without its triggers, and tracked afterwards', async () => {
    const pool = await database('elsewhere')
    await install(fromPgPool(pool))
    await pool.query('create table other (id int primary key, v text)')
    await sync(fromPgPool(pool), { other: {} })
    const [table, list] = [join(cluster.folder, 'table.dump'), join(cluster.folder, 'table.list')]
    await program('pg_dump', ['-Fc', '-t', 'customer', '-f', table, 'source'])
    const contents = await program('pg_restore', ['-l', table])
    await writeFile(list, contents.replace(/^.* TRIGGER .* daybook_.*$/gm, ''))
    await program('pg_restore', ['-d', 'elsewhere', '-L', list, table])
    await pool.query('insert into customer (id) values (101)')
    await sync(fromPgPool(pool), { other: {}, customer: {} })
    await pool.query("insert into customer (id) values (102); insert into other values (1, 'a')")
    const { rows } = await pool.query(
      "select model, object_id from daybook.entries where action = 'create' order by id",
    )
    expect(rows).toEqual([
      { model: 'Customer', object_id: '102' },
      { model: 'Other', object_id: '1' },
    ])
  })
})
