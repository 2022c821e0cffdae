import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureMonths, install, sync, track, trackedTables } from '../../src/capture/postgres/index.ts'
import type { Database } from '../../src/connection/database.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { schemaOf } from '../capture/schema-of.ts'
import { type Cluster, createCluster, postgresPrograms } from '../postgres-cluster.ts'

/** How often each is interrupted. */
const TIMES = 4

let cluster: Cluster
let server: pg.Pool
const pools: pg.Pool[] = []

beforeAll(async () => {
  cluster = await createCluster(await postgresPrograms(), { fsync: 'off' })
  await cluster.start()
  server = open('postgres')
})
afterAll(async () => {
  for (const pool of pools) await pool.end()
  await cluster?.remove()
})

function open(database: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: `${cluster.url}/${database}`, max: 2 })
  pool.on('error', () => {})
  pools.push(pool)
  return pool
}

let databases = 0

/** A database of its own, empty or like another, to which nobody may be connected. */
async function newDatabase(template = 'template0'): Promise<string> {
  databases += 1
  await server.query(`create database interrupted_${databases} template ${template}`)
  return `interrupted_${databases}`
}

/** A database that others are made from. */
async function template(prepare: (pool: pg.Pool) => Promise<void>): Promise<string> {
  const name = await newDatabase()
  const pool = new pg.Pool({ connectionString: `${cluster.url}/${name}`, max: 1 })
  await prepare(pool)
  await pool.end()
  return name
}

/** Runs `work` on a connection of its own that the server ends after `afterMs`; whether it was through by then. */
async function interrupt(
  pool: pg.Pool,
  afterMs: number,
  work: (database: Database) => Promise<unknown>,
): Promise<boolean> {
  const own = new pg.Pool({ ...pool.options, max: 1, application_name: 'interrupted' })
  own.on('error', () => {})
  own.on('connect', (client) => client.on('error', () => {}))
  let through = false
  const done = work(fromPgPool(own)).then(
    () => {
      through = true
    },
    // Only the interruption may have stopped it.
    (error: Error) => expect(error.message).toMatch(/terminat|connection error/),
  )
  await sleep(afterMs)
  await pool.query(
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'interrupted' and datname = current_database()",
  )
  await done
  await own.end()
  return through
}

/** Interrupts the work at moments that are spread over the time it takes, each time in a database like the template; then does it once more. */
async function interruptAnywhere(
  { like, work, state = schemaOf }: Interrupted,
  check: (pool: pg.Pool, through: boolean, whole: unknown) => Promise<void>,
): Promise<void> {
  const undisturbed = open(await newDatabase(like))
  const start = performance.now()
  await work(fromPgPool(undisturbed))
  let tookMs = performance.now() - start
  const whole = await state(undisturbed)
  for (let interrupted = 0; interrupted < TIMES; ) {
    const pool = open(await newDatabase(like))
    const through = await interrupt(pool, Math.random() * tookMs, work)
    if (through) tookMs *= 0.9
    else interrupted += 1
    await check(pool, through, whole)
    await work(fromPgPool(pool))
    expect(await state(pool)).toEqual(whole)
  }
}

interface Interrupted {
  readonly like: string
  readonly work: (database: Database) => Promise<unknown>
  /** What the work leads to, however often it is begun. */
  readonly state?: (pool: pg.Pool) => Promise<unknown>
}

describe('a session that is ended in the middle', () => {
  it('B57 of an installation leaves all of it or nothing', async () => {
    await interruptAnywhere({ like: 'template0', work: install }, async (pool, through, whole) => {
      const { rows } = await pool.query("select to_regnamespace('daybook') is not null as there")
      if (through) expect(rows[0].there).toBe(true)
      if (rows[0].there) expect(await schemaOf(pool)).toEqual(whole)
    })
  })

  it('B57 of an upgrade leaves the tables captured', async () => {
    const like = await template(async (pool) => {
      await install(fromPgPool(pool))
      await pool.query('create table thing (id int primary key)')
      await track(fromPgPool(pool), 'thing')
    })
    await interruptAnywhere({ like, work: install }, async (pool, _, whole) => {
      expect(await schemaOf(pool)).toEqual(whole)
      await pool.query('insert into thing values (1)')
      const { rows } = await pool.query("select action from daybook.entries where model = 'Thing' and object_id = '1'")
      expect(rows).toEqual([{ action: 'create' }])
    })
  })

  it('B57 of making months loses and doubles no entry', async () => {
    const entries = async (pool: pg.Pool) =>
      (await pool.query("select id, recorded_at from daybook.entries where action = 'old.event' order by id")).rows
    const like = await template(async (pool) => {
      await install(fromPgPool(pool))
      await pool.query(`insert into daybook.entry (recorded_at, action, actor_type)
        select timestamptz '2001-01-01 00:00+00' + n * interval '6 hours', 'old.event', 'user' from generate_series(0, 499) n`)
    })
    const before = await entries(open(await newDatabase(like)))
    expect(before).toHaveLength(500)
    await interruptAnywhere({ like, work: (database) => ensureMonths(database, 6) }, async (pool) => {
      expect(await entries(pool)).toEqual(before)
      await pool.query("select daybook.record('new.event')")
    })
  })

  it('B57 of tracking leaves no table with half of its triggers, and no writer refused', async () => {
    const like = await template(async (pool) => {
      await install(fromPgPool(pool))
      await pool.query(`create table thing (id int primary key); create table split (id int primary key) partition by range (id);
        create table split_a partition of split for values from (0) to (10); create table split_b partition of split for values from (10) to (20);
        create table split_c partition of split for values from (20) to (30)`)
    })
    const state = async (pool: pg.Pool) => (await trackedTables(fromPgPool(pool))).map((table) => ({ ...table, id: 0 }))
    const work = (database: Database) => sync(database, { thing: {}, split: {} })
    await interruptAnywhere({ like, work, state }, async (pool) => {
      const { rows: halves } = await pool.query(
        `select c.relname from pg_trigger g join pg_class c on c.oid = g.tgrelid where tgname like 'daybook%'
          group by c.oid having count(*) <> case when c.relispartition then 5 else 4 end`,
      )
      expect(halves).toEqual([])
      const { rows: captured } = await pool.query(
        "select tgrelid::regclass::text as table from pg_trigger where tgname = 'daybook_insert'",
      )
      for (const [place, table] of ['thing', 'split', 'split_b'].entries()) {
        await pool.query(`insert into ${table} values (${place + 11})`)
        const { rows } = await pool.query('select action from daybook.entries where object_id = $1', [`${place + 11}`])
        expect(rows, table).toHaveLength(captured.some((relation) => relation.table === table) ? 1 : 0)
      }
    })
  })
})
