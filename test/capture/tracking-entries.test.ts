import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { install, sync, track, untrack } from '../../src/capture/postgres/index.ts'
import { createPool, fromPgPool } from '../../src/connection/pg.ts'
import { runInContext } from '../../src/core/context.ts'
import { createLoginRole } from '../database.ts'
import { type CapturedEntry, type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
})
afterAll(() => log?.close())

const told = (entries: readonly CapturedEntry[]) =>
  entries.map(({ action, model, changes }) => [action, model, changes ?? {}])

describe('what is tracked', () => {
  it('B42 to track a table, to change how, and to end it are entries: who, which table, which options', async () => {
    await log.run('create table "Order" (id int primary key, number text, iban text, is_open boolean)')
    const pool = createPool({ connectionString: log.url })
    try {
      const database = fromPgPool(pool)
      await runInContext({ actor: { type: 'user', id: '7', label: 'ada@example.com' }, requestId: 'r-1' }, async () => {
        await track(database, 'public.Order', { label: 'number' })
        await track(database, 'public.Order', { label: 'number', mask: ['iban'], truncate: 'refuse' })
        await track(database, 'public.Order', {
          model: 'Purchase',
          label: ['number', 'id'],
          permissionColumns: ['is_open'],
        })
        await untrack(database, 'public.Order')
      })
    } finally {
      await pool.end()
    }
    const entries = await log.allEntries()
    expect(told(entries)).toEqual([
      ['capture.tracked', 'Order', { model: [null, 'Order'], label: [null, ['number']], truncate: [null, 'record'] }],
      ['capture.changed', 'Order', { mask: [null, ['iban']], truncate: ['record', 'refuse'] }],
      [
        'capture.changed',
        'Purchase',
        {
          model: ['Order', 'Purchase'],
          label: [['number'], ['number', 'id']],
          mask: [['iban'], null],
          truncate: ['refuse', 'record'],
          permission_columns: [null, ['is_open']],
        },
      ],
      [
        'capture.untracked',
        'Purchase',
        {
          model: ['Purchase', null],
          label: [['number', 'id'], null],
          truncate: ['record', null],
          permission_columns: [['is_open'], null],
        },
      ],
    ])
    for (const entry of entries) {
      expect(entry).toMatchObject({
        ...{ table_name: 'public."Order"', object_id: null, actor_id: '7', request_id: 'r-1' },
        ...{ database_user: 'postgres', changed_fields: Object.keys(entry.changes) },
      })
    }
  })

  it('B42 links, permissions and what is included are told by their options', async () => {
    await log.run(`create table person (id int primary key); create table team (id int primary key);
      create table member (id int primary key, person_id int references person, team_id int references team, note text)`)
    await track(log.database, 'person')
    await track(log.database, 'team')
    await log.allEntries()
    await track(log.database, 'member', {
      link: { from: 'person_id', to: 'team_id' },
      include: ['person_id', 'team_id'],
    })
    await track(log.database, 'member', { permission: { to: 'person_id', grants: 'team_id' }, exclude: ['note'] })
    expect((await log.allEntries()).map(({ action, changes }) => [action, changes])).toEqual([
      [
        'capture.tracked',
        {
          model: [null, 'Member'],
          include: [null, ['person_id', 'team_id']],
          truncate: [null, 'record'],
          link: [null, { from: 'person_id', to: 'team_id' }],
        },
      ],
      [
        'capture.changed',
        {
          include: [['person_id', 'team_id'], null],
          exclude: [null, ['note']],
          permission: [null, { to: 'person_id', grants: 'team_id' }],
          link: [{ from: 'person_id', to: 'team_id' }, null],
        },
      ],
    ])
  })

  it('B42 a sync that changes nothing is no entry, nor is a dry run, an installation or what failed', async () => {
    await log.run('create table goods (id int primary key, name text); create table other (id int primary key)')
    const tables = { goods: { label: 'name' }, other: {} }
    await log.allEntries()
    await sync(log.database, tables, { dryRun: true })
    expect(await log.allEntries()).toEqual([])
    await sync(log.database, tables)
    expect(told(await log.allEntries()).map(([action, model]) => [action, model])).toEqual([
      ['capture.tracked', 'Goods'],
      ['capture.tracked', 'Other'],
    ])
    await sync(log.database, tables)
    await track(log.database, 'goods', { label: 'name' })
    await install(log.database)
    await expect(track(log.database, 'goods', { label: 'nme' })).rejects.toMatchObject({ code: 'unknown_column' })
    await expect(untrack(log.database, 'goods2')).rejects.toMatchObject({ code: 'unknown_table' })
    await log.run("begin; select daybook.track('goods', label_columns => '{id}'); rollback")
    expect(await log.allEntries()).toEqual([])
    await sync(log.database, { goods: { label: 'name' } }, { prune: true })
    expect(told(await log.allEntries()).map(([action, model]) => [action, model])).toEqual([
      ['capture.untracked', 'Member'],
      ['capture.untracked', 'Other'],
      ['capture.untracked', 'Person'],
      ['capture.untracked', 'Team'],
    ])
  })

  it('B42 a table that is dropped ends to be tracked, and that is an entry, under the name that it had', async () => {
    await log.run(
      'create schema shop; create table shop.a (id int primary key); create table shop.b (id int primary key)',
    )
    await track(log.database, 'shop.a')
    await track(log.database, 'shop.b')
    await log.run('alter table shop.a rename to renamed')
    await log.allEntries()
    await log.run('begin; drop table shop.renamed; rollback')
    expect(await log.allEntries()).toEqual([])
    await log.run('drop schema shop cascade')
    const entries = await log.allEntries()
    expect(entries.map(({ action, table_name }) => [action, table_name]).sort()).toEqual([
      ['capture.untracked', 'shop.b'],
      ['capture.untracked', 'shop.renamed'],
    ])
    for (const { context } of entries) expect(context).toMatchObject({ reason: 'The table was dropped.' })
  })

  it('B14 B42 an option that follows a renamed column is told too, a change that concerns none is not', async () => {
    await log.run('create table followed (id int primary key, name text, secret_note text)')
    await track(log.database, 'followed', { label: 'name' })
    await log.allEntries()
    await log.run('alter table followed add column extra int; alter table followed rename column extra to more')
    expect(await log.allEntries()).toEqual([])
    await log.run('alter table followed rename column name to title')
    expect((await log.allEntries()).map(({ action, changes }) => [action, changes])).toEqual([
      ['capture.changed', { label: [['name'], ['title']] }],
    ])
  })

  it('B18 B42 what was not tracked for a while shows as a gap between its entries', async () => {
    await log.run('create table gap (id int primary key, n int)')
    await track(log.database, 'gap')
    await log.run('insert into gap values (1, 1)')
    await untrack(log.database, 'gap')
    await log.run('update gap set n = 2')
    await track(log.database, 'gap')
    await log.run('update gap set n = 3')
    const entries = await log.run(
      "select action, changes -> 'n' as n from daybook.entries where model = 'Gap' order by id",
    )
    expect(entries.rows).toEqual([
      { action: 'capture.tracked', n: null },
      { action: 'create', n: [null, 1] },
      { action: 'capture.untracked', n: null },
      { action: 'capture.tracked', n: null },
      { action: 'update', n: [2, 3] },
    ])
    await log.allEntries()
  })

  it('B42 B58 of many that track and untrack at once, each change is one entry', async () => {
    await log.run('create table contested (id int primary key, a text, b text)')
    await log.allEntries()
    await Promise.all(
      Array.from({ length: 6 }, (_, place) => track(log.database, 'contested', { label: place % 2 ? 'a' : 'b' })),
    )
    await Promise.allSettled([untrack(log.database, 'contested'), untrack(log.database, 'contested')])
    const entries = await log.allEntries()
    expect(entries[0]?.action).toBe('capture.tracked')
    expect(entries.at(-1)?.action).toBe('capture.untracked')
    expect(entries.filter(({ action }) => action !== 'capture.changed')).toHaveLength(2)
    let label: unknown = null
    for (const { changes } of entries) {
      expect(changes.label?.[0]).toEqual(label)
      label = changes.label?.[1]
    }
  })
})

it('B45 the application can record nothing that reads as a change of what is tracked', async () => {
  await createLoginRole(log.pool, 'tracking_app')
  await log.run('grant daybook_writer to tracking_app')
  await log.allEntries()
  const app = await connect(log.urlAs('tracking_app'))
  try {
    for (const action of ['capture', 'capture.tracked', 'capture.paused', 'capture.anything', 'baseline']) {
      await expect(app.query('select daybook.record($1)', [action]), action).rejects.toMatchObject({ code: 'YD005' })
    }
    for (const attempt of [
      "select daybook.write_event('capture.untracked', 'Gap')",
      "select daybook.record_options(1, '{}')",
      'select daybook.drop_capture(1)',
      "select daybook.untrack('gap')",
    ]) {
      await expect(app.query(attempt), attempt).rejects.toMatchObject({ code: '42501' })
    }
    await app.query("select daybook.record('captured.something'), daybook.record('baseline_checked')")
  } finally {
    await app.end()
  }
  expect((await log.allEntries()).map(({ action }) => action)).toEqual(['captured.something', 'baseline_checked'])
})
