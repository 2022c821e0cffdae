import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { copyIn } from './copy.ts'
import { brief, type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
  await log.table(
    `create table customer (id int primary key, name text not null, city text);
     create table invoice (id int primary key, customer_id int not null references customer on delete cascade on update cascade,
       number text unique, amount numeric(12, 2), note text)`,
    'customer',
    { label: 'name' },
  )
  await track(log.database, 'invoice', { label: 'number' })
})
afterAll(() => log?.close())
beforeEach(async () => {
  await log.run('delete from invoice; delete from customer')
  await log.entries()
})

const actions = async () => (await log.entries()).map(({ action, object_id }) => `${action} ${object_id}`)

describe('one row', () => {
  it('B1 an inserted row gives one create entry with model, key, label and every value', async () => {
    await log.run("insert into customer values (7, 'Ada', 'London')")
    const entries = await log.entries()
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({
      action: 'create',
      model: 'Customer',
      table_name: 'public.customer',
      object_id: '7',
      object_label: 'Ada',
      changes: { id: [null, 7], name: [null, 'Ada'], city: [null, 'London'] },
      changed_fields: ['id', 'name', 'city'],
      previous_object_id: null,
    })
  })

  it('B2 an update of two columns gives one entry with these two alone, old and new', async () => {
    await log.run("insert into customer values (1, 'Ada', 'London')")
    await log.run(`insert into invoice values (1, 1, 'A-1', 10, 'first')`)
    await log.entries()
    await log.run("update invoice set amount = 12.5, note = 'second', number = number where id = 1")
    const entries = await log.entries()
    expect(entries.map(brief)).toEqual([
      { action: 'update', object_id: '1', changes: { amount: [10, 12.5], note: ['first', 'second'] } },
    ])
    expect(entries[0]?.changes_text).toContain('[10.00,12.50]')
    expect(entries[0]?.changed_fields).toEqual(['amount', 'note'])
    expect(entries[0]?.object_label).toBe('A-1')
  })

  it('B2 a save that changes nothing gives no entry', async () => {
    await log.run("insert into customer values (1, 'Ada', 'London'), (2, 'Bob', null)")
    await log.entries()
    await log.run('update customer set name = name, city = city')
    await log.run("update customer set name = 'Ada', city = 'London' where id = 1")
    await log.run('update customer set city = null where id = 2')
    expect(await log.entries()).toEqual([])
  })

  it('B3 a delete keeps the last values and the label', async () => {
    await log.run("insert into customer values (1, 'Ada', null)")
    await log.run("update customer set city = 'Paris'")
    await log.entries()
    await log.run('delete from customer where id = 1')
    const entries = await log.entries()
    expect(entries.map(brief)).toEqual([
      { action: 'delete', object_id: '1', changes: { id: [1, null], name: ['Ada', null], city: ['Paris', null] } },
    ])
    expect(entries[0]?.object_label).toBe('Ada')
  })

  it('B3 rows that a foreign key deletes are recorded too', async () => {
    await log.run("insert into customer values (1, 'Ada', null), (2, 'Bob', null)")
    await log.run("insert into invoice values (10, 1, 'A', 1, null), (11, 1, 'B', 2, null), (12, 2, 'C', 3, null)")
    await log.entries()
    await log.run('delete from customer')
    const entries = await log.entries()
    expect(
      entries.map(({ action, object_id, object_label }) => `${action} ${object_id} ${object_label}`).sort(),
    ).toEqual(['delete 1 Ada', 'delete 10 A', 'delete 11 B', 'delete 12 C', 'delete 2 Bob'])
  })

  it('B6 a value that an expression gives is recorded as the result', async () => {
    await log.run("insert into customer values (1, 'Ada', 'x')")
    await log.entries()
    await log.run("update customer set name = name || '!', city = upper(city)")
    expect((await log.entries()).map(brief)).toEqual([
      { action: 'update', object_id: '1', changes: { name: ['Ada', 'Ada!'], city: ['x', 'X'] } },
    ])
  })

  it('B8 a changed key gives one entry with both keys', async () => {
    await log.run("insert into customer values (1, 'Ada', null)")
    await log.entries()
    await log.run('update customer set id = 100')
    const entries = await log.entries()
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({
      action: 'update',
      object_id: '100',
      previous_object_id: '1',
      changes: { id: [1, 100] },
    })
  })

  it('B8 keys that move on by one are paired row by row', async () => {
    await log.run("insert into customer select n, 'c' || n, null from generate_series(1, 50) n")
    await log.entries()
    await log.run('update customer set id = id + 1000')
    const entries = await log.entries()
    expect(entries).toHaveLength(50)
    for (const { object_id, previous_object_id, object_label, changes } of entries) {
      expect(Number(object_id)).toBe(Number(previous_object_id) + 1000)
      expect(object_label).toBe(`c${previous_object_id}`)
      expect(Object.keys(changes)).toEqual(['id'])
    }
  })

  it('B8 a key change that a foreign key hands on is recorded on both sides', async () => {
    await log.run("insert into customer values (1, 'Ada', null)")
    await log.run("insert into invoice values (10, 1, 'A', 1, null)")
    await log.entries()
    await log.run('update customer set id = 2')
    expect(
      (await log.entries()).map(brief).sort((a, b) => (a.object_id ?? '').localeCompare(b.object_id ?? '')),
    ).toEqual([
      { action: 'update', object_id: '10', changes: { customer_id: [1, 2] } },
      { action: 'update', object_id: '2', changes: { id: [1, 2] } },
    ])
  })
})

