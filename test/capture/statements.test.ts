import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { createLoginRole } from '../database.ts'
import { binaryRows, copyIn } from './copy.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog
let client: pg.Client
let version: number

beforeAll(async () => {
  log = await createCaptureLog()
  version = Number((await log.run('show server_version_num')).rows[0].server_version_num)
})
afterAll(() => log?.close())

beforeEach(async () => {
  client = await connect(log.url)
  await log.table('create table item (id int primary key, name text, n int default 0)', 'item', { label: 'name' })
  await log.entries()
})
afterEach(async () => {
  await client.end()
  await log.run('drop table item cascade')
  await log.entries()
})

/** The entries since the last look, each as its action, key and changed values. */
async function told(): Promise<string[]> {
  return (await log.entries()).map(({ action, model, object_id, previous_object_id, changes }) =>
    [
      action,
      ...(model === 'Item' ? [] : [model]),
      previous_object_id === null ? object_id : `${previous_object_id}->${object_id}`,
      ...Object.entries(changes ?? {})
        .filter(([field]) => field !== 'id')
        .map(([field, [old, now]]) => `${field} ${JSON.stringify(old)}>${JSON.stringify(now)}`),
    ].join(' '),
  )
}

const refusedWith = (code: string) => expect.objectContaining({ code })

describe('foreign keys', () => {
  beforeEach(async () => {
    await log.table(
      `create table piece (id int primary key, nulled int references item on delete set null on update set null,
         defaulted int default 1 references item on delete set default on update set default,
         followed int references item on delete cascade on update cascade deferrable initially deferred)`,
      'piece',
    )
    await log.run("insert into item values (1, 'a'), (2, 'b'), (3, 'c')")
    await log.entries()
  })
  afterEach(() => log.run('drop table piece'))

  it('B3 B5 what SET NULL, SET DEFAULT and CASCADE do to other rows is recorded, when a row goes and when its key changes', async () => {
    await log.run('insert into piece values (10, 2, null, null), (20, null, 2, null), (30, null, null, 2)')
    await log.entries()
    await log.run('update item set id = 22 where id = 2')
    expect((await told()).sort()).toEqual([
      'update 2->22',
      'update Piece 10 nulled 2>null',
      'update Piece 20 defaulted 2>1',
      'update Piece 30 followed 2>22',
    ])
    await log.run('update piece set nulled = 3, defaulted = 3, followed = 3')
    await log.entries()
    await log.run('delete from item where id = 3')
    expect((await told()).sort()).toEqual(
      [
        'delete 3 name "c">null n 0>null',
        ...[10, 20, 30].flatMap((id) => [
          `delete Piece ${id} nulled null>null defaulted 1>null followed 3>null`,
          `update Piece ${id} defaulted 3>1`,
          `update Piece ${id} nulled 3>null`,
        ]),
      ].sort(),
    )
  })

  it('B7 a constraint that is deferred and fails at the end takes all entries of its transaction away', async () => {
    await client.query('begin; insert into piece values (10, null, null, 99); update item set n = 1')
    await expect(client.query('commit')).rejects.toEqual(refusedWith('23503'))
    expect(await told()).toEqual([])
    await client.query('begin; insert into piece values (10, null, null, 99); insert into item values (99); commit')
    expect(await told()).toEqual([
      'create Piece 10 nulled null>null defaulted null>null followed null>99',
      'create 99 name null>null n null>0',
    ])
  })

  it('B3 rows of a table that refers to itself go with the row that they hang on, each with an entry of its own', async () => {
    await log.table('create table tree (id int primary key, parent int references tree on delete cascade)', 'tree')
    await log.run('insert into tree values (1, null), (2, 1), (3, 2), (4, 3), (5, null)')
    await log.entries()
    await log.run('delete from tree where id = 1')
    expect((await told()).sort()).toEqual(
      [1, 2, 3, 4].map((id) => `delete Tree ${id} parent ${id === 1 ? null : id - 1}>null`),
    )
    await log.run('drop table tree')
  })
})

