import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause, track, untrack } from '../../src/capture/postgres/index.ts'
import type { Database } from '../../src/connection/database.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { createTestLog, type TestLog } from './log.ts'

let log: TestLog
let database: Database

beforeAll(async () => {
  log = await createTestLog()
  database = fromPgPool(log.pool)
})
afterAll(() => log?.close())

const actions = async (model: string, objectId: string, query: object = {}) =>
  (await log.store.timeline({ model, objectId, ...query })).entries.map(({ action }) => action)

test('B18 a timeline shows when changes of its model went unrecorded, from its first entry on', async () => {
  await log.pool.query('create table part (id int primary key, n int); create table other (id int primary key)')
  await track(database, 'part')
  await track(database, 'other')
  await log.pool.query('insert into part values (1, 1)')
  await pause(database, { reason: 'load' }, async (transaction) => {
    await transaction.query('insert into part values (2, 2), (3, 3)')
  })
  await log.pool.query('insert into other values (1)')
  await untrack(database, 'part')
  await log.pool.query('update part set n = 5')
  await track(database, 'part')
  await log.pool.query('update part set n = 6 where id = 1')
  await untrack(database, 'other')
  expect(await actions('Part', '1')).toEqual([
    'update',
    'capture.tracked',
    'capture.untracked',
    'capture.resumed',
    'create',
  ])
  // Nothing of it went unrecorded in the pause, and what was before its first entry is no gap of it.
  expect(await actions('Other', '1')).toEqual(['capture.untracked', 'create'])
  expect(await actions('Part', '99')).toEqual([])
})

test('the gaps of a timeline stand on the page of their time, once, and the newest of many', async () => {
  await log.pool.query('create table box (id int primary key, n int)')
  await track(database, 'box')
  await log.pool.query('insert into box values (1, 0)')
  const gap = () =>
    pause(database, { reason: 'load', tables: ['box'] }, async (transaction) => {
      await transaction.query('insert into box select max(id) + 1 from box')
    })
  await gap()
  for (let n = 1; n <= 4; n += 1) await log.pool.query('update box set n = $1 where id = 1', [n])
  await gap()
  const first = await log.store.timeline({ model: 'Box', objectId: '1', limit: 3 })
  expect(first.entries.map(({ action }) => action)).toEqual(['capture.resumed', 'update', 'update', 'update'])
  const second = await log.store.timeline({ model: 'Box', objectId: '1', limit: 3, ...first.older })
  expect(second.entries.map(({ action }) => action)).toEqual(['update', 'capture.resumed', 'create'])
  const back = await log.store.timeline({ model: 'Box', objectId: '1', limit: 3, ...second.newer })
  expect(back.entries.map(({ id }) => id)).toEqual(first.entries.map(({ id }) => id))
  for (let n = 0; n < 25; n += 1) await gap()
  expect(await actions('Box', '1')).toHaveLength(5 + 20)
})
