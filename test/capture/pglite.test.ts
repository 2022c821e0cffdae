import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { baseline, install, pause, track } from '../../src/capture/postgres/index.ts'
import type { Database } from '../../src/connection/database.ts'
import { openPglite, type Pglite } from '../../src/connection/pglite.ts'
import { EDGE_TYPES, EDGES, fieldTexts } from './edge-values.ts'
import type { CapturedEntry } from './log.ts'

let pglite: Pglite
let database: Database
let last = '0'

beforeAll(async () => {
  pglite = await openPglite()
  database = pglite.database
  expect(await install(database)).toMatchObject({ from: 0, eventTrigger: true })
  await run('create table thing (id int primary key, name text, n numeric, token text)')
  await track(database, 'thing', { label: 'name' })
})
afterAll(() => pglite?.close())
beforeEach(() => entries())

async function run(...statements: string[]) {
  for (const statement of statements) await database.query(statement)
}

async function entries(): Promise<CapturedEntry[]> {
  const { rows } = await database.query<CapturedEntry>(
    'select *, changes::text as changes_text from daybook.entries where id > $1 order by id',
    [last],
  )
  last = rows.at(-1)?.id ?? last
  return rows
}

it('B1 B2 B3 B4 B6 B7 rows that are made, changed and removed are recorded on PGlite as on a server', async () => {
  await run(
    "insert into thing values (1, 'a', 1.0, 'secret')",
    'update thing set n = n + 0.50',
    'update thing set n = n',
    'update thing set id = 2',
    'delete from thing',
  )
  expect(
    (await entries()).map(({ action, object_id, previous_object_id, object_label, changes }) => [
      action,
      object_id,
      previous_object_id,
      object_label,
      changes,
    ]),
  ).toEqual([
    [
      'create',
      '1',
      null,
      'a',
      { id: [null, 1], name: [null, 'a'], n: [null, 1], token: [null, { $daybook: 'masked' }] },
    ],
    ['update', '1', null, 'a', { n: [1, 1.5] }],
    ['update', '2', '1', 'a', { id: [1, 2] }],
    [
      'delete',
      '2',
      null,
      'a',
      { id: [2, null], name: ['a', null], n: [1.5, null], token: [{ $daybook: 'masked' }, null] },
    ],
  ])
  await run("insert into thing select n, 'many', 1 from generate_series(1, 1000) n")
  await entries()
  await run('update thing set n = case when id <= 700 then id + 1 else n end')
  const changed = await entries()
  expect(changed).toHaveLength(700)
  expect(changed.every(({ object_id, changes }) => Number(changes.n?.[1]) === Number(object_id) + 1)).toBe(true)
  await expect(
    database.transaction(async (transaction) => {
      await transaction.query('delete from thing')
      throw new Error('undone')
    }),
  ).rejects.toThrow('undone')
  expect(await entries()).toEqual([])
  await run('truncate thing')
  expect((await entries()).map(({ action, context }) => [action, context?.rows])).toEqual([['truncate', 1000]])
})

it('B14 a changed table is followed on PGlite', async () => {
  await run(
    'alter table thing add column added int',
    'alter table thing drop column n',
    "insert into thing values (5, 'x', 'y', 6)",
  )
  expect((await entries())[0]?.changed_fields).toEqual(['id', 'name', 'token', 'added'])
})

it('B15 every built-in type and its edges are recorded on PGlite as they stand', async () => {
  await database.transaction(async (transaction) => {
    await transaction.query(EDGE_TYPES)
  })
  const edges = EDGES.map(([type, value, recorded], place) => ({ name: `c${place}`, type, value, recorded }))
  await run(`create table edges (id int primary key, ${edges.map(({ name, type }) => `${name} ${type}`).join(', ')})`)
  await track(database, 'edges')
  await run(
    `insert into edges values (1, ${edges.map(({ type, value }) => `${value}::${type}`).join(', ')})`,
    'delete from edges',
  )
  const [, created, deleted] = (await entries()).map(({ changes_text }) => fieldTexts(changes_text))
  for (const { name, type, value, recorded } of edges) {
    expect(created?.get(name), `${value} as ${type}`).toBe(`[null,${recorded}]`)
    expect(deleted?.get(name), `${value} as ${type}`).toBe(`[${recorded},null]`)
  }
})

it('B19 existing rows are given a baseline on PGlite', async () => {
  await run(
    "create table old (id int primary key, at timestamptz); insert into old select i, '2026-01-01' from generate_series(1, 5) i",
  )
  await track(database, 'old')
  await run('update old set at = null where id = 2')
  expect(await baseline(database, 'old', { batchRows: 2 })).toEqual({ seen: 5, written: 4 })
  expect(await baseline(database, 'old')).toEqual({ seen: 5, written: 0 })
  expect((await entries()).slice(1).map(({ action, object_id }) => `${action} ${object_id}`)).toEqual([
    'update 2',
    ...[1, 3, 4, 5].map((id) => `baseline ${id}`),
  ])
})

it('B17 a block is paused on PGlite as on a server', async () => {
  await run('create table price (id int primary key)')
  await track(database, 'price')
  await pause(database, { reason: 'load', tables: ['price'] }, (transaction) =>
    transaction.query('insert into price values (1), (2)'),
  )
  await run('insert into price values (3)')
  expect((await entries()).slice(1).map(({ action, context }) => [action, context?.rows])).toEqual([
    ['capture.paused', undefined],
    ['capture.resumed', 2],
    ['create', undefined],
  ])
})

it('B34 where the database saw no client, a context can not say that it did', async () => {
  await run('delete from thing')
  await database.transaction(async (transaction) => {
    await transaction.query(
      "select set_config('daybook.context', $1, true), set_config('application_name', '', true)",
      [JSON.stringify({ actor: { id: '1' }, database: { address: '6.6.6.6' } })],
    )
    await transaction.query('insert into thing (id) values (9)')
  })
  expect(JSON.stringify((await entries()).at(-1))).not.toContain('6.6.6.6')
})