describe('upsert and MERGE', () => {
  beforeEach(async () => {
    await log.run("insert into item values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    await log.entries()
  })

  it('B5 an upsert whose WHERE lets rows be, or that sets what is there, gives entries for the others alone', async () => {
    await log.run(`insert into item as i values (1, 'x', 10), (2, 'y', 20), (3, 'c', 3), (4, 'd', 4) on conflict (id)
      do update set name = excluded.name, n = excluded.n where i.id <> 2`)
    expect((await told()).sort()).toEqual(['create 4 name null>"d" n null>4', 'update 1 name "a">"x" n 1>10'])
    await expect(
      log.run("insert into item values (7, 'x'), (7, 'y') on conflict (id) do update set name = 'z'"),
    ).rejects.toEqual(refusedWith('21000'))
    await log.run("insert into item values (1, 'x'), (2, 'x') on conflict do nothing")
    expect(await told()).toEqual([])
  })

  it('B5 B8 an upsert that changes keys, and MERGE, whose three kinds of changes meet in one statement, are told row by row', async () => {
    await log.run("insert into item values (1, 'x'), (9, 'i') on conflict (id) do update set id = item.id + 100")
    expect((await told()).sort()).toEqual(['create 9 name null>"i" n null>0', 'update 1->101'])
    await log.run(`merge into item i using (values (3, 'three'), (2, 'two'), (101, 'a'), (5, 'five')) s (id, name) on s.id = i.id
      when matched and i.id = 3 then delete
      when matched and i.id = 2 then update set id = 3, name = s.name
      when matched then do nothing
      when not matched then insert values (s.id, s.name)`)
    expect(await told()).toEqual([
      'delete 3 name "c">null n 3>null',
      'update 2->3 name "b">"two"',
      'create 5 name null>"five" n null>0',
    ])
  })

  it('B5 MERGE with RETURNING and NOT MATCHED BY SOURCE is told row by row', async ({ skip }) => {
    if (version < 170000) skip('PostgreSQL 17 has it first')
    const { rows } = await log.run(`merge into item i using (values (2, 'two'), (5, 'five')) s (id, name) on s.id = i.id
      when matched then update set name = s.name
      when not matched then insert values (s.id, s.name)
      when not matched by source and i.id = 1 then delete
      when not matched by source then update set n = -1
      returning merge_action() as done, coalesce(i.id, s.id) as id`)
    expect(rows.map(({ done, id }) => `${done} ${id}`).sort()).toEqual(['DELETE 1', 'INSERT 5', 'UPDATE 2', 'UPDATE 3'])
    expect((await told()).sort()).toEqual([
      'create 5 name null>"five" n null>0',
      'delete 1 name "a">null n 1>null',
      'update 2 name "b">"two"',
      'update 3 n 3>-1',
    ])
  })

  it('B5 RETURNING gives the old and the new row beside the entry', async ({ skip }) => {
    if (version < 180000) skip('PostgreSQL 18 has it first')
    const { rows } = await log.run('update item set n = n * 10 where id = 2 returning old.n as before, new.n as after')
    expect(rows).toEqual([{ before: 2, after: 20 }])
    expect(await told()).toEqual(['update 2 n 2>20'])
  })
})

describe('COPY', () => {
  it('B5 is recorded in its binary format, with FREEZE, and with a WHERE, and leaves nothing where it fails half way', async () => {
    const text = (value: string) => Buffer.from(value)
    const int = (value: number) => {
      const buffer = Buffer.alloc(4)
      buffer.writeInt32BE(value)
      return buffer
    }
    await copyIn(
      client,
      'copy item from stdin (format binary)',
      binaryRows([
        [int(1), text('a'), int(1)],
        [int(2), null, null],
      ]),
    )
    expect(await told()).toEqual(['create 1 name null>"a" n null>1', 'create 2 name null>null n null>null'])
    await client.query('begin; truncate item')
    await copyIn(client, 'copy item (id, name) from stdin (freeze)', text('1\tfro'), text('zen\n'))
    await client.query('commit')
    expect(await told()).toEqual(['truncate ', 'create 1 name null>"frozen" n null>0'])
    await copyIn(client, 'copy item (id, name) from stdin (format csv) where id > 3', text('3,left out\n4,taken\n'))
    expect(await told()).toEqual(['create 4 name null>"taken" n null>0'])
    await expect(copyIn(client, 'copy item from stdin', text('5\tfive\t5\n6\tsix\tno number\n'))).rejects.toEqual(
      refusedWith('22P02'),
    )
    expect(await told()).toEqual([])
  })

  it('B11 is recorded through the root of partitions, into one, and into a view', async () => {
    await log.table(
      `create table spread (gone int, id int, name text) partition by list (id); alter table spread drop column gone;
       create table spread_one partition of spread for values in (1); create table spread_rest partition of spread default`,
      'spread',
    )
    await log.run(`create view items as select * from item;
      create function into_item() returns trigger language plpgsql as $$ begin insert into item values (new.id, new.name); return new; end $$;
      create trigger into_item instead of insert on items for each row execute function into_item()`)
    await copyIn(client, 'copy spread from stdin', Buffer.from('1\ta\n2\tb\n'))
    await copyIn(client, 'copy spread_rest from stdin', Buffer.from('3\tc\n'))
    await copyIn(client, 'copy items (id, name) from stdin', Buffer.from('4\td\n5\te\n'))
    expect(await told()).toEqual([
      'create Spread  name null>"a"',
      'create Spread  name null>"b"',
      'create Spread  name null>"c"',
      'create 4 name null>"d" n null>0',
      'create 5 name null>"e" n null>0',
    ])
    await log.run('drop table spread; drop view items; drop function into_item()')
  })
})

describe('one statement', () => {
  beforeEach(async () => {
    await log.run("insert into item values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    await log.entries()
  })

  it('B5 that writes to one table in several places of its WITH is told as what it did', async () => {
    await log.run(`with one as (update item set n = 10 where id = 1 returning *), two as (update item set n = 20 where id = 2 returning *),
        gone as (delete from item where id = 3 returning *), more as (insert into item values (4, 'd') returning *)
      insert into item select id + 100, name, n from gone`)
    expect((await told()).sort()).toEqual([
      'create 103 name null>"c" n null>3',
      'create 4 name null>"d" n null>0',
      'delete 3 name "c">null n 3>null',
      'update 1 n 1>10',
      'update 2 n 2>20',
    ])
  })

  it('B5 whose WITH writes twice to the same row changes it once, as PostgreSQL does', async () => {
    await log.run(
      "with one as (update item set name = 'one' where id = 1 returning id) update item set name = 'two' where id = 1",
    )
    const { rows } = await log.run('select name from item where id = 1')
    expect(await told()).toEqual([`update 1 name "a">"${rows[0].name}"`])
  })

  it('B5 B6 that joins a row more than once changes it once, to what it then is', async () => {
    await log.run('update item set n = v.n from (values (1, 100), (1, 200), (2, 300)) v (id, n) where v.id = item.id')
    const { rows } = await log.run('select n from item where id = 1')
    expect((await told()).sort()).toEqual([`update 1 n 1>${rows[0].n}`, 'update 2 n 2>300'])
    await log.run('delete from item using (values (3), (3)) v (id) where v.id = item.id')
    expect(await told()).toEqual(['delete 3 name "c">null n 3>null'])
  })

  it('B5 that reads or writes with parallel workers about is recorded whole', async () => {
    await client.query(`set ${version >= 160000 ? 'debug_parallel_query' : 'force_parallel_mode'} = on; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
      set min_parallel_table_scan_size = 0`)
    await client.query("insert into item select g, 'made', g from generate_series(100, 5099) g")
    expect(await log.entries()).toHaveLength(5000)
    await client.query('update item set n = n + (select count(*) from item) where id >= 100')
    const entries = await log.entries()
    expect(entries).toHaveLength(5000)
    for (const { object_id, changes } of entries)
      expect(changes).toEqual({ n: [Number(object_id), Number(object_id) + 5003] })
  })

  it('B5 that rules put in the place of another, or beside it, is recorded', async () => {
    await log.run(`create view ruled as select * from item;
      create rule add as on insert to ruled do instead insert into item values (new.id, new.name);
      create rule hide as on delete to ruled do instead update item set n = -1 where id = old.id;
      create rule also as on update to item where new.n > 1000 do also insert into item values (new.id + 500, 'too much', 0)`)
    await log.run("insert into ruled values (7, 'g')")
    await log.run('delete from ruled where id = 1')
    await log.run('update item set n = 2000 where id = 2')
    expect((await told()).sort()).toEqual([
      'create 502 name null>"too much" n null>0',
      'create 7 name null>"g" n null>0',
      'update 1 n 1>-1',
      'update 2 n 2>2000',
    ])
  })

  it('B5 B7 through a view is recorded; what its CHECK OPTION refuses is not', async () => {
    await log.run('create view small as select * from item where n < 100 with check option')
    await log.run('update small set n = 50 where id = 1')
    await expect(log.run('update small set n = 500')).rejects.toEqual(refusedWith('44000'))
    await log.run(`create view joined as select i.id, i.name from item i join item o on o.id = i.id;
      create function write_joined() returns trigger language plpgsql as $$ begin
        if tg_op = 'DELETE' then delete from item where id = old.id; return old; end if;
        update item set name = new.name where id = old.id; return new; end $$;
      create trigger write_joined instead of update or delete on joined for each row execute function write_joined()`)
    await log.run("update joined set name = name || '!' where id in (1, 2)")
    await log.run('delete from joined where id = 3')
    expect(await told()).toEqual([
      'update 1 n 1>50',
      'update 1 name "a">"a!"',
      'update 2 name "b">"b!"',
      'delete 3 name "c">null n 3>null',
    ])
    await log.run('drop view joined; drop function write_joined()')
  })
})

describe('a transaction', () => {
  beforeEach(async () => {
    await log.run("insert into item values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
    await log.entries()
  })

  it('B7 of which plpgsql undoes parts keeps the entries of the others', async () => {
    await log.run(`do $$ begin
      for place in 1 .. 6 loop
        begin
          insert into item values (place, 'loop', place);
          update item set n = n + 100 where id = place;
          if place = 5 then raise exception 'on purpose'; end if;
        exception when unique_violation then
          update item set name = 'was there' where id = place;
        when raise_exception then null;
        end;
      end loop;
    end $$`)
    expect(await told()).toEqual([
      'update 1 name "a">"was there"',
      'update 2 name "b">"was there"',
      'update 3 name "c">"was there"',
      'create 4 name null>"loop" n null>4',
      'update 4 n 4>104',
      'create 6 name null>"loop" n null>6',
      'update 6 n 6>106',
    ])
  })

  it('B7 that is prepared has its entries, with the context it was written in, when it is committed, by whomever', async () => {
    const other = await connect(log.url)
    const id = `daybook ${Math.random()}`
    try {
      for (const end of ['rollback', 'commit']) {
        await client.query('begin')
        await client.query("select set_config('daybook.context', $1, true)", [
          JSON.stringify({ actor: { type: 'user', id: 'u1' }, request_id: `r-${end}` }),
        ])
        await client.query(
          "update item set n = n + 1 where id = 1; update item set name = 'prepared' where id in (1, 2)",
        )
        await client.query(`prepare transaction '${id}'`)
        expect(await log.entries()).toEqual([])
        await other.query(`${end} prepared '${id}'`)
      }
      const entries = await log.entries()
      expect(
        entries.map(({ action, object_id, actor_id, request_id }) => [action, object_id, actor_id, request_id]),
      ).toEqual([
        ['update', '1', 'u1', 'r-commit'],
        ['update', '1', 'u1', 'r-commit'],
        ['update', '2', 'u1', 'r-commit'],
      ])
      expect(new Set(entries.map(({ transaction_id }) => transaction_id)).size).toBe(1)
    } finally {
      await other.end()
    }
  })

  it('B7 that is cancelled in the middle of a large statement leaves nothing, and the session goes on', async () => {
    await log.run("insert into item select g, 'many', 0 from generate_series(100, 20099) g")
    await log.entries()
    await client.query("set statement_timeout = '20ms'")
    await expect(client.query('update item set n = n + 1')).rejects.toEqual(refusedWith('57014'))
    await client.query('set statement_timeout = 0')
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const large = client.query('update item set n = n + 1').then(
      () => 'done',
      (error) => error.code,
    )
    await sleep(30)
    await log.run('select pg_cancel_backend($1)', [rows[0].pid])
    const came = await large
    expect(await told()).toHaveLength(came === 'done' ? 20_003 : 0)
    await client.query('update item set n = n + 1 where id = 1')
    expect(await told()).toHaveLength(1)
  })

  it('B7 that a trigger stops, before or after the row, leaves nothing', async () => {
    await log.run(
      `create function stop() returns trigger language plpgsql as $$ begin raise exception 'stopped' using errcode = 'XX123'; end $$`,
    )
    for (const moment of [
      'before update on item for each row',
      'after update on item for each row',
      'after update on item for each statement',
      'before update on item for each statement',
    ]) {
      await log.run(
        `create trigger a_stop ${moment} execute function stop(); create trigger zz_stop ${moment} execute function stop()`,
      )
      await expect(log.run('update item set n = 5')).rejects.toEqual(refusedWith('XX123'))
      await log.run('drop trigger a_stop on item; drop trigger zz_stop on item')
    }
    await log.run(
      'create constraint trigger stop after update on item deferrable initially deferred for each row execute function stop()',
    )
    await expect(client.query('begin; update item set n = 5; commit')).rejects.toEqual(refusedWith('XX123'))
    await client.query('rollback')
    expect(await told()).toEqual([])
    await log.run('drop function stop() cascade')
  })

  it('B10 whose TRUNCATE is rolled back leaves no entry', async () => {
    await log.run('begin; truncate item; rollback')
    expect(await told()).toEqual([])
    expect((await log.run('select count(*)::int as n from item')).rows).toEqual([{ n: 3 }])
  })
})

describe('what changes no row', () => {
  it('B2 gives no entry: locks, statements that find nothing, maintenance, rewrites, views made anew, large objects', async () => {
    await log.run(
      "insert into item select g, 'x', g from generate_series(1, 10) g; create materialized view read as select id from item",
    )
    await log.entries()
    await log.run(
      'begin; select * from item for update; select * from item for key share; lock item in exclusive mode; commit',
    )
    await log.run('update item set n = 1 where false; delete from item where id = 99')
    await log.run('insert into item select * from item where false')
    for (const statement of [
      'vacuum full item',
      'cluster item using item_pkey',
      'reindex table item',
      'analyze item',
      'refresh materialized view read',
      'vacuum freeze item',
    ]) {
      await log.run(statement)
    }
    await log.run(
      "alter table item add column made text default 'same for all', alter column n type bigint; alter table item alter column made type varchar(30) using made || '!'",
    )
    await log.run("select lo_unlink(lo_from_bytea(0, '\\x00'))")
    expect(await log.entries()).toEqual([])
    await log.run("update item set made = 'own' where id = 1")
    expect(await told()).toEqual(['update 1 made "same for all!">"own"'])
  })
})

describe('writers', () => {
  beforeAll(() => createLoginRole(log.pool, 'half_blind'))
  beforeEach(async () => {
    await log.run("insert into item values (1, 'a', 1), (2, 'b', 2); grant usage on schema public to half_blind")
    await log.entries()
  })
  afterEach(() => log.run('drop owned by half_blind'))

  async function as(statement: string) {
    const own = await connect(log.urlAs('half_blind'))
    try {
      return await own.query(statement)
    } finally {
      await own.end()
    }
  }

  it('B5 that may write and not read, or write one column, are recorded with all that changed', async () => {
    await log.run('grant insert, delete on item to half_blind; grant update (n) on item to half_blind')
    await as("insert into item values (5, 'five', 5)")
    await as('update item set n = 7')
    await expect(as('select * from item')).rejects.toEqual(refusedWith('42501'))
    await expect(as("update item set name = 'x'")).rejects.toEqual(refusedWith('42501'))
    await as('delete from item')
    expect((await told()).sort()).toEqual([
      'create 5 name null>"five" n null>5',
      'delete 1 name "a">null n 7>null',
      'delete 2 name "b">null n 7>null',
      'delete 5 name "five">null n 7>null',
      'update 1 n 1>7',
      'update 2 n 2>7',
      'update 5 n 5>7',
    ])
  })

  it("B5 whom row-level security keeps from reading what they write are recorded, and its owner's writes too", async () => {
    await log.run(`grant select, insert, update on item to half_blind; alter table item enable row level security; alter table item force row level security;
      create policy adds on item for insert with check (n < 100); create policy sees on item for select using (id = 1);
      create policy changes on item for update using (id = 1) with check (true)`)
    await as("insert into item values (6, 'unseen', 6)")
    await as('update item set n = n + 1')
    await expect(as("insert into item values (7, 'refused', 700)")).rejects.toEqual(refusedWith('42501'))
    expect(await told()).toEqual(['create 6 name null>"unseen" n null>6', 'update 1 n 1>2'])
  })

  it('B5 B35 that go through a SECURITY DEFINER function are recorded as who signed in', async () => {
    await log.run(`create function bump() returns void language sql security definer as $$ update item set n = n + 1 where id = 1 $$;
      grant execute on function bump() to half_blind`)
    await as('select bump()')
    const [entry, ...others] = await log.entries()
    expect(others).toEqual([])
    expect(entry).toMatchObject({
      action: 'update',
      database_user: 'half_blind',
      actor_id: 'half_blind',
      changes: { n: [1, 2] },
    })
    await log.run('drop function bump()')
  })

  it('B5 B45 are recorded in the log that is meant, whatever temporary tables they have', async () => {
    await client.query(`create temp table item (id int primary key, name text, n int); create temp table entry (id int); create temp table entries (id int);
      create temp table old_rows (id int); create temp table new_rows (id int); create temp table tracked_table (id int)`)
    await client.query("insert into item values (1, 'temporary', 1)")
    await client.query('update public.item set n = 9 where id = 1')
    expect(await told()).toEqual(['update 1 n 1>9'])
  })

  it('B5 of a table that is not logged, and one that becomes so, are recorded', async () => {
    await log.table('create unlogged table scratch (id int primary key)', 'scratch')
    await log.run('insert into scratch values (1); alter table scratch set logged')
    await log.run('insert into scratch values (2); alter table scratch set unlogged')
    await log.run('delete from scratch')
    expect(await told()).toEqual(['create Scratch 1', 'create Scratch 2', 'delete Scratch 1', 'delete Scratch 2'])
    await log.run('drop table scratch')
  })
})

describe('session_replication_role', () => {
  const triggers = ['insert', 'update', 'delete', 'truncate'].map((name) => `daybook_${name}`)
  const all = async (how: string) => {
    for (const name of triggers) await log.run(`alter table item ${how} trigger ${name}`)
  }

  it('replica writes past the capture, as restores and appliers of replication do, unless the triggers are ENABLE ALWAYS', async () => {
    await client.query(
      "set session_replication_role = replica; insert into item values (1, 'past', 0); update item set n = 5; delete from item; truncate item",
    )
    expect(await told()).toEqual([])
    await all('enable always')
    await client.query(
      "insert into item values (1, 'always', 0); update item set n = 5; delete from item; truncate item",
    )
    expect(await told()).toEqual([
      'create 1 name null>"always" n null>0',
      'update 1 n 0>5',
      'delete 1 name "always">null n 5>null',
      'truncate ',
    ])
    await client.query("set session_replication_role = origin; insert into item values (2, 'both', 0)")
    expect(await told()).toEqual(['create 2 name null>"both" n null>0'])
    // Tracked anew it stays so.
    await track(log.database, 'item', { label: 'name' })
    await client.query('set session_replication_role = replica; update item set n = 6')
    expect(await told()).toEqual(['update 2 n 0>6'])
  })

  it('a trigger that is ENABLE REPLICA does not capture what everybody writes, and is told of', async () => {
    await all('enable replica')
    await log.run("insert into item values (1, 'past')")
    expect(await told()).toEqual([])
    expect((await track(log.database, 'item')).uncaptured).toEqual([])
    await log.run("insert into item values (2, 'seen')")
    expect(await told()).toEqual(['create 2 name null>"seen" n null>0'])
  })
})
