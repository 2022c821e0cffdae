import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { sync, track, trackedTables, untrack } from '../../src/capture/postgres/index.ts'
import fc from '../fast-check.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
})
afterAll(() => log?.close())

const quoted = pg.escapeIdentifier

const ODD = [
  'Customer',
  'with space',
  'with-dash',
  'with.dot',
  'a"b',
  "it's",
  'select',
  'user',
  '%s',
  '%',
  '%1$s %I %L',
  '$body$',
  '$one$',
  '$1',
  'back\\slash',
  '{curly}',
  '[square]',
  ',',
  ';',
  '--',
  '/*',
  'Größe',
  '名前',
  '😀',
  'n',
  'o',
  'r',
  'rows',
  'origin',
  'moment',
  'first_id',
  'old_rows',
  'new_rows',
  'place',
  'changes',
  'tg_op',
  'daybook_position',
  `daybook_position${'x'.repeat(47)}`,
  'x'.repeat(63),
  'é'.repeat(31),
  ' ',
  '\t\n',
  'null',
  '__proto__',
]

describe('odd names', () => {
  it('B13 columns of any name are captured', async () => {
    const key = 'id of "it"'
    await log.table(
      `create table odd_columns (${quoted(key)} int primary key, ${ODD.map((name) => `${quoted(name)} text`).join(', ')})`,
      'odd_columns',
      { label: ['%s', 'a"b'], unmask: [] },
    )
    await log.run(`insert into odd_columns values (1, ${ODD.map((_, place) => place).join(', ')})`)
    await log.run(`insert into odd_columns (${quoted(key)}) values (2), (3)`)
    await log.run(
      `update odd_columns set ${ODD.map((name) => `${quoted(name)} = 'new'`).join(', ')} where ${quoted(key)} = 1`,
    )
    await log.run(`update odd_columns set ${ODD.map((name) => `${quoted(name)} = 'newer'`).join(', ')}`)
    await log.run(`delete from odd_columns where ${quoted(key)} = 1`)
    await log.run('delete from odd_columns')
    const entries = await log.entries()
    expect(entries.map(({ action }) => action)).toEqual([
      ...['create', 'create', 'create', 'update', 'update', 'update', 'update', 'delete', 'delete', 'delete'],
    ])
    const [created, , , updated] = entries
    const again = entries.findLast(({ action, object_id }) => action === 'update' && object_id === '1')
    expect(created?.changed_fields).toEqual([key, ...ODD])
    expect(created?.object_label).toBe(`${ODD.indexOf('%s')} ${ODD.indexOf('a"b')}`)
    for (const [place, name] of ODD.entries()) {
      expect(Object.entries(created?.changes ?? {})).toContainEqual([name, [null, String(place)]])
      expect(Object.entries(updated?.changes ?? {})).toContainEqual([name, [String(place), 'new']])
      expect(Object.entries(again?.changes ?? {})).toContainEqual([name, ['new', 'newer']])
    }
    expect(updated?.changed_fields).toEqual(ODD)
  })

  for (const name of ODD) {
    it(`B13 a schema, table and key called ${JSON.stringify(name)} are captured, shown and untracked`, async () => {
      const schema = `s ${name}`.length > 60 ? name : `s ${name}`
      await log.run(
        `create schema ${quoted(schema)}; create table ${quoted(schema)}.${quoted(name)} (${quoted(name)} int primary key)`,
      )
      const tracked = await track(log.database, `${quoted(schema)}.${quoted(name)}`)
      await log.run(`insert into ${quoted(schema)}.${quoted(name)} values (7)`)
      await log.run(`update ${quoted(schema)}.${quoted(name)} set ${quoted(name)} = 8`)
      await log.run(`truncate ${quoted(schema)}.${quoted(name)}`)
      const entries = await log.entries()
      expect(
        entries.map(({ action, object_id, previous_object_id }) => [action, object_id, previous_object_id]),
      ).toEqual([
        ['create', '7', null],
        ['update', '8', '7'],
        ['truncate', null, null],
      ])
      const { rows } = await log.run('select $1::regclass = $2::regclass as same', [
        entries[0]?.table_name,
        `${quoted(schema)}.${quoted(name)}`,
      ])
      expect(rows[0].same).toBe(true)
      expect(tracked.uncaptured).toEqual([])
      await untrack(log.database, tracked.table)
      expect(await trackedTables(log.database)).not.toContainEqual(expect.objectContaining({ id: tracked.id }))
      await log.run(`drop schema ${quoted(schema)} cascade`)
    })
  }

  it('B13 any name that PostgreSQL takes is captured', async () => {
    const name = fc
      .string({
        unit: fc.oneof(
          fc.constantFrom('%', 's', '$', "'", '"', '\\', '.', ',', 'body', 'L'),
          fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
        ),
        minLength: 1,
        maxLength: 20,
      })
      .filter((text) => !/[\0\ud800-\udfff]/.test(text) && Buffer.byteLength(text) <= 63)
    await fc.assert(
      fc.asyncProperty(name, fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), async (table, columns) => {
        await log.run(`create table ${quoted(table)} (${columns.map((column) => `${quoted(column)} text`).join(', ')})`)
        try {
          await track(log.database, `public.${quoted(table)}`, { unmask: columns })
          await log.run(`insert into ${quoted(table)} values ($1)`, ['a'])
          await log.run(`update ${quoted(table)} set ${quoted(columns[0] ?? '')} = 'b'`)
          expect((await log.entries()).map(({ changes }) => Object.entries(changes))).toEqual([
            columns.map((column, place) => [column, [null, place === 0 ? 'a' : null]]),
            [[columns[0], ['a', 'b']]],
          ])
        } finally {
          await log.run(`drop table ${quoted(table)}`)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('a table is found as people write it, and one that is not there is refused', async () => {
    await log.run('create schema sales; create table sales."Order" (id int); create table sales."order" (id int)')
    expect((await track(log.database, 'sales.Order')).table).toBe('sales."Order"')
    expect((await track(log.database, 'sales.order')).table).toBe('sales."order"')
    expect((await track(log.database, 'sales."Order"')).table).toBe('sales."Order"')
    for (const missing of [
      'nothing',
      'sales.nothing',
      'no.table',
      'a.b.c.d',
      '"',
      'sales."Order',
      '',
      "'; drop table x",
    ]) {
      await expect(track(log.database, missing)).rejects.toMatchObject({ code: 'unknown_table' })
    }
    await expect(track(log.database, 'sales.Order', { label: 'nope' })).rejects.toMatchObject({
      code: 'unknown_column',
    })
  })
})

describe('keys', () => {
  afterEach(() => log.entries())

  it('B12 a composite key is the JSON array of its parts, in the order of the key', async () => {
    await log.table(
      'create table line (note text, position int, invoice text, primary key (invoice, position))',
      'line',
    )
    await log.run(`insert into line values ('x', 1, 'A"1'), ('y', 2, 'A"1')`)
    await log.run(`update line set position = 5 where position = 2`)
    const entries = await log.entries()
    expect(entries.map(({ object_id, previous_object_id }) => [object_id, previous_object_id])).toEqual([
      ['["A\\"1", "1"]', null],
      ['["A\\"1", "2"]', null],
      ['["A\\"1", "5"]', '["A\\"1", "2"]'],
    ])
  })

  it('B12 keys of any type are their text', async () => {
    const keys = [
      ['uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
      ['boolean', 't'],
      ['date', '2024-02-03'],
      ['timestamptz', '2024-02-03 04:05:06+00'],
      ['text', 'None'],
      ['text', ''],
      ['numeric', '1.10'],
      ['int4range', '[1,3)'],
      ['inet', '10.0.0.1'],
      ['int[]', '{1,2}'],
      ['bytea', '\\x00ff'],
    ]
    for (const [place, [type, value]] of keys.entries()) {
      await log.table(`create table key_${place} (k ${type} primary key, v int)`, `key_${place}`)
      await log.run(`insert into key_${place} values ('${value}', 1); update key_${place} set v = 2`)
      expect((await log.entries()).map(({ object_id }) => object_id)).toEqual([value, value])
    }
  })

  it('B12 a key that only includes another column is not made of it', async () => {
    await log.table('create table covering (id int, name text, primary key (id) include (name))', 'covering')
    await log.run("insert into covering values (1, 'a'); update covering set name = 'b'")
    expect((await log.entries()).map(({ object_id, previous_object_id }) => [object_id, previous_object_id])).toEqual([
      ['1', null],
      ['1', null],
    ])
  })

  it('B12 a table without a key is captured, its objects without an id', async () => {
    await log.table('create table keyless (a int, b text)', 'keyless')
    await log.run("insert into keyless values (1, 'x'), (1, 'x')")
    await log.run("update keyless set b = 'y' where ctid = (select min(ctid) from keyless)")
    await log.run('delete from keyless')
    expect((await log.entries()).map(({ action, object_id, changes }) => [action, object_id, changes])).toEqual([
      ['create', null, { a: [null, 1], b: [null, 'x'] }],
      ['create', null, { a: [null, 1], b: [null, 'x'] }],
      ['update', null, { b: ['x', 'y'] }],
      ['delete', null, { a: [1, null], b: ['x', null] }],
      ['delete', null, { a: [1, null], b: ['y', null] }],
    ])
  })
})

describe('what is tracked', () => {
  it("B18 Daybook's own tables, PostgreSQL's, views and temporary tables are never tracked", async () => {
    await log.run(
      'create view a_view as select 1 as id; create materialized view a_matview as select 1 as id; create sequence a_sequence',
    )
    for (const table of [
      ...['daybook.entry', 'daybook.tracked_table', 'daybook.entry_default', 'daybook.migration', 'daybook.entries'],
      ...[
        'pg_catalog.pg_class',
        'information_schema.sql_features',
        'public.a_view',
        'public.a_matview',
        'public.a_sequence',
      ],
    ]) {
      await expect(track(log.database, table), table).rejects.toMatchObject({ code: 'not_trackable' })
    }
    const client = await log.pool.connect()
    await client.query('create temp table passing (id int)')
    await expect(client.query("select daybook.track('pg_temp.passing')")).rejects.toMatchObject({ code: 'YD003' })
    client.release(true)
    const { rows } = await log.run(`select count(*)::int as n from pg_trigger where tgname like 'daybook%'
      and tgrelid in (select oid from pg_class where relnamespace = 'daybook'::regnamespace)`)
    expect(rows[0].n).toBe(0)
  })

  it('B18 a table that is no longer tracked keeps its history', async () => {
    await log.table('create table once (id int primary key)', 'once')
    await log.run('insert into once values (1)')
    await untrack(log.database, 'once')
    await log.run('insert into once values (2)')
    const { rows } = await log.run("select action, object_id from daybook.entries where model = 'Once' order by id")
    expect(rows).toEqual([
      { action: 'capture.tracked', object_id: null },
      { action: 'create', object_id: '1' },
      { action: 'capture.untracked', object_id: null },
    ])
    await expect(untrack(log.database, 'once')).rejects.toMatchObject({ code: 'not_tracked' })
    await log.entries()
  })

  it('what is not included, or excluded, is not recorded, and its change alone is no entry', async () => {
    await log.run(`create table trimmed (id int primary key, a text, b text, seen int);
      create table picked (id int primary key, a text, b text)`)
    const steps = await sync(log.database, {
      trimmed: { exclude: ['seen'], model: 'Trimmed Thing' },
      picked: { include: ['b'] },
    })
    expect(steps.map(({ table, step }) => `${step} ${table}`)).toContain('track public.trimmed')
    for (const table of ['trimmed', 'picked']) {
      await log.run(`insert into ${table} values (1, 'a', 'b')`)
      await log.run(`update ${table} set a = 'c'`)
      await log.run(`update ${table} set b = 'd'`)
    }
    await log.run('update trimmed set seen = 1')
    expect((await log.entries()).map(({ model, changes }) => [model, changes])).toEqual([
      ['Trimmed Thing', { id: [null, 1], a: [null, 'a'], b: [null, 'b'] }],
      ['Trimmed Thing', { a: ['a', 'c'] }],
      ['Trimmed Thing', { b: ['b', 'd'] }],
      ['Picked', { id: [null, 1], b: [null, 'b'] }],
      ['Picked', { b: ['b', 'd'] }],
    ])
    expect(
      (await sync(log.database, { trimmed: { exclude: ['seen'], model: 'Trimmed Thing' } })).find(
        ({ table }) => table === 'public.trimmed',
      )?.step,
    ).toBe('unchanged')
    expect(await sync(log.database, { trimmed: { exclude: ['a'] } }, { dryRun: true })).toContainEqual({
      table: 'public.trimmed',
      step: 'change',
    })
    await log.run("update trimmed set a = 'still recorded'")
    expect(await log.entries()).toHaveLength(1)
  })
})
