import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { install, track } from '../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../src/connection/pg.ts'
import { createDaybook, type Daybook } from '../src/daybook.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
let pool: Pool
let daybook: Daybook

beforeAll(async () => {
  database = await createTestDatabase('wiring')
  await createLoginRole(database.pool, 'daybook_wiring_app')
  await install(fromPgPool(database.pool), { applicationRoles: ['daybook_wiring_app'] })
  await database.pool.query('create table invoice (id int primary key); grant all on invoice to daybook_wiring_app')
  await track(fromPgPool(database.pool), 'public.invoice')
  pool = createPool({ connectionString: database.urlAs('daybook_wiring_app') })
  daybook = createDaybook({ pool })
})
afterAll(async () => {
  daybook.close()
  await pool.end()
  await database.close()
})

test('B31 the application proves its own pool, and any other way by which it runs SQL', async () => {
  expect(await daybook.verifyWiring()).toEqual({ healthy: true, role: 'daybook_wiring_app', findings: [] })
  const lost = new pg.Pool({ connectionString: database.urlAs('daybook_wiring_app') })
  const wiring = await daybook.verifyWiring((sql) => lost.query(sql))
  expect(wiring).toMatchObject({ healthy: false, findings: [{ code: 'context_not_carried' }] })
  await lost.end()
})

test('B31 a pool that can not be reached is an error, not a finding', async () => {
  const away = createPool({ host: '127.0.0.1', port: 1 })
  const unreached = createDaybook({ pool: away, onError: () => {} })
  await expect(unreached.verifyWiring()).rejects.toMatchObject({ code: 'database_unreachable' })
  unreached.close()
  await away.end()
})

test('B35 what had to go without its context is counted, and told as a warning', async () => {
  await daybook.runAs({ id: '7' }, () => pool.query('vacuum invoice'))
  const { healthy, findings } = await daybook.verifyWiring()
  expect(healthy).toBe(true)
  expect(findings).toMatchObject([
    {
      code: 'sent_without_context',
      message: '1 statement of this process had to go without the context that was there.',
    },
  ])
})
