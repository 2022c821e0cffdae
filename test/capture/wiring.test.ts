import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { install, track, verifyWiring, type Wiring } from '../../src/capture/postgres/index.ts'
import { Client, createPool, type Pool } from '../../src/connection/pg.ts'
import { openPglite } from '../../src/connection/pglite.ts'
import { runInContext } from '../../src/core/context.ts'
import { createLoginRole, createTestDatabase } from '../database.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

const APP = 'wiring_app'

let log: CaptureLog
let pool: Pool
const open: pg.Pool[] = []

beforeAll(async () => {
  log = await createCaptureLog()
  await createLoginRole(log.pool, APP)
  await createLoginRole(log.pool, 'wiring_stranger')
  await install(log.database, { applicationRoles: [APP] })
  await log.table('create table invoice (id int primary key, status text)', 'invoice')
  await log.run(`grant all on invoice to ${APP}`)
  pool = createPool({ connectionString: log.urlAs(APP), max: 3 })
  open.push(pool)
})
afterAll(async () => {
  for (const one of open) await one.end()
  await log?.close()
})

function plain(options: pg.PoolConfig): pg.Pool {
  const other = new pg.Pool(options)
  open.push(other)
  return other
}

const told = ({ findings }: Wiring) => findings.map(({ code, severity }) => `${severity} ${code}`)

it('B31 a pool that carries the context is healthy, and nothing of the look is left', async () => {
  await log.allEntries()
  const rows =
    'select count(*)::int as rows from pg_locks where database = (select oid from pg_database where datname = current_database()) and pid <> pg_backend_pid() and relation is not null'
  const wiring = await verifyWiring((sql) => pool.query(sql))
  expect(wiring).toEqual({ healthy: true, role: APP, findings: [] })
  expect(await log.allEntries()).toEqual([])
  expect((await log.run(rows)).rows).toEqual([{ rows: 0 }])
  // Whoever asks in a request of his own is himself afterwards.
  await runInContext({ requestId: 'mine' }, async () => {
    expect(told(await verifyWiring((sql) => pool.query(sql)))).toEqual([])
    await pool.query("insert into invoice values (1, 'open')")
  })
  expect(await log.entries()).toMatchObject([{ request_id: 'mine' }])
})

it.each([
  ['rows alone', async (sql: string) => (await pool.query(sql)).rows],
  ['rows and what came with them', async (sql: string) => [(await pool.query(sql)).rows, await pool.query('select 1')]],
  [
    'rows as lists of objects in a list',
    async (sql: string) => ({ results: [{ data: (await pool.query(sql)).rows }] }),
  ],
  // biome-ignore lint/suspicious/noThenProperty: a query builder that begins when it is awaited.
  ['a query that begins when it is awaited', (sql: string) => ({ then: (...on: []) => pool.query(sql).then(...on) })],
])('B31 it finds its answer in %s', async (_what, run) => {
  expect(told(await verifyWiring(run))).toEqual([])
})

