import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sync, track, trackedTables, untrack } from '../../src/capture/postgres/index.ts'
import { createLoginRole } from '../database.ts'
import { brief, type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
  // A partition whose columns stand in another order, with one that was dropped, and one that is partitioned further.
  await log.table(
    `create table measurement (id int, day date, value text, primary key (id, day)) partition by range (day);
     create table measurement_old (value text, gone int, day date not null, id int not null, primary key (id, day));
     alter table measurement_old drop column gone;
     alter table measurement attach partition measurement_old for values from ('2023-01-01') to ('2024-01-01');
     create table measurement_new partition of measurement for values from ('2024-01-01') to ('2025-01-01') partition by hash (id);
     create table measurement_new_0 partition of measurement_new for values with (modulus 2, remainder 0);
     create table measurement_new_1 partition of measurement_new for values with (modulus 2, remainder 1)`,
    'measurement',
    { label: 'value' },
  )
})
afterAll(() => log?.close())

const created = (id: number, day: string, value: string) => ({
  action: 'create',
  object_id: `["${id}", "${day}"]`,
  changes: { id: [null, id], day: [null, day], value: [null, value] },
})

describe('partitions', () => {
  it('B11 rows written through the root are captured once', async () => {
    await log.run(
      "insert into measurement values (1, '2023-05-05', 'a'), (2, '2024-05-05', 'b'), (3, '2024-05-05', 'c')",
    )
    const entries = await log.entries()
    expect(new Map(entries.map((entry) => [entry.object_id, brief(entry)]))).toEqual(
      new Map(
        [created(1, '2023-05-05', 'a'), created(2, '2024-05-05', 'b'), created(3, '2024-05-05', 'c')].map((entry) => [
          entry.object_id,
          entry,
        ]),
      ),
    )
    expect(
      entries.every(({ table_name, model }) => table_name === 'public.measurement' && model === 'Measurement'),
    ).toBe(true)
    await log.run("update measurement set value = value || '!'")
    expect((await log.entries()).map(({ changes }) => changes.value?.join(' '))).toEqual(['a a!', 'b b!', 'c c!'])
    await log.run('delete from measurement where id = 3')
    expect((await log.entries()).map(({ action, object_label }) => `${action} ${object_label}`)).toEqual(['delete c!'])
  })

  it('B11 rows written straight into a partition are captured once', async () => {
    await log.run("insert into measurement_old (id, day, value) values (10, '2023-06-06', 'direct')")
    expect((await log.entries()).map(brief)).toEqual([
      { ...created(10, '2023-06-06', 'direct'), changes: expect.objectContaining({ value: [null, 'direct'] }) },
    ])
    await log.run("update measurement_new set value = 'via middle' where id = 2")
    await log.run("update measurement_old set value = 'direct 2' where id = 10")
    const leaf = (await log.run('select tableoid::regclass::text as leaf from measurement where id = 2')).rows[0].leaf
    await log.run(`delete from ${leaf} where id = 2`)
    const entries = await log.entries()
    expect(entries.map(({ action, changes }) => [action, changes.value])).toEqual([
      ['update', ['b!', 'via middle']],
      ['update', ['direct', 'direct 2']],
      ['delete', ['via middle', null]],
    ])
    expect(entries.every(({ table_name }) => table_name === 'public.measurement')).toBe(true)
  })

  it('B11 a row that moves to another partition is one update', async () => {
    await log.run(
      "insert into measurement values (20, '2023-01-01', 'm'), (21, '2023-01-02', 'n'), (22, '2024-01-02', 'o')",
    )
    await log.entries()
    await log.run('update measurement set day = day + 365, value = upper(value) where id in (20, 21)')
    const entries = await log.entries()
    expect(
      entries.map(({ action, object_id, previous_object_id, changes }) => ({
        action,
        object_id,
        previous_object_id,
        changes,
      })),
    ).toEqual([
      {
        action: 'update',
        object_id: '["20", "2024-01-01"]',
        previous_object_id: '["20", "2023-01-01"]',
        changes: { day: ['2023-01-01', '2024-01-01'], value: ['m', 'M'] },
      },
      {
        action: 'update',
        object_id: '["21", "2024-01-02"]',
        previous_object_id: '["21", "2023-01-02"]',
        changes: { day: ['2023-01-02', '2024-01-02'], value: ['n', 'N'] },
      },
    ])
    // Some move, some stay, in one statement.
    await log.run(
      "update measurement set day = case when id = 20 then date '2023-09-09' else day end, value = value || id where id in (20, 21, 22)",
    )
    expect((await log.entries()).map(({ changes }) => changes.value?.join(' ')).sort()).toEqual([
      'M M20',
      'N N21',
      'o o22',
    ])
  })

  it('B11 an upsert through the root is recorded as what it did', async () => {
    await log.run("insert into measurement values (30, '2023-03-03', 'x')")
    await log.entries()
    await log.run(`insert into measurement values (30, '2023-03-03', 'y'), (31, '2024-03-03', 'z')
      on conflict (id, day) do update set value = excluded.value`)
    expect((await log.entries()).map(({ action, changes }) => [action, changes.value]).sort()).toEqual([
      ['create', [null, 'z']],
      ['update', ['x', 'y']],
    ])
  })

  it('B5 B11 MERGE through the root that inserts one row and changes another tells them apart', async () => {
    await log.table(
      `create table merged (a int primary key, v text) partition by hash (a);
      create table merged_0 partition of merged for values with (modulus 1, remainder 0)`,
      'merged',
    )
    await log.run("insert into merged values (1, 'one')")
    await log.entries()
    await log.run(`merge into merged t using (values (9, 'nine'), (1, 'changed')) s (a, v) on t.a = s.a
      when matched then update set v = s.v when not matched then insert values (s.a, s.v)`)
    const entries = await log.entries()
    expect(entries.map(({ action, changes }) => [action, changes]).sort()).toEqual([
      ['create', { a: [null, 9], v: [null, 'nine'] }],
      ['update', { v: ['one', 'changed'] }],
    ])
  })

  it('B11 B15 stored generated columns are recorded through the root, whatever the order of the columns', async () => {
    await log.run(`create table made (gone int, id int, v int, twice int generated always as (v * 2) stored) partition by list (id);
      alter table made drop column gone;
      create table made_1 partition of made for values in (1)`)
    await track(log.database, 'made')
    await log.run('create table made_2 partition of made for values in (2); insert into made values (1, 3), (2, 4)')
    expect((await log.entries()).map(({ changes }) => changes.twice)).toEqual([
      [null, 6],
      [null, 8],
    ])
    await untrack(log.database, 'made')
  })

  it('B11 a partition that is made or attached later is captured without a step by hand', async () => {
    await log.run(
      "create table measurement_2025 partition of measurement for values from ('2025-01-01') to ('2026-01-01')",
    )
    await log.run("insert into measurement_2025 values (40, '2025-05-05', 'made')")
    await log.run(`create table measurement_2026 (like measurement including all);
      alter table measurement attach partition measurement_2026 for values from ('2026-01-01') to ('2027-01-01')`)
    await log.run("insert into measurement_2026 values (41, '2026-05-05', 'attached')")
    await log.run("insert into measurement values (42, '2026-05-05', 'through')")
    expect((await log.entries()).map(({ changes }) => changes.value?.[1])).toEqual(['made', 'attached', 'through'])
    expect((await trackedTables(log.database))[0]?.uncaptured).toEqual([])
  })

  it('B11 a tree of partitions that is made in one transaction by the owner of the table is captured', async () => {
    await createLoginRole(log.pool, 'partition_maker')
    await log.run(`grant create, usage on schema public to partition_maker;
      alter table measurement owner to partition_maker`)
    await log.run(`begin; set local role partition_maker;
      create table measurement_2030 partition of measurement for values from ('2030-01-01') to ('2031-01-01') partition by hash (id);
      create table measurement_2030_0 partition of measurement_2030 for values with (modulus 1, remainder 0);
      insert into measurement_2030_0 values (50, '2030-05-05', 'deep');
      commit`)
    expect((await log.entries()).map(({ changes }) => changes.value?.[1])).toEqual(['deep'])
  })

  it('B11 without event triggers a new partition is told of, and captured after sync', async () => {
    await log.run('alter event trigger daybook_follow_partitions disable')
    await log.run(
      "create table measurement_2027 partition of measurement for values from ('2027-01-01') to ('2028-01-01')",
    )
    await log.run('alter event trigger daybook_follow_partitions enable')
    expect((await trackedTables(log.database))[0]?.uncaptured).toEqual(['public.measurement_2027'])
    await sync(log.database, { measurement: { label: 'value' } })
    expect((await trackedTables(log.database))[0]?.uncaptured).toEqual([])
    await log.run("insert into measurement_2027 values (60, '2027-05-05', 'synced')")
    expect((await log.entries()).map(({ changes }) => changes.value?.[1])).toEqual(['synced'])
  })

  it('B10 TRUNCATE of a partitioned table is recorded once for each of its rows', async () => {
    const { rows } = await log.run('select count(*)::int as n from measurement')
    await log.run('truncate measurement')
    const entries = await log.entries()
    expect(entries.every(({ action, model }) => action === 'truncate' && model === 'Measurement')).toBe(true)
    expect(entries.reduce((sum, { context }) => sum + Number(context?.rows), 0)).toBe(rows[0].n)
    expect(entries.map(({ table_name }) => table_name)).toContain('public.measurement_old')
  })

  it('B10 TRUNCATE is refused of the root, of a partition and by CASCADE, where the policy says so', async () => {
    await log.table(
      `create table guarded (id int primary key) partition by range (id); create table guarded_0 partition of guarded for values from (0) to (10);
       create table owner_of (id int primary key); alter table guarded add foreign key (id) references owner_of`,
      'guarded',
      { truncate: 'refuse' },
    )
    await log.run('insert into owner_of values (1); insert into guarded values (1)')
    for (const statement of [
      'truncate guarded',
      'truncate guarded_0',
      'truncate only guarded_0',
      'truncate owner_of cascade',
      'truncate owner_of, guarded',
    ]) {
      await expect(log.run(statement), statement).rejects.toMatchObject({ code: 'YD006' })
    }
    expect((await log.run('select count(*)::int as n from guarded')).rows).toEqual([{ n: 1 }])
    expect((await log.entries()).map(({ action }) => action)).toEqual(['create'])
    await log.run('drop table guarded, owner_of')
  })

  it('a partition is not tracked beside its root', async () => {
    await expect(track(log.database, 'measurement_old')).rejects.toMatchObject({ code: 'not_trackable' })
    await log.table(
      'create table root (id int) partition by list (id); create table leaf partition of root default',
      'leaf',
    )
    await expect(track(log.database, 'root')).rejects.toMatchObject({ code: 'not_trackable' })
  })

  it('untrack takes the triggers off every partition, also one that was detached', async () => {
    await log.run('alter table measurement detach partition measurement_old')
    await untrack(log.database, 'measurement')
    await log.run("insert into measurement_old (id, day, value) values (70, '2023-01-01', 'x')")
    await log.run("insert into measurement_2026 values (71, '2026-01-01', 'x')")
    expect(await log.entries()).toEqual([])
    const { rows } = await log.run(
      "select count(*)::int as n from pg_trigger where tgname like 'daybook%' and tgrelid::regclass::text like 'measurement%'",
    )
    expect(rows[0].n).toBe(0)
  })

  it('B11 a child by inheritance is captured where it is written through its parent, and not otherwise', async () => {
    await log.table(
      'create table parent (id int primary key, v text); create table child (extra int) inherits (parent)',
      'parent',
    )
    await log.run("insert into parent values (1, 'p'); insert into child values (2, 'c', 3)")
    await log.run('update parent set v = upper(v)')
    expect((await log.entries()).map(({ action, changes }) => [action, changes.v])).toEqual([
      ['create', [null, 'p']],
      ['update', ['p', 'P']],
      ['update', ['c', 'C']],
    ])
  })

  it('B11 a row is captured once through any level of list, range, hash and default partitions, wherever it moves', async () => {
    await log.table(
      `create table sale (region text, day date, id int, amount numeric, primary key (id, region, day)) partition by list (region);
       create table sale_eu partition of sale for values in ('de', 'fr') partition by range (day);
       create table sale_eu_old partition of sale_eu for values from (minvalue) to ('2024-01-01');
       create table sale_eu_new partition of sale_eu default partition by hash (id);
       create table sale_eu_new_0 partition of sale_eu_new for values with (modulus 1, remainder 0);
       create table sale_rest (amount numeric, id int not null, day date not null, gone int, region text not null);
       alter table sale_rest drop column gone; alter table sale attach partition sale_rest default`,
      'sale',
    )
    const levels = ['sale', 'sale_eu', 'sale_eu_new', 'sale_eu_new_0']
    for (const [id, level] of levels.entries())
      await log.run(`insert into ${level} values ('de', '2024-05-05', ${id}, 1)`)
    expect((await log.entries()).map(({ action, object_id }) => `${action} ${object_id}`)).toEqual(
      levels.map((_, id) => `create ["${id}", "de", "2024-05-05"]`),
    )
    for (const level of levels) await log.run(`update ${level} set amount = amount + 1`)
    expect(await log.entries()).toHaveLength(16)
    // From the bottom to another branch, to the default of the root and back.
    for (const move of ["day = '2020-01-01'", "region = 'us'", "region = 'fr', day = '2025-01-01'"]) {
      await log.run(`update sale set ${move} where id = 1`)
      const [entry, ...others] = await log.entries()
      expect(others).toEqual([])
      expect(entry?.action).toBe('update')
      expect(entry?.changed_fields).not.toContain('amount')
      expect(entry?.previous_object_id).not.toBeNull()
    }
    await log.run(`merge into sale s using (values (0, 'de'), (1, 'fr'), (9, 'xx')) v (id, region) on s.id = v.id and s.region = v.region
      when matched and v.id = 0 then delete when matched then update set amount = -1
      when not matched then insert values (v.region, '2024-01-01', v.id, 9)`)
    expect((await log.entries()).map(({ action, changes }) => `${action} ${changes.amount}`).sort()).toEqual([
      'create ,9',
      'delete 5,',
      'update 5,-1',
    ])
    await log.run('drop table sale')
  })

  it("B11 a partition that is detached is captured on as its root's until it is untracked, and once when it is attached again", async () => {
    await log.table(
      'create table batch (id int primary key) partition by list (id); create table batch_1 partition of batch for values in (1, 2, 3)',
      'batch',
    )
    await log.run('alter table batch detach partition batch_1; insert into batch_1 values (1)')
    await log.run('alter table batch attach partition batch_1 for values in (1, 2, 3)')
    await log.run('insert into batch_1 values (2); insert into batch values (3)')
    expect((await log.entries()).map(({ action, model, object_id }) => `${action} ${model} ${object_id}`)).toEqual([
      'create Batch 1',
      'create Batch 2',
      'create Batch 3',
    ])
  })

  it('B11 B14 while partitions are attached and detached, writers fail for nothing but that, and there is an entry for each change', async () => {
    await log.table(
      `create table moving (id int, v int not null default 0, primary key (id)) partition by range (id);
       create table moving_0 partition of moving for values from (0) to (10);
       create table moving_1 (v int not null default 0, gone text, id int not null, primary key (id)); alter table moving_1 drop column gone;
       alter table moving attach partition moving_1 for values from (10) to (20)`,
      'moving',
    )
    await log.run('insert into moving select generate_series(0, 19)')
    let writing = true
    let changed = 0
    const writer = async (statement: string) => {
      const client = await connect(log.url)
      try {
        while (writing) {
          const { rowCount } = await client.query(statement)
          changed += rowCount ?? 0
        }
      } finally {
        await client.end()
      }
    }
    await log.entries()
    const writers = [
      writer('update moving set v = v + 1 where id in (1, 11)'),
      writer('update moving set v = v + 1 where id = 12'),
      writer('update moving_1 set v = v + 1 where id = 13'),
      writer('update moving_0 set v = v + 1 where id = 3'),
    ]
    const altering = (async () => {
      for (let round = 0; round < 8; round++) {
        await log.run(`alter table moving detach partition moving_1${round % 2 ? ' concurrently' : ''}`)
        await log.run('alter table moving attach partition moving_1 for values from (10) to (20)')
        await log.run(
          `create table moving_${round + 2} partition of moving for values from (${round * 10 + 20}) to (${round * 10 + 30})`,
        )
      }
    })()
    try {
      await Promise.race([altering, ...writers])
    } finally {
      writing = false
      await Promise.all([altering, ...writers])
    }
    const entries = await log.entries()
    expect(entries).toHaveLength(changed)
    const { rows } = await log.run('select id, v from moving where v > 0 order by id')
    expect(rows.map(({ id }) => id)).toEqual([1, 3, 11, 12, 13])
    for (const { id, v } of rows) {
      expect(entries.filter(({ object_id }) => object_id === String(id)).map(({ changes }) => changes.v)).toEqual(
        Array.from({ length: v }, (_, place) => [place, place + 1]),
      )
    }
  })
})
