import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { sync, track, trackedTables, untrack } from '../../src/capture/postgres/index.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

let log: CaptureLog
/** The last entry before the test. */
let since: string

beforeAll(async () => {
  log = await createCaptureLog()
  await log.run(`create function touch() returns trigger language plpgsql as $$ begin
      update item set n = n + 1, touched = true where id = new.id and not touched; return null; end $$;
    create function total() returns trigger language plpgsql as $$ begin
      update invoice set lines = (select count(*) from line where invoice_id in (new.invoice_id, old.invoice_id)) where id in (new.invoice_id, old.invoice_id);
      return null; end $$`)
})
afterAll(() => log?.close())
beforeEach(async () => {
  await log.run('drop table if exists item, line, invoice, node cascade')
  await log.run('create table item (id int primary key, n int, touched boolean not null default false)')
  await log.entries()
  since = (await log.run('select coalesce(max(id), 0) as id from daybook.entries')).rows[0].id
})

const TOUCH = 'after insert or update on item for each row execute function touch()'

/** What happened to each object, in the order of the entries. */
async function told(): Promise<string[]> {
  return (await log.entries()).map(
    ({ action, object_id, changes }) => `${action} ${object_id} ${changes.n ? changes.n.map(String).join('→') : ''}`,
  )
}

const TOUCHED = ['create 1 null→0', 'create 2 null→10', 'update 1 0→1', 'update 2 10→11']

/** The entries of each object come in the order of its changes: what one of them leaves is what the next one finds. */
async function expectInOrder(): Promise<void> {
  const { rows } = await log.run(`select * from (
    select daybook.entries.id, model, object_id, field, change -> 0 as before, lag(change -> 1) over (partition by model, object_id, field order by daybook.entries.id) as after
    from daybook.entries, json_each(changes) c (field, change) where daybook.entries.id > ${since} and action in ('create', 'update', 'delete') and field <> 'id') h
    where after is not null and before::text <> after::text`)
  expect(rows).toEqual([])
}

describe('a table whose own triggers write to it again', () => {
  it.for(['touch', '00 first', '!a', 'RI_before'])(
    'B9 has its entries in the order of its changes: trigger %s',
    async (name) => {
      await log.run(`create trigger "${name}" ${TOUCH}`)
      await track(log.database, 'item')
      await log.run('insert into item values (1, 0), (2, 10)')
      if (name === '!a') {
        // It would be the first of all.
        expect((await told()).slice().sort()).toEqual(TOUCHED.slice().sort())
        return
      }
      expect((await told()).sort(byObject)).toEqual(TOUCHED.slice().sort(byObject))
      await log.run('update item set n = 100, touched = false where id = 1')
      expect(await told()).toEqual(['update 1 1→100', 'update 1 100→101'])
      await log.run('delete from item')
      expect((await told()).sort()).toEqual(['delete 1 101→null', 'delete 2 11→null'])
      await expectInOrder()
    },
  )

  it('B9 is captured so from when the trigger is made, without a step by hand', async () => {
    await track(log.database, 'item')
    await log.run('insert into item values (1, 0)')
    await log.run(`create trigger touch ${TOUCH}`)
    await log.run('insert into item values (2, 10)')
    expect(await told()).toEqual(['create 1 null→0', 'create 2 null→10', 'update 2 10→11'])
    expect((await trackedTables(log.database))[0]?.uncaptured).toEqual([])
    // And stays so, once and not twice, when the trigger goes and the table is tracked anew.
    await log.run('drop trigger touch on item')
    await track(log.database, 'item', { model: 'Thing' })
    await log.run('update item set n = n + 1')
    expect(await told()).toEqual(['update 1 0→1', 'update 2 11→12'])
    await untrack(log.database, 'item')
    const { rows } = await log.run(
      "select tgname from pg_trigger where tgrelid = 'item'::regclass and not tgisinternal",
    )
    expect(rows).toEqual([])
  })

  it('B9 is told of where nothing follows, and captured so after sync', async () => {
    await track(log.database, 'item')
    await log.run(
      `alter event trigger daybook_follow_tables disable; create trigger touch ${TOUCH}; alter event trigger daybook_follow_tables enable`,
    )
    await sync(log.database, { item: {} })
    await log.entries()
    await log.run('insert into item values (1, 0), (2, 10)')
    expect((await told()).sort(byObject)).toEqual(TOUCHED.slice().sort(byObject))
  })

  it('B17 is captured row by row but for a pause', async () => {
    await log.run(`create trigger touch ${TOUCH}`)
    await track(log.database, 'item')
    await log.run(
      "begin; select daybook.pause('load'); insert into item values (1, 0); select daybook.resume(); commit",
    )
    expect(await told()).toEqual([])
    await log.run('truncate item')
    expect((await log.entries()).map(({ action }) => action)).toEqual(['truncate'])
  })

  it('B1 B24 is recorded with its labels, masks and large values as any other', async () => {
    await log.run(`create trigger touch ${TOUCH}; alter table item add name text, add password text`)
    await track(log.database, 'item', { label: 'name' })
    await log.run("insert into item values (1, 0, true, 'Ada', 'pw'), (2, 0, true, repeat('x', 1100000), null)")
    const [first, second] = await log.entries()
    expect(first).toMatchObject({ object_label: 'Ada', changes: { password: [null, { $daybook: 'masked' }] } })
    expect(second?.changes.name?.[1]).toMatchObject({ $daybook: 'capped', bytes: 1_100_000 })
  })
})

describe('what a foreign key hands on', () => {
  it('B9 comes after what set it off, where it comes back to the table', async () => {
    await log.run(`create table node (id int primary key, parent int references node on update cascade);
      insert into node values (1, null), (2, 1), (3, 2)`)
    await track(log.database, 'node')
    await log.run('update node set id = id + 10')
    await expectInOrder()
    const entries = (await log.entries()).map(({ object_id, changed_fields }) => `${object_id} ${changed_fields}`)
    expect(entries.slice(0, 3)).toEqual(['11 id', '12 id', '13 id'])
    expect(entries.slice(3).sort()).toEqual(['12 parent', '13 parent'])
  })

  it('B9 comes after what set it off, where triggers of the table it reaches write back', async () => {
    await log.run(`create table invoice (id int primary key, n int, lines int);
      create table line (id int primary key, invoice_id int references invoice on update cascade);
      insert into invoice values (1, 0, 2); insert into line values (1, 1), (2, 1);
      create trigger total after insert or update or delete on line for each row execute function total()`)
    await track(log.database, 'invoice')
    await track(log.database, 'line')
    await log.run('update invoice set id = 7, lines = 0')
    const fields = (await log.entries()).filter(({ model }) => model === 'Invoice').map(({ changes }) => changes.lines)
    expect(fields).toEqual([
      [2, 0],
      [0, 2],
    ])
    await expectInOrder()
  })

  it('B4 costs tables that nothing comes back to nothing: they are captured by statement', async () => {
    await log.run(`create table invoice (id int primary key, n int);
      create table line (id int primary key, invoice_id int references invoice on delete cascade, n int);
      create trigger stamp before update on line for each row execute function suppress_redundant_updates_trigger()`)
    await track(log.database, 'invoice')
    await track(log.database, 'line')
    const { rows } = await log.run(
      "select relation::text, by_row from daybook.tracked_table where model in ('Invoice', 'Line') order by 1",
    )
    expect(rows).toEqual([
      { relation: 'invoice', by_row: false },
      { relation: 'line', by_row: false },
    ])
  })
})

function byObject(a: string, b: string): number {
  const id = (text: string) => Number(text.split(' ')[1])
  return id(a) - id(b)
}
