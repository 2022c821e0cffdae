import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLoginRole } from '../database.ts'
import { createTestLog, type TestLog } from './log.ts'

const HOUR_MS = 3_600_000
const now = new Date()
const hoursAgo = (hours: number) => new Date(now.getTime() - hours * HOUR_MS)

let log: TestLog

beforeAll(async () => {
  log = await createTestLog()
  await createLoginRole(log.pool, 'unattributed_app')
  await createLoginRole(log.pool, 'unattributed_migrator')
  // What other tests have made of the server's roles is none of this database's.
  await log.pool.query(
    `do $$ begin execute format('revoke connect on database %I from public', current_database());
      execute format('grant connect on database %I to unattributed_app, unattributed_migrator', current_database()); end $$`,
  )
})
afterAll(() => log.close())

test('B46 entries that name nobody are counted: of the application alone, since a moment, up to a bound', async () => {
  const byApplication = { actor_type: 'database', actor_id: 'unattributed_app', database_user: 'unattributed_app' }
  await log.write(
    { ...byApplication, recorded_at: hoursAgo(30).toISOString() },
    { ...byApplication, recorded_at: hoursAgo(2).toISOString() },
    { actor_type: 'database', actor_id: 'unattributed_migrator', database_user: 'unattributed_migrator' },
    { actor_type: 'user', actor_id: 'unattributed_app', database_user: 'unattributed_app' },
    { actor_type: 'database', actor_id: 'nightly', database_user: 'unattributed_app' },
  )
  // Nobody knows which role is the application's.
  expect(await log.store.unattributed(hoursAgo(24))).toEqual({ count: 0, orMore: false, filter: {} })
  await log.pool.query('grant daybook_writer to unattributed_app')
  const found = await log.store.unattributed(hoursAgo(24))
  expect(found).toMatchObject({ count: 1, orMore: false, filter: { actor: ['database:unattributed_app'] } })
  const { entries } = await log.store.page({ filter: found.filter })
  expect(entries.map(({ databaseUser }) => databaseUser)).toEqual(['unattributed_app'])

  // A bulk change is one statement with many entries.
  const bulk = { ...byApplication, recorded_at: now.toISOString() }
  const [first = ''] = await log.write(bulk)
  await log.write(...Array.from({ length: 20 }, () => ({ ...bulk, statement_id: first })))
  expect(await log.store.unattributed(hoursAgo(1), { atMost: 10 })).toMatchObject({ count: 10, orMore: true })
})
