import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DoctorOptions, doctor, type Finding, install } from '../../src/capture/postgres/index.ts'
import { createPool } from '../../src/connection/pg.ts'
import { runInContext } from '../../src/core/context.ts'
import { createLoginRole } from '../database.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

const APP = 'attribution_app'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
  for (const role of [APP, 'attribution_migrator', 'attribution_reader']) await createLoginRole(log.pool, role)
  await install(log.database, { applicationRoles: [APP], readerRoles: ['attribution_reader'] })
  await log.table('create table invoice (id int primary key, status text)', 'invoice')
  await log.table('create schema shop; create table shop.stock (id int primary key)', 'shop.stock')
  await log.run(
    `grant usage on schema shop to ${APP}; grant all on invoice, shop.stock to ${APP}, attribution_migrator`,
  )
})
afterAll(() => log?.close())

async function found(options: DoctorOptions = {}): Promise<Finding[]> {
  const { findings } = await doctor(log.database, { reconcileRows: 0, ...options })
  return findings.filter(({ code }) => code === 'writes_without_context')
}

/** Runs SQL as a role, with Daybook's pool or a plain one, under a program's name. */
async function as(role: string, program: string, carries: boolean, ...statements: string[]): Promise<void> {
  const options = { connectionString: log.urlAs(role), application_name: program }
  const pool = carries ? createPool(options) : new pg.Pool(options)
  for (const statement of statements) await runInContext({ actor: { id: '7' } }, () => pool.query(statement))
  await pool.end()
}

it('B35 what the application writes in a context, and what others write without one, is no finding', async () => {
  await as(APP, 'web', true, "insert into invoice values (1, 'open')", "update invoice set status = 'paid'")
  // An application may call its own migration what it likes: it has said who it is.
  const pool = createPool({ connectionString: log.urlAs(APP) })
  await runInContext({ actor: { type: 'database', id: 'upgrade' } }, () =>
    pool.query("update invoice set status = 'kept'"),
  )
  await pool.end()
  await as(
    'attribution_migrator',
    'migrate',
    false,
    'delete from invoice where id = 99',
    "insert into invoice values (2, 'open')",
  )
  await log.run("insert into invoice values (3, 'open')")
  expect(await found()).toEqual([])
})

it('B35 what the application writes without one is told by table and by program, as a share of all', async () => {
  await as(
    APP,
    'worker',
    false,
    "update invoice set status = 'sent'",
    "update invoice set status = 'open' where id < 3",
  )
  await as(APP, '', false, 'delete from invoice where id = 3')
  await as(APP, 'worker', false, 'insert into shop.stock select generate_series(1, 500)')
  expect(await found()).toEqual([
    {
      code: 'writes_without_context',
      severity: 'warning',
      subject: { table: 'public.invoice', role: APP },
      message: `Of 6 statements by which ${APP} changed public.invoice in the last 24 hours, 3 came without a context (worker: 2, no program named: 1): the log names no person or job for them.`,
      advice: expect.stringMatching(/runAs\(\).*verifyWiring\(\).*a role of your own/),
      fixable: false,
    },
    expect.objectContaining({
      message: expect.stringContaining('Of 1 statement by which attribution_app changed shop.stock'),
    }),
  ])
  expect(await found({ schemas: ['shop'] })).toMatchObject([{ subject: { table: 'shop.stock' } }])
})

it('B35 only what is that new is told, and nothing where it is not asked for', async () => {
  await log.run("update daybook.entry set recorded_at = recorded_at - interval '2 hours'")
  expect(await found({ contextHours: 1 })).toEqual([])
  expect(await found({ contextHours: 3 })).toHaveLength(2)
  expect((await found({ contextHours: 3 }))[0]?.message).toContain('in the last 3 hours')
  expect(await found({ contextHours: 0 })).toEqual([])
  for (const contextHours of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await expect(found({ contextHours })).rejects.toMatchObject({ code: 'invalid_option' })
  }
})
