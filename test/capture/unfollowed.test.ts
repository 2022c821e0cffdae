import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { sync, track, trackedTables } from '../../src/capture/postgres/index.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

/** As where no superuser installed the log: nothing tells of tables that change. */
beforeAll(async () => {
  log = await createCaptureLog()
  await log.run(`drop event trigger daybook_follow_tables; drop event trigger daybook_follow_drops;
    drop event trigger daybook_follow_partitions; drop event trigger daybook_follow_triggers`)
})
afterAll(() => log?.close())
beforeEach(async () => {
  await log.run('drop table if exists item, tag, item_tag cascade; select daybook.follow_changes()')
  await log.run('create table item (id int primary key, name text, secret_note text, n int)')
  await track(log.database, 'item', { mask: ['n'], label: 'name' })
  await log.run("insert into item values (1, 'one', 's', 1)")
  await log.entries()
})

const changes = async () => (await log.entries()).map(({ changes }) => changes)

describe('a table that changes where no event trigger tells of it', () => {
  it.for([
    [
      'drop column name',
      { id: [null, 2], secret_note: [null, { $daybook: 'masked' }], n: [null, { $daybook: 'masked' }] },
    ],
    ['rename column secret_note to note', { id: [null, 2], note: [null, { $daybook: 'masked' }] }],
    ['rename column n to number', { id: [null, 2], number: [null, { $daybook: 'masked' }] }],
    ['add column added text', { id: [null, 2], added: [null, 'new'] }],
    ['alter column name type int using 5', { id: [null, 2], name: [null, 7] }],
    ['rename to renamed', { id: [null, 2] }],
  ] as const)('B14 takes every write, and records it: %s', async ([change, expected]) => {
    await log.run(`alter table item ${change}`)
    const table = change === 'rename to renamed' ? 'renamed' : 'item'
    const values: Record<string, string> = {
      id: '2',
      n: '5',
      number: '5',
      name: change.includes('type int') ? '7' : "'two'",
    }
    values.secret_note = values.note = "'hidden'"
    values.added = "'new'"
    const { rows } = await log.run(
      `select attname from pg_attribute where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped`,
    )
    const names = rows.map(({ attname }) => attname as string)
    const insert = `insert into ${table} (${names}) values (${names.map((name) => values[name])})`
    await log.run(insert)
    const [created] = await changes()
    expect(created).toMatchObject(expected)
    expect(Object.keys(created ?? {})).toEqual(names)
    // The first write has brought the capture up to date.
    expect((await trackedTables(log.database)).map(({ inStep }) => inStep)).toEqual([true])
    await log.run(`update ${table} set id = id + 10 where id = 2; delete from ${table} where id = 12`)
    const [updated, deleted] = await changes()
    expect(updated).toEqual({ id: [2, 12] })
    expect(Object.keys(deleted ?? {})).toEqual(names)
    await log.run(`drop table ${table}`)
  })

  it('B14 records writes of many rows, updates and deletes before anything is compiled anew', async () => {
    // Whoever configures the capture holds this, so that writers go on without compiling.
    const other = await connect(log.url)
    await other.query('begin; lock table daybook.tracked_table in share update exclusive mode')
    await log.run(
      "alter table item drop column name, add column price numeric; insert into item select g, 's', g, g * 1.5 from generate_series(2, 301) g",
    )
    expect(await log.entries()).toHaveLength(300)
    await log.run('update item set price = price + 1 where id > 1')
    const updates = await log.entries()
    expect(updates).toHaveLength(300)
    expect(new Set(updates.map(({ statement_id }) => statement_id)).size).toBe(1)
    expect(updates[0]?.changes).toEqual({ price: [3, 4] })
    await log.run('update item set id = id where false')
    await log.run('delete from item where id > 1')
    expect((await log.entries()).map(({ action }) => action)).toEqual(Array(300).fill('delete'))
    expect((await trackedTables(log.database)).map(({ inStep }) => inStep)).toEqual([false])
    await other.query('commit')
    await other.end()
  })

  it.for(['repeatable read', 'serializable'])(
    'B14 takes the write of a transaction that began before the change, at %s, and says that it was not read',
    async (level) => {
      const client = await connect(log.url)
      await client.query(`begin isolation level ${level}`)
      await client.query('select 1 from pg_class limit 1')
      await log.run('alter table item drop column name; alter table item rename column n to number')
      await client.query("insert into item values (2, 's', 3)")
      await client.query('commit')
      await client.end()
      expect(await log.entries()).toMatchObject([
        { action: 'create', model: 'Item', actor_type: 'database', changes: null, context: { rows_unread: true } },
      ])
      await log.run("insert into item values (3, 's', 3)")
      expect(Object.keys((await changes())[0] ?? {})).toEqual(['id', 'secret_note', 'number'])
    },
  )

  it('B14 B58 serializable writers of a table that is in step are captured the usual way', async () => {
    await log.run("begin isolation level serializable; insert into item values (2, 'two', 's', 3); commit")
    expect(await changes()).toMatchObject([{ id: [null, 2], name: [null, 'two'] }])
  })

  it('B14 links whose foreign key goes are recorded as plain rows', async () => {
    await log.run(`create table tag (id int primary key, name text);
      create table item_tag (item_id int references item, tag_id int references tag, primary key (item_id, tag_id))`)
    await track(log.database, 'tag', { label: 'name' })
    await track(log.database, 'item_tag', { link: { from: 'item_id', to: 'tag_id' } })
    await log.run(
      "insert into tag values (1, 'red'); alter table item_tag drop column tag_id; insert into item_tag values (1)",
    )
    expect((await log.entries()).map(({ action, model }) => `${action} ${model}`)).toEqual([
      'create Tag',
      'create ItemTag',
    ])
  })

  it('B14 writers at work while the table changes never fail, and each write is recorded', async () => {
    let writing = true
    let written = 0
    const writers = Array.from({ length: 4 }, async (_, place) => {
      const client = await connect(log.url)
      for (let n = 0; writing; n++) {
        await client.query('insert into item (id) values ($1)', [1000 + place * 100_000 + n])
        await client.query(`begin; update item set id = -id where id = ${1000 + place * 100_000 + n}; commit`)
        written += 2
      }
      await client.end()
    })
    for (let n = 0; n < 8; n++) {
      await log.run(`alter table item add column extra_${n} text default 'x'`)
      await log.run(`alter table item rename column extra_${n} to other_${n}`)
      await log.run(`alter table item alter column other_${n} type varchar(20)`)
      if (n > 2) await log.run(`alter table item drop column other_${n - 2}`)
    }
    writing = false
    await Promise.all(writers)
    const entries = await log.entries()
    expect(entries).toHaveLength(written)
    expect(entries.filter(({ changes }) => changes === null)).toEqual([])
  })

  it('B14 a dry run tells of it, and sync takes it up', async () => {
    await log.run('alter table item add column late int')
    expect(await sync(log.database, { item: { mask: ['n'], label: 'name' } }, { dryRun: true })).toEqual([
      { table: 'public.item', step: 'change' },
    ])
    await sync(log.database, { item: { mask: ['n'], label: 'name' } })
    expect((await trackedTables(log.database)).map(({ inStep }) => inStep)).toEqual([true])
  })
})
