import { afterAll, beforeAll, expect, it } from 'vitest'
import { install, track } from '../../src/capture/postgres/index.ts'
import type { Database } from '../../src/connection/database.ts'
import { openPglite, type Pglite } from '../../src/connection/pglite.ts'
import type { CapturedEntry } from './log.ts'
import { replay } from './replay.ts'

let pglite: Pglite
let database: Database

beforeAll(async () => {
  pglite = await openPglite()
  database = pglite.database
  await install(database)
})
afterAll(() => pglite?.close())

async function run(...statements: string[]) {
  for (const statement of statements) await database.query(statement)
}

async function entries(model: string): Promise<CapturedEntry[]> {
  const { rows } = await database.query<CapturedEntry>(
    "select * from daybook.entries where model = $1 and action in ('create', 'update', 'delete', 'truncate') order by id",
    [model],
  )
  return rows
}

it('B3 B5 B6 B7 B8 statements of every kind are recorded on PGlite as on a server: replayed, the log is the table', async () => {
  await run(
    'create table thing (id int primary key, name text, n numeric, up int references thing on delete cascade on update cascade)',
    'create view things as select * from thing',
  )
  await track(database, 'thing', { label: 'name' })
  await run(
    "insert into thing select g, 'thing ' || g, g, case when g > 5 then g - 5 end from generate_series(1, 20) g",
    "insert into thing values (1, 'again', 1, null), (21, 'new', 1.50, 1) on conflict (id) do update set name = excluded.name, n = thing.n + 0.5",
    "insert into thing values (1, 'x'), (22, 'y') on conflict do nothing",
    "merge into thing t using (values (2, 'two'), (3, 'three'), (30, 'thirty')) s (id, name) on t.id = s.id when matched and t.id = 3 then delete when matched then update set name = s.name when not matched then insert values (s.id, s.name)",
    'with gone as (delete from thing where id = 4 returning *), changed as (update thing set n = 0 where id in (5, 6) returning *) insert into thing select id + 100, name, n, null from gone',
    'update thing set id = id + 1000 where id in (1, 2)',
    'update things set name = upper(name) where n > 10',
    'update thing set n = n + v.m from (values (5, 1), (5, 2)) v (id, m) where v.id = thing.id',
    'delete from things where id = 1001',
    `do $$ begin
       for place in 5 .. 8 loop
         begin
           update thing set name = 'undone' where id = place;
           insert into thing values (place, 'is there');
         exception when unique_violation then update thing set n = -place where id = place;
         end;
       end loop;
     end $$`,
  )
  await expect(
    database.transaction(async (transaction) => {
      await transaction.query("update thing set name = 'rolled back'")
      await transaction.query('savepoint part')
      await transaction.query('delete from thing')
      await transaction.query('rollback to part')
      throw new Error('undone')
    }),
  ).rejects.toThrow('undone')
  const { rows } = await database.query<{ id: number; row: unknown }>(
    "select id, json_build_object('id', id, 'name', name, 'n', n, 'up', up) as row from thing order by id",
  )
  expect(rows.length).toBeGreaterThan(10)
  const replayed = replay(await entries('Thing'))
  expect([...replayed].sort(([a], [b]) => Number(a) - Number(b))).toEqual(rows.map(({ id, row }) => [String(id), row]))
})

it('B10 B11 partitions are captured once on PGlite, through the root and straight, wherever a row moves', async () => {
  await run(
    'create table spread (gone int, id int, day date, v text, primary key (id, day)) partition by range (day)',
    'alter table spread drop column gone',
    "create table spread_old partition of spread for values from (minvalue) to ('2024-01-01')",
    'create table spread_rest partition of spread default partition by hash (id)',
    'create table spread_rest_0 partition of spread_rest for values with (modulus 1, remainder 0)',
  )
  await track(database, 'spread')
  await run(
    "insert into spread values (1, '2023-01-01', 'a'), (2, '2025-01-01', 'b')",
    "insert into spread_rest_0 values (3, '2026-01-01', 'c')",
    "update spread set day = '2025-05-05' where id = 1",
    'create table spread_2027 (v text, day date not null, id int not null, primary key (id, day))',
    "alter table spread attach partition spread_2027 for values from ('2027-01-01') to ('2028-01-01')",
    "insert into spread_2027 values ('d', '2027-02-02', 4)",
    'truncate spread',
  )
  const found = await entries('Spread')
  expect(
    found.filter(({ action }) => action !== 'truncate').map(({ action, object_id }) => `${action} ${object_id}`),
  ).toEqual([
    'create ["1", "2023-01-01"]',
    'create ["2", "2025-01-01"]',
    'create ["3", "2026-01-01"]',
    'update ["1", "2025-05-05"]',
    'create ["4", "2027-02-02"]',
  ])
  const truncated = found.filter(({ action }) => action === 'truncate')
  expect(truncated.reduce((sum, { context }) => sum + Number(context?.rows), 0)).toBe(4)
})
