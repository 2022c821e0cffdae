import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { install, sync, track, trackedTables } from '../../src/capture/postgres/index.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
})
afterAll(() => log?.close())

const changes = async () => (await log.entries()).map((entry) => entry.changes)
const tracked = async (table: string) =>
  (await trackedTables(log.database)).find((candidate) => candidate.table === table)

describe('a tracked table that changes', () => {
  it('B14 columns are added, dropped, renamed and retyped, and the next write records them', async () => {
    await log.table('create table thing (id int primary key, a text, b int, c text)', 'thing', {
      label: 'a',
      exclude: ['c'],
    })
    const client = await connect(log.url)
    const write = async (statement: string) => {
      await client.query(statement)
      return changes()
    }
    // The same session, whose plans are cached: several one-row writes, then one of many.
    for (let id = 1; id < 8; id++) await write(`insert into thing values (${id}, 'x')`)

    await log.run('alter table thing add column d text default $$new$$')
    expect(await write('insert into thing (id) values (10)')).toEqual([
      { id: [null, 10], a: [null, null], b: [null, null], d: [null, 'new'] },
    ])
    expect(await write('update thing set d = $$other$$ where id in (1, 2)')).toEqual([
      { d: ['new', 'other'] },
      { d: ['new', 'other'] },
    ])

    await log.run('alter table thing drop column b')
    expect(await write('update thing set a = $$y$$, d = null where id = 1')).toEqual([
      { a: ['x', 'y'], d: ['other', null] },
    ])
    expect(await write('delete from thing where id = 2')).toEqual([
      { id: [2, null], a: ['x', null], d: ['other', null] },
    ])

    await log.run('alter table thing rename a to title')
    expect(await write('update thing set title = $$z$$ where id = 1')).toEqual([{ title: ['y', 'z'] }])
    expect(
      (await log.run("select object_label from daybook.entries where object_id = '1' order by id desc limit 1")).rows,
    ).toEqual([{ object_label: 'z' }])

    await log.run('alter table thing rename c to hidden')
    expect(await write("update thing set hidden = 'x' where id = 1")).toEqual([])

    await log.run(
      'alter table thing alter column id type text using id::text, alter column title type jsonb using to_jsonb(title)',
    )
    expect(await write(`update thing set title = '{"a": 1}' where id = '1'`)).toEqual([{ title: ['z', { a: 1 }] }])
    expect(await write(`update thing set title = '[]' where id in ('3', '4')`)).toEqual([
      { title: ['x', []] },
      { title: ['x', []] },
    ])

    await log.run('alter table thing drop column title')
    expect(await write("insert into thing values ('20')")).toEqual([{ id: [null, '20'], d: [null, 'new'] }])
    await client.end()
    expect((await tracked('public.thing'))?.options).toMatchObject({ label: [], exclude: ['c', 'hidden'] })
  })

  it('B14 history under the old name stays readable, and the rows of the table are found by their key', async () => {
    const { rows } = await log.run(
      "select changes from daybook.entries where object_id = '1' and model = 'Thing' order by id",
    )
    expect(rows[0].changes).toMatchObject({ a: [null, 'x'], b: [null, null] })
    expect(rows.length).toBeGreaterThan(3)
  })

  it('B14 the change and the first write after it may be one transaction', async () => {
    await log.table('create table migrated (id int primary key, v text)', 'migrated')
    await log.run(`begin; insert into migrated values (1, 'a'); alter table migrated add column w text; update migrated set w = 'b';
      alter table migrated rename v to renamed; update migrated set renamed = 'c'; alter table migrated drop column w;
      update migrated set renamed = 'd'; commit`)
    expect(await changes()).toEqual([
      { id: [null, 1], v: [null, 'a'] },
      { w: [null, 'b'] },
      { renamed: ['a', 'c'] },
      { renamed: ['c', 'd'] },
    ])
    await log.run("begin; alter table migrated add column gone text; update migrated set gone = 'x'; rollback")
    await log.run("update migrated set renamed = 'e'")
    expect(await changes()).toEqual([{ renamed: ['d', 'e'] }])
  })

  it('B14 a table or schema that is renamed, or moved, is captured under its new name', async () => {
    await log.run('create schema first; create table first.kept (id int primary key)')
    await track(log.database, 'first.kept')
    const names = async () => {
      await log.run('insert into kept_now select coalesce(max(id), 0) + 1 from kept_now').catch(() => undefined)
      return (await log.entries()).map(({ table_name, model }) => `${model} ${table_name}`)
    }
    await log.run('alter table first.kept rename to "Kept Now"; create view kept_now as select * from first."Kept Now"')
    expect(await names()).toEqual(['Kept first."Kept Now"'])
    await log.run('alter schema first rename to second')
    expect(await names()).toEqual(['Kept second."Kept Now"'])
    await log.run('alter table second."Kept Now" set schema public')
    expect(await names()).toEqual(['Kept public."Kept Now"'])
    expect((await tracked('public."Kept Now"'))?.uncaptured).toEqual([])
  })

  it('B14 a primary key that is dropped or given changes what objects are called', async () => {
    await log.table(
      'create table keyed (id int constraint keyed_key primary key, code text not null default md5(random()::text))',
      'keyed',
    )
    await log.run('insert into keyed values (1)')
    await log.run('alter table keyed drop constraint keyed_key')
    await log.run('insert into keyed values (2)')
    await log.run('alter table keyed add primary key (code)')
    await log.run("insert into keyed values (3, 'c')")
    expect((await log.entries()).map(({ object_id }) => object_id)).toEqual(['1', null, 'c'])
  })

  it('B14 columns that go with their type, their domain or their extension do not stop writers', async () => {
    await log.run("create type mood as enum ('ok'); create domain short as varchar(3); create schema later")
    await log.run('create type later.t as enum ($$x$$)')
    await log.table('create table typed (id int primary key, m mood, s short, l later.t)', 'typed')
    await log.run('drop type mood cascade')
    await log.run('insert into typed values (1)')
    await log.run('drop domain short cascade')
    await log.run('insert into typed values (2)')
    await log.run('drop schema later cascade')
    await log.run('insert into typed values (3)')
    expect((await log.entries()).map(({ changed_fields }) => changed_fields)).toEqual([
      ['id', 's', 'l'],
      ['id', 'l'],
      ['id'],
    ])
  })

  it('B14 a change that comes from a parent, a root or a type does not stop writers', async () => {
    await log.run(`create table parent (id int, a text, b text); create table child (primary key (id)) inherits (parent); create table grandchild () inherits (child);
      create table root (id int, a text, b text) partition by list (id); create table leaf partition of root default;
      create type shape as (id int, a text, b text); create table typed_table of shape`)
    for (const table of ['child', 'grandchild', 'leaf', 'typed_table']) await track(log.database, table)
    await log.run(`alter table parent drop column a; alter table parent rename b to c; alter table parent add column d int;
      alter table root drop column a; alter table root rename b to c; alter table root add column d int;
      alter type shape drop attribute a cascade; alter type shape rename attribute b to c cascade; alter type shape add attribute d int cascade`)
    for (const table of ['child', 'grandchild', 'leaf', 'typed_table'])
      await log.run(`insert into ${table} (id, c, d) values (1, 'x', 2)`)
    expect(await changes()).toEqual(Array.from({ length: 4 }, () => ({ id: [null, 1], c: [null, 'x'], d: [null, 2] })))
  })

  it('B14 a dropped table is forgotten, and its history stays', async () => {
    await log.table('create table doomed (id int primary key); insert into doomed values (1)', 'doomed')
    await log.run('insert into doomed values (2)')
    const { rows } = await log.run(
      "select 'capture_' || id as name from daybook.tracked_table where relation = 'doomed'::regclass",
    )
    await log.run('drop table doomed')
    expect((await log.run('select from pg_proc where proname = $1', [rows[0].name])).rows).toEqual([])
    expect(
      (
        await log.run(
          'select relation from daybook.tracked_table where not exists (select from pg_class where oid = relation)',
        )
      ).rows,
    ).toEqual([])
    expect((await log.entries()).map(({ model, object_id }) => `${model} ${object_id}`)).toEqual(['Doomed 2'])
    await log.run('create schema doomed; create table doomed.a (id int); create table doomed.b (id int)')
    await track(log.database, 'doomed.a')
    await log.run('drop schema doomed cascade')
    expect((await trackedTables(log.database)).filter(({ table }) => table.startsWith('doomed'))).toEqual([])
  })

  it('B14 links whose columns or tables go are recorded as plain rows, and nobody fails', async () => {
    await log.run(`create table left_side (id int primary key, name text); create table right_side (id int primary key, name text);
      create table pair (id serial primary key, l int references left_side, r int references right_side);
      insert into left_side values (1, 'L'); insert into right_side values (1, 'R')`)
    await sync(log.database, {
      left_side: { label: 'name' },
      right_side: { label: 'name' },
      pair: { link: { from: 'l', to: 'r' } },
    })
    const write = async () => {
      await log.run('insert into pair default values')
      return (await log.entries()).map(({ action }) => action)
    }
    expect(await write()).toEqual(['linked'])
    await log.run('alter table pair rename l to lefty')
    expect(await write()).toEqual(['linked'])
    await log.run('drop table left_side cascade')
    expect(await write()).toEqual(['linked'])
    await log.run('alter table pair add column note text')
    expect(await write()).toEqual(['create'])
    await sync(log.database, { right_side: { label: 'name' }, pair: {} })
    await log.run('alter table pair drop column lefty, drop column r')
    expect(await write()).toEqual(['create'])
  })

  it('B14 writers at work while the table changes never fail, and each change is recorded', async () => {
    await log.table('create table busy (id int primary key, v int not null default 0, w text)', 'busy')
    await log.run('insert into busy select generate_series(1, 8)')
    await log.entries()
    let writing = true
    const failures: unknown[] = []
    const writers = Array.from({ length: 6 }, async (_, place) => {
      const client = await connect(log.url)
      let writes = 0
      while (writing) {
        try {
          await client.query(`update busy set v = v + 1 where id = ${place + 1}`)
          writes++
        } catch (error) {
          failures.push(error)
          break
        }
      }
      await client.end()
      return writes
    })
    for (let round = 0; round < 8; round++) {
      await log.run(`alter table busy add column c${round} int default ${round}`)
      await log.run(`alter table busy rename column c${round} to d${round}`)
      await log.run(`alter table busy alter column d${round} type text using d${round}::text`)
      if (round % 2) await log.run(`alter table busy drop column d${round}`)
    }
    writing = false
    const writes = (await Promise.all(writers)).reduce((sum, n) => sum + n, 0)
    expect(failures).toEqual([])
    expect(await log.entries()).toHaveLength(writes)
    const { rows } = await log.run('select sum(v)::int as v from busy')
    expect(rows[0].v).toBe(writes)
  })

  it('B14 what Daybook can not follow is a warning, never a failure of the change', async () => {
    await log.table('create table warned (id int primary key)', 'warned')
    await log.run('alter function daybook.follow_changes rename to follow_changes_gone')
    const client = await connect(log.url)
    const notices: string[] = []
    client.on('notice', ({ message }) => notices.push(message ?? ''))
    await client.query('alter table warned add column v text')
    await client.query('drop table warned')
    await client.end()
    expect(notices.filter((notice) => notice.startsWith('Daybook could not follow'))).toHaveLength(2)
    await log.run('alter function daybook.follow_changes_gone rename to follow_changes')
    await install(log.database)
    expect(
      (
        await log.run(
          'select relation from daybook.tracked_table where not exists (select from pg_class where oid = relation)',
        )
      ).rows,
    ).toEqual([])
  })

  it('a table that changed where nothing follows is told of by a dry run, and captured rightly after sync', async () => {
    await log.table('create table drifted (id int primary key, a text)', 'drifted')
    const tables = { drifted: {} }
    const step = async (dryRun: boolean) =>
      (await sync(log.database, tables, { dryRun })).find(({ table }) => table === 'public.drifted')?.step
    const followers = (verb: string) =>
      log.run(
        `alter event trigger daybook_follow_tables ${verb}; alter event trigger daybook_follow_partitions ${verb}`,
      )
    for (const change of ['rename column a to b', 'add column c int', 'alter column c type text', 'drop column b']) {
      expect(await step(true)).toBe('unchanged')
      await followers('disable')
      await log.run(`alter table drifted ${change}`)
      await followers('enable')
      expect(await step(true), change).toBe('change')
      expect(await step(false), change).toBe('change')
    }
    await log.entries()
    await log.run("insert into drifted values (1, 'x')")
    expect(await changes()).toEqual([{ id: [null, 1], c: [null, 'x'] }])
  })

  it('changes of tables that are not tracked are left alone', async () => {
    const functions = async () =>
      (await log.run("select p.xmin::text, p.proname from pg_proc p where proname like 'capture%' order by 2")).rows
    const before = await functions()
    await log.run(`create table stranger (id int) partition by list (id); create table stranger_0 partition of stranger default; alter table stranger add column v text;
      create temp table passing (id int); alter table passing add column v int; drop table passing; drop table stranger`)
    expect(await functions()).toEqual(before)
  })
})
