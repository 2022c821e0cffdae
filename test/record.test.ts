import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { install, track } from '../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../src/connection/pg.ts'
import { type AuditEvent, CAPTURED_ACTIONS } from '../src/core/event.ts'
import { createDaybook, type Daybook } from '../src/daybook.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
let pool: Pool
let daybook: Daybook

beforeAll(async () => {
  database = await createTestDatabase('record')
  await createLoginRole(database.pool, 'record_app')
  await install(fromPgPool(database.pool), { applicationRoles: ['record_app'] })
  await database.pool.query('create table invoice (id int primary key); grant all on invoice to record_app')
  await track(fromPgPool(database.pool), 'public.invoice')
  pool = createPool({ connectionString: database.urlAs('record_app'), max: 2 })
  daybook = createDaybook({ pool })
})
afterAll(async () => {
  daybook.close()
  await pool.end()
  await database.close()
})
beforeEach(() => database.pool.query('truncate daybook.entry'))

async function entries(): Promise<Record<string, unknown>[]> {
  return (await database.pool.query('select * from daybook.entries order by id')).rows
}

const approved: AuditEvent = {
  action: 'invoice.approved',
  outcome: 'denied',
  object: { model: 'Invoice', id: '7', label: 'INV-7' },
  related: { model: 'Order', id: '9', label: 'ORD-9' },
  changes: { approved: [false, true], note: [null, 'ok'] },
  extra: { step: 2 },
}

test('B40 an event is an entry with all its parts and the context of who recorded it', async () => {
  const context = { actor: { id: 'u-1', label: 'mara@example.com' }, ipAddress: '203.0.113.9', requestId: 'r-1' }
  await daybook.run({ ...context, extra: { shop: 'north' } }, () => daybook.record(approved))

  expect(await entries()).toMatchObject([
    {
      action: 'invoice.approved',
      outcome: 'denied',
      actor_type: 'user',
      actor_id: 'u-1',
      actor_label: 'mara@example.com',
      ip_address: '203.0.113.9',
      request_id: 'r-1',
      model: 'Invoice',
      object_id: '7',
      object_label: 'INV-7',
      related_model: 'Order',
      related_id: '9',
      related_label: 'ORD-9',
      changes: { approved: [false, true], note: [null, 'ok'] },
      changed_fields: ['approved', 'note'],
      context: { extra: { shop: 'north', step: 2 } },
    },
  ])
})

test('B40 an event in the caller’s transaction is kept or lost with it', async () => {
  const client = await pool.connect()
  try {
    for (const end of ['rollback', 'commit']) {
      await client.query('begin')
      await client.query('insert into invoice values (1)')
      await daybook.runAs({ id: end }, () => daybook.record({ action: 'invoice.approved' }, { client }))
      await client.query(end)
    }
  } finally {
    client.release()
  }

  const recorded = await entries()
  expect(recorded).toMatchObject([{ action: 'create' }, { action: 'invoice.approved', actor_id: 'commit' }])
  expect(recorded[0]?.transaction_id).toBe(recorded[1]?.transaction_id)
})

test('B40 an event without a transaction is written at once, whatever becomes of one that is open', async () => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('insert into invoice values (2)')
    await daybook.record({ action: 'invoice.refused', outcome: 'denied' })
    await client.query('rollback')
  } finally {
    client.release()
  }
  expect(await entries()).toMatchObject([{ action: 'invoice.refused', outcome: 'denied' }])
})

test.each<[string, unknown]>([
  ['action', {}],
  ['action', { action: '' }],
  ['action', { action: 'Invoice Approved' }],
  ['action', { action: 'a'.repeat(65) }],
  ['action', { action: 7 }],
  ['outcome', { action: 'a', outcome: 'maybe' }],
  ['object.model', { action: 'a', object: { id: '1' } }],
  ['object.model', { action: 'a', object: { model: '' } }],
  ['object.id', { action: 'a', object: { model: 'M', id: 7 } }],
  ['object.id', { action: 'a', object: { model: 'M', id: '7'.repeat(2_049) } }],
  ['changes.total', { action: 'a', changes: { total: ['hush'] } }],
  ['changes.total', { action: 'a', changes: { total: 'hush' } }],
  ['extra', { action: 'a', extra: 'hush' }],
  ['event', { action: 'a', actr: 'hush' }],
  ['event', 'hush'],
  ['event', undefined],
])('B40 an event whose %s is malformed is refused, by name and without its value: %j', async (part, event) => {
  const refusal = await daybook.record(event as AuditEvent).catch((error: unknown) => error)

  expect(refusal).toMatchObject({ code: 'invalid_event', details: { part } })
  expect(String(refusal)).toContain(part)
  expect(String(refusal)).not.toContain('hush')
  expect(await entries()).toEqual([])
})

test.each(CAPTURED_ACTIONS)('B40 %s is written by the capture alone, and refused here and in SQL', async (action) => {
  await expect(daybook.record({ action })).rejects.toMatchObject({ code: 'invalid_event' })
  await expect(pool.query('select daybook.record($1)', [action])).rejects.toMatchObject({ code: 'YD005' })
  expect(await entries()).toEqual([])
})

test('B40 a label that is too long, or that no text column holds, is cut and mended, and the entry is written', async () => {
  await daybook.record({ action: 'a', object: { model: 'M', id: 'x\0', label: `\0\uD800${'é'.repeat(300)}` } })

  const [entry] = await entries()
  expect(entry).toMatchObject({ object_id: 'x\uFFFD', object_label: `\uFFFD\uFFFD${'é'.repeat(253)}…` })
})

test('B39 a sign-in makes the person the actor of what follows in the request', async () => {
  await daybook.run({ actor: { type: 'anonymous' }, requestId: 'r-1' }, async () => {
    await daybook.recordLogin({ id: 'u-1', label: 'mara@example.com' })
    await daybook.record({ action: 'invoice.approved' })
  })

  expect(await entries()).toMatchObject([
    { action: 'login', actor_id: 'u-1', model: 'User', object_id: 'u-1', object_label: 'mara@example.com' },
    { action: 'invoice.approved', actor_id: 'u-1', request_id: 'r-1' },
  ])
})

test('B39 a failed sign-in is nobody’s, also where somebody is signed in', async () => {
  await daybook.runAs({ id: 'u-1' }, () => daybook.recordLoginFailure({ name: 'root', reason: 'locked' }))

  expect(await entries()).toMatchObject([
    {
      action: 'login',
      outcome: 'failure',
      actor_type: 'anonymous',
      actor_id: null,
      model: 'User',
      object_label: 'root',
      context: { extra: { reason: 'locked' } },
    },
  ])
})
