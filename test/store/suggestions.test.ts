import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FilterKey } from '../../src/core/filter.ts'
import { createTestLog, type TestLog } from './log.ts'

let log: TestLog

beforeAll(async () => {
  log = await createTestLog()
  await log.pool.query('create table invoice (id int primary key, status text, secret_note text, legacy text)')
  await log.pool.query("select daybook.configure_table('public.invoice', 'Invoice', '{}', null, '{legacy}')")
  await log.write(
    { actor_id: 'u-17', actor_label: 'Old Ada', recorded_at: '2026-01-01T00:00:00Z', tenant_id: 'long gone' },
    { actor_id: 'u-17', actor_label: 'Ada', recorded_at: '2026-01-02T00:00:00Z', model: 'Invoice' },
    { actor_id: 'u-18', actor_label: 'Bea', recorded_at: '2026-01-02T00:00:00Z', action: 'invoice.approved' },
  )
  await log.pool.query(
    `insert into daybook.entry (recorded_at, action, actor_type, actor_id, actor_label, database_user, model, tenant_id, ip_address, object_label)
     select timestamptz '2026-02-01' + n * interval '1 minute', 'update', 'user', 'n-' || n % 30, 'Newer ' || n % 30, 'app', 'Product', 'acme',
       inet '10.0.0.0' + n % 5, 'Lamp ' || n % 40
     from generate_series(1, 2100) n`,
  )
})
afterAll(() => log.close())

const suggested = async (key: FilterKey, typed: string) =>
  (await log.store.suggestions(key, typed)).map(({ value }) => value)

test('B46 values are suggested by what is typed, those that begin with it first, 12 at most', async () => {
  expect(await suggested('action', '')).toEqual(['capture.tracked', 'invoice.approved', 'update'])
  expect(await suggested('action', 'UPD')).toEqual(['update'])
  expect(await suggested('model', 'o')).toEqual(['Invoice', 'Product'])
  expect(await suggested('tenant', '')).toEqual(['acme'])
  expect(await suggested('ip', '10.0.0.3')).toEqual(['10.0.0.3'])
  expect(await suggested('object', 'lamp 1')).toHaveLength(11)
  expect(await suggested('object', '')).toHaveLength(12)
  for (const key of ['request', 'transaction', 'statement', 'objectId', 'outcome', 'at', 'text'] as const) {
    expect(await suggested(key, '')).toEqual([])
  }
})

test('B46 actors are suggested by their ids however long they are away, as they were called last, and by label of late', async () => {
  expect(await log.store.suggestions('actor', 'u-1')).toEqual([
    { value: 'user:u-17', label: 'Ada' },
    { value: 'user:u-18', label: 'Bea' },
  ])
  expect(await suggested('actor', 'user:u-18')).toEqual(['user:u-18'])
  expect(await suggested('actor', 'newer 29')).toEqual(['user:n-29'])
  expect(await suggested('actor', 'Bea')).toEqual([])
  expect(await suggested('actor', 'n-')).toHaveLength(12)
  for (const hostile of ['%', '_', "'", '\\', '\u{10ffff}']) expect(await suggested('actor', hostile)).toEqual([])
})

test('fields are the columns that are recorded', async () => {
  expect(await suggested('field', '')).toEqual(['id', 'secret_note', 'status'])
  expect(await suggested('field', 'sta')).toEqual(['status'])
})