describe('sets', () => {
  it('B4 a set-based update that changes 700 of 1,000 rows gives 700 entries with true values', async () => {
    await log.run("insert into customer select n, 'name ' || n, 'old' from generate_series(1, 1000) n")
    await log.entries()
    await log.run("update customer set city = case when id <= 700 then 'new ' || id else city end")
    const entries = await log.entries()
    expect(entries).toHaveLength(700)
    expect(new Set(entries.map(({ statement_id }) => statement_id)).size).toBe(1)
    expect(new Set(entries.map(({ transaction_id }) => transaction_id)).size).toBe(1)
    expect(new Set(entries.map(({ object_id }) => object_id)).size).toBe(700)
    for (const { object_id, changes, object_label, table_name, database_user } of entries) {
      expect(changes).toEqual({ city: ['old', `new ${object_id}`] })
      expect(object_label).toBe(`name ${object_id}`)
      expect(table_name).toBe('public.customer')
      expect(database_user).toBe('postgres')
    }
  })

  it('B4 it adds one statement to the log, not one a row', async () => {
    await log.run("insert into customer select n, 'name ' || n, 'old' from generate_series(1, 1000) n")
    const writer = await connect(log.url)
    const inserts = async () => {
      await writer.query('select pg_stat_force_next_flush()')
      const { rows } = await writer.query(
        'select n_tup_ins::int as rows from pg_stat_user_tables where relid = $1::regclass',
        [`daybook.entry_${new Date().toISOString().slice(0, 7).replace('-', '_')}`],
      )
      return rows[0].rows as number
    }
    // Statement triggers on the log see how many INSERTs reach it.
    await log.run(`create table inserts_seen (n int);
      create function see_insert() returns trigger language plpgsql as $$ begin insert into public.inserts_seen values (1); return null; end $$;
      create trigger see_insert after insert on daybook.entry for each statement execute function see_insert()`)
    try {
      await log.run('grant insert on inserts_seen to public')
      const before = await inserts()
      await writer.query("update customer set city = 'new' where id <= 700")
      expect((await inserts()) - before).toBe(700)
      expect((await log.run('select count(*)::int as seen from inserts_seen')).rows[0].seen).toBe(1)
    } finally {
      await writer.end()
      await log.run('drop trigger see_insert on daybook.entry; drop function see_insert(); drop table inserts_seen')
    }
  })

  it('B5 bulk insert and bulk delete give an entry a row', async () => {
    await log.run("insert into customer select n, 'c', null from generate_series(1, 300) n")
    expect(await actions()).toHaveLength(300)
    await log.run('delete from customer where id > 100')
    const entries = await log.entries()
    expect(entries).toHaveLength(200)
    expect(entries.every(({ action, changed_fields }) => action === 'delete' && changed_fields.length === 3)).toBe(true)
  })

  it('B5 COPY is recorded', async () => {
    const client = await connect(log.url)
    await copyIn(client, 'copy customer from stdin', Buffer.from('1\tAda\tLondon\n2\tBob\t\\N\n'))
    await client.end()
    expect((await log.entries()).map(brief)).toEqual([
      { action: 'create', object_id: '1', changes: { id: [null, 1], name: [null, 'Ada'], city: [null, 'London'] } },
      { action: 'create', object_id: '2', changes: { id: [null, 2], name: [null, 'Bob'], city: [null, null] } },
    ])
  })

  it('B5 an upsert is recorded as what it did, row by row', async () => {
    await log.run("insert into customer values (1, 'Ada', null), (2, 'Bob', null), (3, 'Cy', 'Rome')")
    await log.entries()
    await log.run(`insert into customer values (1, 'Ada', 'London'), (2, 'Bob', null), (3, 'Cy', 'Oslo'), (4, 'Di', null)
      on conflict (id) do update set city = excluded.city`)
    expect(
      (await log.entries()).map(brief).sort((a, b) => (a.object_id ?? '').localeCompare(b.object_id ?? '')),
    ).toEqual([
      { action: 'update', object_id: '1', changes: { city: [null, 'London'] } },
      { action: 'update', object_id: '3', changes: { city: ['Rome', 'Oslo'] } },
      { action: 'create', object_id: '4', changes: { id: [null, 4], name: [null, 'Di'], city: [null, null] } },
    ])
    await log.run("insert into customer values (1, 'X', 'X'), (5, 'Ed', null) on conflict do nothing")
    expect(await actions()).toEqual(['create 5'])
  })

  it('B5 MERGE is recorded as what it did, row by row', async () => {
    await log.run("insert into customer select n, 'c' || n, 'old' from generate_series(1, 6) n")
    await log.entries()
    await log.run(`merge into customer c using generate_series(3, 9) n on c.id = n
      when matched and n in (3, 4) then delete
      when matched then update set city = 'new ' || n
      when not matched then insert values (n, 'c' || n, null)`)
    const found = new Map((await log.entries()).map((entry) => [entry.object_id, brief(entry)]))
    expect([...found.keys()].sort()).toEqual(['3', '4', '5', '6', '7', '8', '9'])
    expect(found.get('3')?.action).toBe('delete')
    expect(found.get('4')?.changes).toEqual({ id: [4, null], name: ['c4', null], city: ['old', null] })
    expect(found.get('5')).toEqual({ action: 'update', object_id: '5', changes: { city: ['old', 'new 5'] } })
    expect(found.get('6')).toEqual({ action: 'update', object_id: '6', changes: { city: ['old', 'new 6'] } })
    expect(found.get('7')?.action).toBe('create')
  })

  it('B5 writable CTEs are recorded, each with its own rows', async () => {
    await log.run("insert into customer select n, 'c' || n, 'old' from generate_series(1, 6) n")
    await log.entries()
    await log.run(`with gone as (delete from customer where id <= 2 returning *),
        moved as (update customer set city = 'new' where id = 3 returning *),
        also as (update customer set city = 'newer' where id in (4, 5) returning *)
      insert into customer select id + 100, name, city from gone`)
    const found = new Map((await log.entries()).map((entry) => [entry.object_id, brief(entry)]))
    expect(Object.fromEntries([...found].map(([id, { action }]) => [id, action]))).toEqual({
      1: 'delete',
      2: 'delete',
      3: 'update',
      4: 'update',
      5: 'update',
      101: 'create',
      102: 'create',
    })
    expect(found.get('3')?.changes).toEqual({ city: ['old', 'new'] })
    expect(found.get('5')?.changes).toEqual({ city: ['old', 'newer'] })
  })

  it('B5 writes that other triggers make are recorded, and what BEFORE triggers made of the row', async () => {
    await log.run(`create function stamp() returns trigger language plpgsql as $$ begin new.city := upper(new.city); return new; end $$;
      create trigger stamp before insert or update on customer for each row execute function stamp();
      create function first_invoice() returns trigger language plpgsql as $$ begin
        insert into invoice values (new.id * 10, new.id, 'auto ' || new.id, 0, null); return null; end $$;
      create trigger first_invoice after insert on customer for each row execute function first_invoice()`)
    try {
      await log.run("insert into customer values (1, 'Ada', 'london'), (2, 'Bob', 'rome')")
      const entries = await log.entries()
      expect(entries.map(({ action, model, object_id }) => `${action} ${model} ${object_id}`).sort()).toEqual([
        'create Customer 1',
        'create Customer 2',
        'create Invoice 10',
        'create Invoice 20',
      ])
      expect(entries.find(({ model, object_id }) => model === 'Customer' && object_id === '1')?.changes.city).toEqual([
        null,
        'LONDON',
      ])
    } finally {
      await log.run(
        'drop trigger stamp on customer; drop trigger first_invoice on customer; drop function stamp(), first_invoice()',
      )
    }
  })

  it('B5 rows that a BEFORE trigger kept from changing give no entry', async () => {
    await log.run("insert into customer values (1, 'Ada', null), (2, 'Bob', null), (3, 'Cy', null)")
    await log.run(`create function keep() returns trigger language plpgsql as $$ begin if old.id = 2 then return null; end if; return new; end $$;
      create trigger keep before update on customer for each row execute function keep()`)
    await log.entries()
    await log.run("update customer set city = 'x' || id")
    await log.run('drop trigger keep on customer; drop function keep()')
    expect((await log.entries()).map(brief)).toEqual([
      { action: 'update', object_id: '1', changes: { city: [null, 'x1'] } },
      { action: 'update', object_id: '3', changes: { city: [null, 'x3'] } },
    ])
  })

  it('B5 writes through a view, a function, a prepared statement and a cursor are recorded', async () => {
    await log.run("insert into customer values (1, 'Ada', null), (2, 'Bob', null)")
    await log.run(`create view customers as select * from customer;
      create function rename() returns void language sql as $$ update customer set name = 'Zoe' where id = 2 $$`)
    await log.entries()
    await log.run("update customers set city = 'view' where id = 1")
    await log.run('select rename()')
    await log.run({ name: 'p', text: 'update customer set city = $1 where id = $2', values: ['prepared', 1] } as never)
    const client = await connect(log.url)
    await client.query('begin; declare c cursor for select * from customer where id = 2 for update; fetch c')
    await client.query("update customer set city = 'cursor' where current of c; commit")
    await client.end()
    await log.run('drop view customers; drop function rename()')
    expect((await log.entries()).map(({ changes }) => changes)).toEqual([
      { city: [null, 'view'] },
      { name: ['Bob', 'Zoe'] },
      { city: ['view', 'prepared'] },
      { city: [null, 'cursor'] },
    ])
  })
})