describe('what is wrong is a finding', () => {
  it('B31 a pool without the context', async () => {
    const other = plain({ connectionString: log.urlAs(APP) })
    const wiring = await verifyWiring((sql) => other.query(sql))
    expect(wiring.healthy).toBe(false)
    expect(wiring.findings).toEqual([
      {
        code: 'context_not_carried',
        severity: 'error',
        subject: { role: APP },
        message: `21 of 21 statements that were sent in a context, as ${APP}, came without it: such writes are recorded as the database user's.`,
        advice: expect.stringContaining('createPool() of daybook/connection/pg'),
        fixable: false,
      },
    ])
  })

  it('B31 a plain pool over the carrying client, which mixes contexts up', async () => {
    const other = plain({ connectionString: log.urlAs(APP), max: 2, Client } as pg.PoolConfig)
    expect(told(await verifyWiring((sql) => other.query(sql)))).toContain('error context_mixed')
  })

  it('B32 a context that stays on the connection', async () => {
    const session = plain({ connectionString: log.urlAs(APP), max: 1 })
    await session.query("select set_config('daybook.context', '{}', false)")
    expect(told(await verifyWiring((sql) => session.query(sql)))).toEqual([
      'error context_mixed',
      'error context_left_behind',
    ])
  })

  it('B45 a role that can rewrite the log, whether or not it is known as the application', async () => {
    const superuser = createPool({ connectionString: log.url })
    open.push(superuser)
    expect(told(await verifyWiring((sql) => superuser.query(sql)))).toEqual(['error application_superuser'])
    await log.run(`alter table invoice owner to ${APP}`)
    const { healthy, findings } = await verifyWiring((sql) => pool.query(sql))
    expect(healthy).toBe(false)
    expect(findings).toMatchObject([{ code: 'application_owns_table', subject: { role: APP } }])
    await log.run('alter table invoice owner to current_user')
  })

  it('tracked tables that are not captured, and writers that PostgreSQL fires no triggers for', async () => {
    await log.run('alter table invoice disable trigger daybook_insert')
    expect((await verifyWiring((sql) => pool.query(sql))).findings).toMatchObject([
      { code: 'trigger_disabled', subject: { table: 'public.invoice' } },
    ])
    await log.run('alter table invoice enable trigger daybook_insert')
    const replica = createPool({ connectionString: log.url, options: '-c session_replication_role=replica' })
    open.push(replica)
    expect(told(await verifyWiring((sql) => replica.query(sql)))).toContain('error replication_role')
  })

  it('a function that reaches no server that takes writes', async () => {
    const reading = createPool({ connectionString: log.urlAs(APP), options: '-c default_transaction_read_only=on' })
    open.push(reading)
    expect(told(await verifyWiring((sql) => reading.query(sql)))).toEqual(['error reads_only'])
  })

  it('a log that takes no entry, with what PostgreSQL says of it', async () => {
    await log.run('alter table daybook.entry add constraint full_up check (action <> $$capture.probed$$) not valid')
    const { findings } = await verifyWiring((sql) => pool.query(sql))
    expect(findings).toMatchObject([{ code: 'entry_refused', message: expect.stringContaining('23514') }])
    await log.run('alter table daybook.entry drop constraint full_up')
  })

  it('a role that may not ask', async () => {
    const stranger = createPool({ connectionString: log.urlAs('wiring_stranger') })
    open.push(stranger)
    expect(await verifyWiring((sql) => stranger.query(sql))).toMatchObject({
      healthy: false,
      role: 'wiring_stranger',
      findings: [{ code: 'role_may_not_ask', advice: expect.stringContaining('--app-role wiring_stranger') }],
    })
  })

  it('nothing that is tracked', async () => {
    const other = await createCaptureLog()
    const carrying = createPool({ connectionString: other.url })
    expect(told(await verifyWiring((sql) => carrying.query(sql)))).toContain('warning nothing_tracked')
    await carrying.end()
    await other.close()
  })
})

it('refuses what can not look: a function without rows, a bad option, a database without a log', async () => {
  const refused = (...given: unknown[]) => verifyWiring(...(given as Parameters<typeof verifyWiring>))
  await expect(refused(undefined)).rejects.toMatchObject({ code: 'invalid_option' })
  await expect(refused(() => undefined)).rejects.toMatchObject({ code: 'invalid_option' })
  await expect(refused((sql: string) => pool.query(sql).then(({ rowCount }) => rowCount))).rejects.toMatchObject({
    code: 'invalid_option',
  })
  await expect(refused((sql: string) => pool.query(sql), { atOnce: 0 })).rejects.toMatchObject({
    code: 'invalid_option',
  })
  const broken = new Error('the ORM is not connected')
  await expect(refused(() => Promise.reject(broken))).rejects.toBe(broken)
  const none = await createTestDatabase('wiring')
  await expect(refused((sql: string) => none.pool.query(sql))).rejects.toMatchObject({ code: 'not_installed' })
  await none.close()
})

it('B31 holds on PGlite', async () => {
  const pglite = await openPglite()
  await install(pglite.database, { applicationRoles: [] })
  await pglite.database.query('create role app login; grant daybook_writer to app; create table invoice (id int)')
  await track(pglite.database, 'public.invoice')
  const carrying = pglite.createPool({ user: 'app' })
  expect(told(await verifyWiring((sql) => carrying.query(sql)))).toEqual([])
  await pglite.close()
}, 60_000)
