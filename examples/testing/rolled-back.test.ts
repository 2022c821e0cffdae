import { afterEach, beforeEach, test } from 'node:test'
import { createPool } from 'daybook/connection/pg'
import { asTester, watchLog } from 'daybook/testing'
import type { PoolClient } from 'pg'
import { pay } from './invoices.ts'

const pool = createPool({ connectionString: process.env.DATABASE_URL, allowExitOnIdle: true })
let client: PoolClient

beforeEach(async () => {
  client = await pool.connect()
  await client.query('begin')
})
afterEach(async () => {
  await client.query('rollback')
  client.release()
})

test('paying an invoice is recorded', async () => {
  await client.query("insert into invoice values (117, '2024-0117', 'open')")
  const log = await watchLog(client, { ownTransaction: true })

  await asTester(() => pay(client, 117), { actor: { id: '7', label: 'ada@example.com' } })

  await log.expectEntries([{ action: 'update', objectId: '117', actorLabel: 'ada@example.com' }])
})
