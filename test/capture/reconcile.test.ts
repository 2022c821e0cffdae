import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Diagnosis, doctor, type Finding, sync, track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { createLoginRole } from '../database.ts'
import { EDGE_TYPES, EDGES } from './edge-values.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog
beforeEach(async () => {
  log = await createCaptureLog()
})
afterEach(() => log?.close())

/** Runs statements that no trigger sees, as a superuser can. */
async function unseen(...statements: string[]): Promise<void> {
  const client = await connect(log.url)
  await client.query('set session_replication_role = replica')
  for (const statement of statements) await client.query(statement)
  await client.end()
}

const OF_ROWS = /^rows_/

function ofRows({ findings }: Diagnosis): Finding[] {
  expect(findings.filter(({ code }) => code === 'not_checked')).toEqual([])
  return findings.filter(({ code }) => OF_ROWS.test(code))
}

/** What was found of rows: code, table and keys. */
async function found(reconcileRows = Number.POSITIVE_INFINITY) {
  const diagnosis = await doctor(log.database, { reconcileRows })
  return ofRows(diagnosis).map(({ code, subject: { table, keys, columns } }) => [
    code,
    table,
    [...(keys ?? [])].sort().join(' '),
    ...(columns ?? []),
  ])
}

const INVOICE = 'create table invoice (id int primary key, status text, total numeric(10,2), doc json)'

describe('rows that were changed with the capture off', () => {
  it('B45 are found whether they were changed, made or removed, wholly or in part of the table', async () => {
    await log.table(INVOICE, 'invoice', { label: 'status' })
    await log.run("insert into invoice select g, 'open', g, '{\"a\": 1}' from generate_series(1, 300) g")
    await log.run("update invoice set status = 'paid' where id % 2 = 0; delete from invoice where id > 290")
    expect(await found()).toEqual([])
    expect(await found(100)).toEqual([])

    await unseen(
      'update invoice set total = total + 1 where id in (3, 4)',
      "update invoice set status = null, doc = '{}' where id = 5",
      "insert into invoice values (291, 'back', 1, null), (1000, 'new', 1, null)",
      'delete from invoice where id in (7, 8)',
    )
    for (const rows of [Number.POSITIVE_INFINITY, 500]) {
      const diagnosis = await doctor(log.database, { reconcileRows: rows })
      expect(diagnosis.healthy).toBe(false)
      expect(ofRows(diagnosis)).toMatchObject([
        {
          code: 'rows_differ',
          severity: 'error',
          subject: { table: 'public.invoice', columns: ['doc', 'status', 'total'] },
        },
        { code: 'rows_unrecorded', severity: 'error', subject: { keys: ['291'] } },
        { code: 'rows_gone', severity: 'error' },
        { code: 'rows_without_entry', severity: 'warning', subject: { keys: ['1000'] } },
      ])
      expect([...(ofRows(diagnosis)[0]?.subject.keys ?? [])].sort()).toEqual(['3', '4', '5'])
      expect([...(ofRows(diagnosis)[2]?.subject.keys ?? [])].sort()).toEqual(['7', '8'])
      // Evidence, but no value.
      expect(JSON.stringify(diagnosis.findings)).not.toMatch(/open|paid|back|new"/)
    }
  })

  it('B45 are found in a large table among the objects that were changed last, and it says how far it looked', async () => {
    await log.table(INVOICE, 'invoice')
    await log.run("insert into invoice select g, 'open', g from generate_series(1, 5000) g")
    await log.run('vacuum analyze invoice')
    await log.run("update invoice set status = 'paid' where id between 4000 and 4100")
    await unseen('update invoice set total = 0 where id = 4050', 'delete from invoice where id = 4051')
    const { reconciliation, findings } = await doctor(log.database, { reconcileRows: 20 })
    expect(findings).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ code: 'rows_differ', subject: expect.objectContaining({ keys: ['4050'] }) }),
        expect.objectContaining({ code: 'rows_gone', subject: expect.objectContaining({ keys: ['4051'] }) }),
      ]),
    )
    expect(reconciliation).toMatchObject({ entries: 200, complete: false })
    const [table] = reconciliation?.tables ?? []
    expect(table).toMatchObject({ table: 'public.invoice', ofAbout: 5000, complete: false })
    expect(table?.rows).toBeGreaterThanOrEqual(100)
    expect(table?.rows).toBeLessThan(1000)

    const all = await doctor(log.database, { reconcileRows: Number.POSITIVE_INFINITY })
    expect(all.reconciliation).toMatchObject({ complete: true, tables: [{ rows: 4999, complete: true }] })
    expect((await doctor(log.database, { reconcileRows: 0 })).reconciliation).toBeNull()
  })
})

