import { install, track } from 'daybook/capture/postgres'
import { openPglite } from 'daybook/connection/pglite'
import { asTester, TESTER, watchLog } from 'daybook/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pay } from './invoices.ts'

const pglite = await openPglite()
const pool = pglite.createPool({ user: 'postgres' })

beforeAll(async () => {
  await pool.query('create table invoice (id int primary key, number text, status text)')
  await install(pglite.database)
  await track(pglite.database, 'public.invoice', { label: 'number' })
})
afterAll(() => pglite.close())

test('paying an invoice is recorded, with who paid it', async () => {
  await pool.query("insert into invoice values (117, '2024-0117', 'open')")
  const log = await watchLog(pool)

  await asTester(() => pay(pool, 117))

  await log.expectEntries([
    { action: 'update', objectLabel: '2024-0117', changes: { status: ['open', 'paid'] }, actorId: TESTER.actor.id },
  ])
  await log.expectAttributed()
  expect((await log.fixedEntries())[0]?.recordedAt.toISOString()).toBe('2026-01-01T00:00:00.000Z')
})