describe('transactions', () => {
  it('B7 a transaction that is rolled back leaves no entry', async () => {
    await log.run("begin; insert into customer values (1, 'Ada', null); update customer set city = 'x'; rollback")
    expect(await log.entries()).toEqual([])
  })

  it('B7 a rollback to a savepoint takes exactly that part away', async () => {
    await log.run(`begin; insert into customer values (1, 'Ada', null); savepoint a;
      update customer set city = 'lost'; insert into customer values (2, 'Bob', null); rollback to a;
      update customer set city = 'kept'; commit`)
    const entries = await log.entries()
    expect(entries.map(brief)).toEqual([
      { action: 'create', object_id: '1', changes: { id: [null, 1], name: [null, 'Ada'], city: [null, null] } },
      { action: 'update', object_id: '1', changes: { city: [null, 'kept'] } },
    ])
    expect(entries[0]?.transaction_id).toBe(entries[1]?.transaction_id)
    expect(entries[0]?.statement_id).not.toBe(entries[1]?.statement_id)
  })

  it('B7 a refused write leaves no entry', async () => {
    await log.run("insert into customer values (1, 'Ada', null)")
    await log.entries()
    await expect(log.run("insert into customer values (2, 'Bob', null), (1, 'again', null)")).rejects.toThrow(/unique/)
    await expect(log.run('insert into customer (id) values (3)')).rejects.toThrow(/not-null/)
    await expect(log.run("insert into invoice values (1, 99, 'x', 1, null)")).rejects.toThrow(/foreign key/)
    expect(await log.entries()).toEqual([])
  })
})