describe('no false alarm is raised', () => {
  it('B57 by writers at work', async () => {
    await log.table('create table hot (id int primary key, n int, note text)', 'hot')
    await log.run("insert into hot select g, 0, 'x' from generate_series(1, 200) g")
    let writing = true
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      const client = await connect(log.url)
      for (let step = 0; writing; step += 1) {
        const id = ((step * 7 + writer * 50) % 200) + 1
        await client.query('update hot set n = n + 1 where id = $1', [id])
        await client.query(
          `begin; delete from hot where id = ${500 + writer}; insert into hot values (${500 + writer}, 1, null); commit`,
        )
        await client.query('insert into hot values ($1, 1, null)', [1000 + writer * 100_000 + step])
        await client.query('update hot set id = -id where id = $1', [1000 + writer * 100_000 + step])
      }
      await client.end()
    })
    let looked = 0
    for (; looked < 8; looked += 1) expect(await found(looked % 2 === 0 ? Number.POSITIVE_INFINITY : 50)).toEqual([])
    writing = false
    await Promise.all(writers)
    expect((await log.entries()).length).toBeGreaterThan(400)
  })

  it('B16 by values of any type and by the settings of the session', async () => {
    const columns = EDGES.map(([type], place) => `c${place} ${type}`)
    await log.run(EDGE_TYPES)
    await log.table(`create table edge (id int primary key, ${columns.join(', ')})`, 'edge')
    const client = await connect(log.url)
    await client.query(
      "set timezone = 'Asia/Kathmandu'; set datestyle = 'German'; set intervalstyle = 'postgres_verbose'; set bytea_output = 'escape'; set extra_float_digits = -3",
    )
    await client.query(`insert into edge values (1, ${EDGES.map(([, value]) => value).join(', ')})`)
    for (const [place, [, value]] of EDGES.entries()) {
      await client.query(`insert into edge (id, c${place}) values (${place + 2}, ${value})`)
    }
    await client.end()
    expect(await found()).toEqual([])
    expect(await found(10)).toEqual([])
  })

  it('B8 B9 by keys that changed, changed places or were used again', async () => {
    await log.table('create table thing (id int primary key deferrable, v text)', 'thing')
    await log.run("insert into thing select g, 'v' || g from generate_series(1, 30) g")
    await log.run('update thing set id = id + 100 where id <= 5')
    await log.run('update thing set id = 27 - id where id between 12 and 15')
    await log.run('update thing set id = id + 1 where id between 20 and 30')
    await log.run("begin; delete from thing where id = 7; insert into thing values (7, 'again'); commit")
    await log.run("delete from thing where id = 8; insert into thing values (8, 'later')")
    await log.run("update thing set id = 9999 where id = 9; insert into thing values (9, 'third')")
    expect(await found()).toEqual([])
    expect(await found(500)).toEqual([])
    await unseen(
      "insert into thing values (3, 'hidden')",
      "update thing set v = '!' where id in (102, 12, 21, 7, 9, 9999)",
    )
    expect(await found()).toEqual([
      ['rows_differ', 'public.thing', '102 12 21 7 9 9999', 'v'],
      ['rows_unrecorded', 'public.thing', '3'],
    ])
  })

  it('B14 by columns and tables that were added, renamed, retyped or dropped', async () => {
    await log.run("create type state as enum ('open', 'paid')")
    await log.table('create table moved (id int primary key, a text, b int, c numeric(6,1), s state)', 'moved')
    await log.run("insert into moved values (1, 'x', 1, 1.5, 'open'), (2, 'y', 2, 2.5, 'paid')")
    await log.run("alter table moved add column d text default 'new'")
    await log.run('alter table moved rename column a to was_a')
    await log.run('alter table moved rename column b to a')
    await log.run('alter table moved alter column c type numeric(6,3)')
    await log.run("alter type state rename value 'open' to 'opened'")
    await log.run('alter table moved rename to renamed')
    expect(await found()).toEqual([['rows_older_than_column', 'public.renamed', '1 2', 'a', 'c', 's']])
    await log.run("update renamed set a = 5, was_a = 'z', c = c + 1, d = 'd', s = 'paid'")
    await log.run("insert into renamed values (3, 'q', 9, 1, 'opened')")
    expect(await found()).toEqual([])
    await unseen('update renamed set a = 6 where id = 2; update renamed set d = null where id = 3')
    expect(await found()).toEqual([['rows_differ', 'public.renamed', '2 3', 'a', 'd']])
  })

  it('B14 by a key that was retyped or is another one now', async () => {
    await log.table('create table keyed (a boolean primary key, b int unique not null, v text)', 'keyed')
    await log.run("insert into keyed values (true, 1, 'x'), (false, 2, 'y')")
    await log.run('alter table keyed alter column a type text using a::text')
    expect(await found()).toEqual([['rows_without_entry', 'public.keyed', 'false true']])
    await log.run('alter table keyed drop constraint keyed_pkey, add primary key (b)')
    expect(await found()).toEqual([['rows_without_entry', 'public.keyed', '1 2']])
    await log.run(
      "update keyed set v = 'z' where b = 1; delete from keyed where b = 2; insert into keyed values ('c', 3, 'w')",
    )
    expect(await found()).toEqual([])
    await unseen('delete from keyed where b = 3; update keyed set v = null where b = 1')
    expect(await found()).toEqual([
      ['rows_differ', 'public.keyed', '1', 'v'],
      ['rows_gone', 'public.keyed', '3'],
    ])
  })

  it('B14 by tables that changed names, gave theirs to another or were made anew', async () => {
    await log.table('create table old (id int primary key, v text)', 'old', { model: 'Thing' })
    await log.table('create table other (id int primary key, v text)', 'other', { model: 'Thing' })
    await log.run("insert into old values (1, 'a'), (2, 'b'); insert into other values (1, 'x'), (3, 'z')")
    await log.run('alter table old rename to swap; alter table other rename to old; alter table swap rename to other')
    expect(await found()).toEqual([])
    expect(await found(50)).toEqual([])
    await log.run(
      "update old set v = 'y' where id = 1; delete from other where id = 2; truncate old; insert into old values (3, 'n')",
    )
    expect(await found()).toEqual([])
    await log.run('drop table other; create table other (id int primary key, v text)')
    await track(log.database, 'other', { model: 'Thing' })
    await log.run("insert into other values (7, 'new')")
    expect(await found()).toEqual([])
    await log.run(
      'create schema elsewhere; alter table other set schema elsewhere; alter schema elsewhere rename to there',
    )
    expect(await found()).toEqual([])
    await unseen("update there.other set v = '!'; insert into old values (1, 'y')")
    expect(await found()).toEqual([
      ['rows_differ', 'there.other', '7', 'v'],
      ['rows_unrecorded', 'public.old', '1'],
    ])
  })

  it('B10 by TRUNCATE, but by what came afterwards without an entry', async () => {
    await log.table('create table item (id int primary key, v text)', 'item')
    await log.run("insert into item values (1, 'a'), (2, 'b')")
    await log.run('truncate item')
    expect(await found()).toEqual([])
    await log.run("insert into item values (1, 'c')")
    expect(await found()).toEqual([])
    await unseen("insert into item values (2, 'b')")
    expect(await found()).toEqual([['rows_unrecorded', 'public.item', '2']])
    expect(await found(100)).toEqual([['rows_unrecorded', 'public.item', '2']])
  })

  it('B24 B25 by masked columns, of which it is told only whether there is a value', async () => {
    await log.table('create table person (id int primary key, password text, iban text)', 'person', { mask: ['iban'] })
    await log.run("insert into person values (1, 'a', 'x'), (2, 'b', null), (3, 'c', 'z')")
    expect(await found()).toEqual([])
    await unseen(
      "update person set iban = 'other' where id = 1; update person set iban = 'there now' where id = 2; update person set password = null where id = 3",
    )
    expect(await found()).toEqual([['rows_differ', 'public.person', '2 3', 'iban', 'password']])
    await track(log.database, 'person', { unmask: ['password'] })
    await log.run("insert into person values (4, 'd', 'w')")
    await track(log.database, 'person', { mask: ['iban'] })
    expect((await found()).filter(([code]) => code === 'rows_differ')).toEqual([
      ['rows_differ', 'public.person', '2 3', 'iban', 'password'],
    ])
  })

  it('B15 by values that stand in the log as size and digest, or are long', async () => {
    await log.table('create table big (id int primary key, t text, b bytea, j json)', 'big')
    await log.run(
      `insert into big values (1, repeat('ä', 800000), decode(repeat('ab', 700000), 'hex'), to_json(repeat('j', 1200000))),
        (2, repeat('t', 100000), decode(repeat('cd', 100000), 'hex'), to_json(repeat('j', 100000))), (3, 'short', 'x', '"short"')`,
    )
    expect(await found()).toEqual([])
    await unseen(
      "update big set t = overlay(t placing 'o' from 400000) where id = 1",
      'update big set b = set_byte(b, 50000, 1) where id = 2',
      "update big set j = to_json(repeat('j', 1200000)) where id = 3",
    )
    expect(await found()).toEqual([['rows_differ', 'public.big', '1 2 3', 'b', 'j', 't']])
  })

  it('B20 by JSON whose keys stand in another order', async () => {
    await log.table('create table doc (id int primary key, j json, b jsonb)', 'doc')
    await log.run(
      `insert into doc values (1, '{"a":1,"b":{"c":2}}', '{"a":1}'), (2, '"\\u0000"', null), (3, ' {"a" : 1} ', 'null')`,
    )
    await log.run(`update doc set j = '{"b":{"c":2}, "a":1}' where id = 1`)
    expect(await log.entries()).toHaveLength(3)
    expect(await found()).toEqual([])
    await unseen(`update doc set j = '{"b":{"c":3}, "a":1}' where id = 1; update doc set j = '"\\u0001"' where id = 2`)
    expect(await found()).toEqual([['rows_differ', 'public.doc', '1 2', 'j']])
  })

  it('B12 B13 by odd names, composite and long keys', async () => {
    await log.table(
      `create schema "Odd.Place"; create table "Odd.Place"."Or""der" ("the id" text, day date, "Sta.tus" text, primary key ("the id", day))`,
      '"Odd.Place"."Or""der"',
    )
    await log.table('create table "long" (k text primary key, v int)', 'long')
    const table = '"Odd.Place"."Or""der"'
    await log.run(
      `insert into ${table} values ('a"b', '2024-01-01', 'x'), ('[1, "2"]', '2024-02-29', null), ('', 'infinity', '')`,
    )
    await log.run(`insert into "long" select md5(g::text) || repeat('ü', 600) || g, g from generate_series(1, 3) g`)
    expect(await found()).toEqual([])
    expect(await found(50)).toEqual([])
    await unseen(
      `update ${table} set "Sta.tus" = 'y' where "the id" = ''; delete from ${table} where day = '2024-01-01'; update "long" set v = 0 where v = 2`,
    )
    expect(await found()).toMatchObject([
      ['rows_differ', '"Odd.Place"."Or""der"', '["", "infinity"]', 'Sta.tus'],
      ['rows_differ', 'public.long', expect.stringContaining('...sha256:'), 'v'],
      ['rows_gone', '"Odd.Place"."Or""der"', '["a\\"b", "2024-01-01"]'],
    ])
  })

  it('B11 by partitions, moves between them and one that was dropped, which is a warning', async () => {
    await log.table(
      `create table part (id int, day date, v text, primary key (id, day)) partition by range (day);
       create table part_a partition of part for values from ('2023-01-01') to ('2024-01-01');
       create table part_b partition of part for values from ('2024-01-01') to ('2025-01-01')`,
      'part',
    )
    await log.run("insert into part values (1, '2023-01-01', 'a'), (2, '2023-02-01', 'b'), (3, '2024-01-01', 'c')")
    await log.run("update part set day = '2024-05-05' where id = 1; update part_b set v = 'd' where id = 3")
    expect(await found()).toEqual([])
    await unseen("update part_b set v = 'x' where id = 3")
    expect(await found()).toEqual([['rows_differ', 'public.part', '["3", "2024-01-01"]', 'v']])
    await log.run('drop table part_a')
    expect(await found()).toEqual([
      ['rows_differ', 'public.part', '["3", "2024-01-01"]', 'v'],
      ['rows_gone_from_partitions', 'public.part', '["2", "2023-02-01"]'],
    ])
    await log.run('truncate part_b')
    expect(await found()).toEqual([])
  })

  it('B12 by keys and links of a domain, also of one whose type has no operator that takes it', async () => {
    await log.run(
      "create type feeling as enum ('so', 'ok'); create domain feelings as feeling; create domain code as text check (value <> '')",
    )
    await log.table('create table mood (k feelings primary key, v int)', 'mood')
    await log.table('create table person (id int primary key)', 'person')
    await log.table('create table badge (code code primary key)', 'badge')
    await log.table(
      'create table person_badge (person_id int references person, code code references badge, primary key (person_id, code))',
      'person_badge',
      { link: { from: 'person_id', to: 'code' } },
    )
    await log.run(
      "insert into person values (1); insert into badge values ('a'), ('b'); insert into mood values ('so'), ('ok')",
    )
    await log.run('insert into person_badge select 1, code from badge')
    for (const rows of [Number.POSITIVE_INFINITY, 50]) expect(await found(rows)).toEqual([])
    await unseen("update mood set v = 1 where k::feeling = 'ok'", "delete from person_badge where code = 'b'")
    for (const rows of [Number.POSITIVE_INFINITY, 50]) {
      expect(await found(rows)).toEqual([
        ['rows_differ', 'public.mood', 'ok', 'v'],
        ['rows_gone', 'public.person_badge', '1 → b'],
      ])
    }
  })

  it('B27 B28 by links and permissions, told by their two objects', async () => {
    await log.table('create table account (id int primary key, name text)', 'account', { label: 'name' })
    await log.table('create table role (id int primary key, name text)', 'role', { label: 'name' })
    await log.table(
      'create table account_role (id int generated always as identity primary key, account_id int references account, role_id int references role, note text)',
      'account_role',
      { permission: { to: 'account_id', grants: 'role_id' } },
    )
    await log.run("insert into account values (1, 'a'), (2, 'b'); insert into role values (1, 'x'), (2, 'y')")
    await log.run('insert into account_role (account_id, role_id) select a.id, r.id from account a, role r')
    await log.run("update account_role set note = 'n' where account_id = 1 and role_id = 1")
    await log.run('delete from account_role where account_id = 2 and role_id = 2')
    await log.run('update account_role set role_id = 2 where account_id = 2')
    expect(await found()).toEqual([])
    expect(await found(100)).toEqual([])
    await unseen(
      "update account_role set note = '!' where account_id = 1 and role_id = 1",
      'insert into account_role (account_id, role_id) values (2, 1)',
      'delete from account_role where account_id = 1 and role_id = 2',
    )
    for (const rows of [Number.POSITIVE_INFINITY, 100]) {
      expect(await found(rows)).toEqual([
        ['rows_differ', 'public.account_role', '1 → 1', 'note'],
        ['rows_gone', 'public.account_role', '1 → 2'],
        ['rows_without_entry', 'public.account_role', '2 → 1'],
      ])
    }
  })

  it('B18 by a table that was not tracked for a while, which is a warning', async () => {
    await log.table('create table gap (id int primary key, v text, w text)', 'gap')
    await log.run("insert into gap values (1, 'a', 'a'), (2, 'b', 'b'), (3, 'c', 'c')")
    await log.run(
      "select daybook.untrack('gap'); update gap set v = 'changed' where id = 1; delete from gap where id = 2",
    )
    await track(log.database, 'gap')
    expect(await found()).toEqual([['rows_changed_in_gap', 'public.gap', '1 2']])
    await track(log.database, 'gap', { exclude: ['w'] })
    await log.run("update gap set w = 'unseen' where id = 3")
    await sync(log.database, { gap: {} })
    expect(await found()).toEqual([['rows_changed_in_gap', 'public.gap', '1 2 3']])
    await unseen('delete from gap where id = 3')
    await log.run("insert into gap values (4, 'd', 'd')")
    await unseen("update gap set v = '!' where id = 4")
    expect((await found())[0]).toEqual(['rows_differ', 'public.gap', '4', 'v'])
  })

  it('B19 by rows that are older than the tracking: they have no entry, and a baseline gives them one', async () => {
    await log.run(
      "create table old (id int primary key, v text); insert into old select g, 'v' from generate_series(1, 5) g",
    )
    await track(log.database, 'old')
    await log.run("update old set v = 'w' where id = 1")
    expect(await found()).toEqual([['rows_without_entry', 'public.old', '2 3 4 5']])
    await log.run("select daybook.baseline('old')")
    expect(await found()).toEqual([])
    await unseen("update old set v = 'x' where id in (1, 2)")
    expect(await found()).toEqual([['rows_differ', 'public.old', '1 2', 'v']])
  })

  it('B6 by objects with more entries than are read at once, also where the value was recorded first of all', async () => {
    await log.table('create table busy (id int primary key, n int, name text)', 'busy')
    await log.run("insert into busy values (1, 0, 'first'), (2, 0, 'first')")
    await log.run('do $$ begin for step in 1..130 loop update busy set n = n + 1; end loop; end $$')
    expect(await found()).toEqual([])
    await unseen("update busy set name = 'other' where id = 2")
    expect(await found()).toEqual([['rows_differ', 'public.busy', '2', 'name']])
  })
})

describe('a role that may not see every row', () => {
  it('B45 is told so, and raises no alarm', async () => {
    await log.table('create table mine (id int primary key, who text)', 'mine')
    await log.run("insert into mine values (1, 'a'), (2, 'b')")
    await createLoginRole(log.pool, 'reconcile_owner')
    await log.run(`grant daybook_owner to reconcile_owner; grant select on mine to reconcile_owner;
      alter table mine enable row level security; create policy p on mine for select using (who = 'a')`)
    const pool = new pg.Pool({ connectionString: log.urlAs('reconcile_owner'), max: 2 })
    const { findings, reconciliation } = await doctor(fromPgPool(pool))
    await pool.end()
    expect(findings.filter(({ code }) => OF_ROWS.test(code))).toEqual([])
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'not_checked', subject: expect.objectContaining({ table: 'public.mine' }) }),
    )
    expect(reconciliation?.tables).toEqual([])
  })
})
