import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { install, track } from '../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../src/connection/pg.ts'
import { createDaybook, type Daybook } from '../src/daybook.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
let pool: Pool
let daybook: Daybook

beforeAll(async () => {
  database = await createTestDatabase('context')
  await install(fromPgPool(database.pool))
  await database.pool.query('create table invoice (id int generated always as identity primary key, total int)')
  await track(fromPgPool(database.pool), 'public.invoice')
  pool = createPool({ connectionString: database.url, max: 2 })
  daybook = createDaybook({ pool })
})
afterAll(async () => {
  daybook.close()
  await pool.end()
  await database.close()
})
beforeEach(() => database.pool.query('truncate daybook.entry'))

const write = () => pool.query('insert into invoice (total) values (1)')

async function actors(): Promise<unknown[]> {
  const { rows } = await database.pool.query(
    'select actor_type, actor_id, actor_label, database_user from daybook.entries order by id',
  )
  return rows
}

test('B35 what a job, a service or a person does through runAs is theirs', async () => {
  await daybook.runAs({ type: 'job', id: 'nightly-invoices' }, write)
  await daybook.runAs({ type: 'service', id: 'billing', label: 'Billing' }, write)
  await daybook.runAs({ id: 'u-1', label: 'mara@example.com' }, write)

  expect(await actors()).toMatchObject([
    { actor_type: 'job', actor_id: 'nightly-invoices' },
    { actor_type: 'service', actor_id: 'billing', actor_label: 'Billing' },
    { actor_type: 'user', actor_id: 'u-1', actor_label: 'mara@example.com' },
  ])
})

test('B35 what comes without a context has the database as its actor, never none', async () => {
  await write()
  await database.pool.query('insert into invoice (total) values (2)')

  const theDatabase = { actor_type: 'database', actor_id: 'postgres', database_user: 'postgres' }
  expect(await actors()).toMatchObject([theDatabase, theDatabase])
})

test('B35 a job inside a request adds to its context, and the request’s actor is back afterwards', async () => {
  await daybook.run({ actor: { id: 'u-1' }, requestId: 'r-1' }, async () => {
    await daybook.runAs({ type: 'job', id: 'recount' }, write)
    await write()
  })

  expect(await actors()).toMatchObject([{ actor_id: 'recount' }, { actor_id: 'u-1' }])
  const { rows } = await database.pool.query('select distinct request_id from daybook.entries')
  expect(rows).toEqual([{ request_id: 'r-1' }])
})

test('B30 an actor can be named late where a context is open, and nowhere else', async () => {
  expect(daybook.setActor({ id: 'u-1' })).toBe(false)
  await daybook.run({}, async () => {
    expect(daybook.setActor({ id: 'u-1' })).toBe(true)
    await write()
  })
  expect(await actors()).toMatchObject([{ actor_type: 'user', actor_id: 'u-1' }])
})

test('B32 an open context carries what is added to it from elsewhere, until it is ended', async () => {
  const opened = daybook.openContext({ actor: { type: 'anonymous' } })
  await opened.run(async () => {
    opened.add({ actor: { id: 'u-1' } })
    await write()
    opened.end()
    await write()
  })
  expect(await actors()).toMatchObject([{ actor_id: 'u-1' }, { actor_type: 'database' }])
})