describe('TRUNCATE', () => {
  it('B10 a TRUNCATE is an entry with who and how many rows', async () => {
    await log.table('create table counted (id int)', 'counted')
    await log.run('insert into counted select generate_series(1, 42)')
    await log.entries()
    await log.run('truncate counted')
    const [entry, ...others] = await log.entries()
    expect(others).toEqual([])
    expect(entry).toMatchObject({
      action: 'truncate',
      model: 'Counted',
      table_name: 'public.counted',
      actor_type: 'database',
      actor_id: 'postgres',
      object_id: null,
    })
    expect(entry?.context).toMatchObject({ rows: 42 })
  })

  it('B10 a TRUNCATE is refused where the policy says so, and the rows stay', async () => {
    await log.table('create table kept (id int)', 'kept', { truncate: 'refuse' })
    await log.run('insert into kept values (1)')
    await expect(log.run('truncate kept')).rejects.toMatchObject({
      code: 'YD006',
      hint: expect.stringContaining('DELETE'),
    })
    expect((await log.run('select count(*)::int as n from kept')).rows[0].n).toBe(1)
  })

  it('B10 TRUNCATE CASCADE records every tracked table that it empties', async () => {
    await log.run(
      "insert into customer values (1, 'Ada', null); insert into invoice values (1, 1, 'A', 1, null), (2, 1, 'B', 1, null)",
    )
    await log.entries()
    await log.run('truncate customer cascade')
    const entries = await log.entries()
    expect(entries.map(({ action, model, context }) => [action, model, context?.rows])).toEqual([
      ['truncate', 'Customer', 1],
      ['truncate', 'Invoice', 2],
    ])
  })

  it('B10 rows that the log may not count are estimated, and it says so', async () => {
    await log.table('create table guarded (id int)', 'guarded')
    await log.run('insert into guarded select generate_series(1, 500)')
    await log.run('analyze guarded; alter table guarded enable row level security')
    await log.entries()
    await log.run('truncate guarded')
    expect((await log.entries())[0]?.context).toMatchObject({ rows: 500, rows_estimated: true })
  })
})
