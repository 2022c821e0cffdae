import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baseline } from '../../src/capture/postgres/baseline.ts'
import { track, untrack } from '../../src/capture/postgres/index.ts'
import { recordEvent } from '../../src/capture/postgres/record.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { createLoginRole } from '../database.ts'
import { EDGE_TYPES, EDGES } from './edge-values.ts'
import { type CapturedEntry, type CaptureLog, connect, createCaptureLog } from './log.ts'
import { type Replayed, replay } from './replay.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
})
afterAll(() => log?.close())

const told = (entries: readonly CapturedEntry[]) => entries.map(({ action, object_id }) => `${action} ${object_id}`)

/** Makes a table with rows, tracks it afterwards, and reads away what is in the log. */
async function existing(definition: string, name: string, options?: Parameters<CaptureLog['table']>[2]) {
  await log.table(definition, name, options)
  await log.allEntries()
}

describe('a baseline', () => {
  it('B19 gives each existing row one entry of what it holds, and none to rows that have one', async () => {
    await existing(
      "create table stock (id int primary key, name text, password text); insert into stock select i, 'n' || i, 'hunter2' from generate_series(1, 25) i",
      'stock',
      { label: 'name' },
    )
    await log.run(
      "update stock set name = 'changed' where id = 3; delete from stock where id = 4; insert into stock values (26)",
    )
    await log.entries()
    const progress: unknown[] = []
    const result = await baseline(log.database, 'stock', { batchRows: 10, onProgress: (step) => progress.push(step) })
    expect(result).toEqual({ seen: 25, written: 23 })
    expect(progress).toEqual([
      { seen: 10, written: 9 },
      { seen: 20, written: 19 },
      { seen: 25, written: 23 },
    ])
    const entries = await log.entries()
    expect(told(entries)).toEqual(
      Array.from({ length: 25 }, (_, place) => place + 1)
        .filter((id) => id !== 3 && id !== 4)
        .map((id) => `baseline ${id}`),
    )
    expect(entries[0]).toMatchObject({
      ...{ model: 'Stock', table_name: 'public.stock', object_label: 'n1', previous_object_id: null },
      ...{ actor_type: 'database', actor_id: 'postgres', changed_fields: ['id', 'name', 'password'] },
      changes: { id: [null, 1], name: [null, 'n1'], password: [null, { $daybook: 'masked' }] },
    })
    expect(JSON.stringify(entries)).not.toContain('hunter2')
    expect(new Set(entries.map(({ statement_id }) => statement_id)).size).toBe(3)
    expect(await baseline(log.database, 'stock')).toEqual({ seen: 25, written: 0 })
    expect(await log.entries()).toEqual([])
  })

  it('B19 records the text that the capture records, of every type and whatever the settings are', async () => {
    await log.run(EDGE_TYPES)
    const columns = EDGES.map(([type], place) => `c${place} ${type}`).join(', ')
    const values = EDGES.map(([type, value]) => `${value}::${type}`).join(', ')
    await log.run(
      `create table edges (id int primary key, ${columns}); insert into edges values (1, ${values}); insert into edges values (2)`,
    )
    await track(log.database, 'edges', { mask: ['c20'] })
    await log.allEntries()
    const client = await connect(log.url)
    try {
      await client.query(`set "TimeZone" = 'Asia/Kolkata'; set "DateStyle" = 'German'; set "IntervalStyle" = 'sql_standard';
        set bytea_output = 'escape'; set extra_float_digits = -3; set quote_all_identifiers = on`)
      await client.query("select daybook.baseline('edges')")
    } finally {
      await client.end()
    }
    const baselines = await log.entries()
    await log.run('create table edges_kept as table edges; delete from edges')
    await log.entries()
    await log.run('insert into edges select * from edges_kept order by id')
    const created = await log.entries()
    expect(created).toHaveLength(2)
    expect(baselines.map(({ changes_text }) => changes_text)).toEqual(created.map(({ changes_text }) => changes_text))
    expect(baselines.map(({ object_id }) => object_id)).toEqual(['1', '2'])
  })

  it.each<[what: string, definition: string, rows: string, keys: string[]]>([
    [
      'text',
      'k text primary key',
      'select x from unnest(\'{b,a,"",Ä,"a b","\\\\"}\'::text[]) x',
      ['', '\\', 'a', 'a b', 'b', 'Ä'],
    ],
    ['long texts', 'k text primary key', "select repeat(x, 2000) from unnest('{a,b,c}'::text[]) x", []],
    ['uuid', 'k uuid primary key', 'select gen_random_uuid() from generate_series(1, 7)', []],
    [
      'numeric',
      'k numeric primary key',
      "select unnest('{1.0,NaN,-5,1e30,Infinity}'::numeric[])",
      ['-5', '1.0', `1${'0'.repeat(30)}`, 'Infinity', 'NaN'],
    ],
    [
      'float',
      'k float8 primary key',
      "select unnest('{0.1,0.30000000000000004,NaN,-Infinity}'::float8[])",
      ['-Infinity', '0.1', '0.30000000000000004', 'NaN'],
    ],
    ['char', 'k char(5) primary key', "select unnest('{b,a,c}'::text[])", ['a    ', 'b    ', 'c    ']],
    ['bit', 'k bit(3) primary key', "select unnest('{101,001,111}'::bit(3)[])", ['001', '101', '111']],
    [
      'time',
      'k timestamptz primary key',
      "select '2026-01-01 00:00:00.000001+00'::timestamptz + i * interval '1 microsecond' from generate_series(1, 7) i",
      [],
    ],
    ['interval', 'k interval primary key', "select i * interval '1 month' from generate_series(1, 7) i", []],
    [
      'bytea',
      'k bytea primary key',
      "select decode(lpad(to_hex(i), 2, '0'), 'hex') from generate_series(250, 255) i",
      [],
    ],
    ['an array', 'k int[] primary key', 'select array[i / 3, i] from generate_series(1, 7) i', []],
    ['a range', 'k int4range primary key', 'select int4range(i, i + 5) from generate_series(1, 7) i', []],
    ['an enum', 'k feeling primary key', "select unnest('{ok,bad,so}'::feeling[])", ['so', 'ok', 'bad']],
    ['a domain of an enum', 'k feelings primary key', "select unnest('{ok,bad,so}'::feeling[])", ['so', 'ok', 'bad']],
    ['a domain', 'k over_ten primary key', 'select i from generate_series(11, 17) i', []],
    ['a composite type', 'k spot primary key', 'select row(i % 3, i::text)::spot from generate_series(1, 7) i', []],
    ['inet', 'k inet primary key', "select '10.0.0.0'::inet + i from generate_series(1, 7) i", []],
    ['jsonb', 'k jsonb primary key', `select unnest(array['{"a":1}', '[]', 'null', '"x"']::jsonb[])`, []],
    [
      'a type of an extension',
      'k citext primary key',
      "select unnest('{b,A,a1,B2,Z,c}'::text[])",
      ['A', 'a1', 'b', 'B2', 'c', 'Z'],
    ],
    [
      'a collation of its own',
      'k text collate folded primary key',
      "select unnest('{b,A,c,D}'::text[])",
      ['A', 'b', 'c', 'D'],
    ],
    [
      'several columns',
      'a int, b text, k int, primary key (k, a, b)',
      'select i % 2, chr(65 + i % 5), i % 3 from generate_series(1, 30) i',
      [],
    ],
    [
      'several columns of an extension',
      'a int, k citext, b citext, primary key (a, k, b)',
      'select i % 2, chr(65 + i % 3), chr(97 + i % 5) from generate_series(1, 30) i',
      [],
    ],
  ])('B12 B19 goes through keys of any type, batch by batch: %s', async (_what, definition, rows, keys) => {
    await log.run(`drop table if exists keyed;
      do $$ begin create type feeling as enum ('so', 'ok', 'bad'); create domain over_ten as int check (value > 10);
        create domain feelings as feeling;
        create type spot as (x int, y text); create extension citext;
        create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false); exception when duplicate_object then null; end $$;`)
    await existing(`create table keyed (${definition}); insert into keyed ${rows}`, 'keyed')
    const count = (await log.run('select count(*)::int as n from keyed')).rows[0].n
    expect(await baseline(log.database, 'keyed', { batchRows: 2 })).toEqual({ seen: count, written: count })
    const entries = await log.entries()
    expect(new Set(entries.map(({ object_id }) => object_id)).size).toBe(count)
    if (keys.length > 0) expect(entries.map(({ object_id }) => object_id)).toEqual(keys)
    expect(await baseline(log.database, 'keyed', { batchRows: 3 })).toEqual({ seen: count, written: 0 })
    expect(await log.entries()).toEqual([])
    await untrack(log.database, 'keyed')
    await log.run('delete from daybook.entry')
  })

  it('B13 B19 takes tables and columns of any name', async () => {
    const names = [
      'k',
      'n',
      'l',
      'w',
      't',
      'r',
      'v',
      'place',
      'relid',
      'tid',
      'value',
      'key',
      'a"b',
      "it's",
      '%s',
      '%1$s',
      '$1',
      '名前',
      'select',
    ]
    const columns = names.map((name) => `"${name.replaceAll('"', '""')}" text`)
    await existing(
      `create schema "Odd one"; create table "Odd one"."a.b" (${columns.join(', ')}, primary key (${names
        .slice(0, 12)
        .map((name) => `"${name.replaceAll('"', '""')}"`)
        .join(', ')}));
       insert into "Odd one"."a.b" select ${names.map((_, place) => `'${place}' || i`).join(', ')} from generate_series(1, 5) i`,
      '"Odd one"."a.b"',
      { label: ['a"b', '%s'] },
    )
    expect(await baseline(log.database, 'Odd one.a.b', { batchRows: 2 })).toEqual({ seen: 5, written: 5 })
    const [first] = await log.entries()
    expect(first?.changed_fields).toEqual(names)
    expect(first?.object_label).toBe('121 141')
    expect(await baseline(log.database, 'Odd one.a.b', { batchRows: 2 })).toEqual({ seen: 5, written: 0 })
  })

  it('B11 B19 goes through the partitions of a table', async () => {
    await existing(
      `create table reading (id int, day date, n int, primary key (id, day)) partition by range (day);
       create table reading_1 partition of reading for values from ('2026-01-01') to ('2026-02-01');
       create table reading_2 partition of reading for values from ('2026-02-01') to ('2026-03-01');
       insert into reading select i, date '2026-01-01' + i % 59, i from generate_series(1, 100) i`,
      'reading',
    )
    expect(await baseline(log.database, 'reading', { batchRows: 30 })).toEqual({ seen: 100, written: 100 })
    const entries = await log.entries()
    expect(entries.map(({ changes }) => changes.id?.[1])).toEqual(Array.from({ length: 100 }, (_, place) => place + 1))
    expect(new Set(entries.map(({ table_name }) => table_name))).toEqual(new Set(['public.reading']))
  })

  it('B19 B27 B28 of links names both sides, and stands in both timelines', async () => {
    await log.run(`create table person (id int primary key, name text); create table club (id int primary key, name text);
      create table role (id int primary key, name text);
      create table joined (person_id int references person, club_id int references club, primary key (person_id, club_id));
      create table person_role (id int primary key, person_id int references person, role_id int references role);
      insert into person values (1, 'Ada'), (2, 'Bob'); insert into club values (7, 'Chess'); insert into role values (9, 'Admin');
      insert into joined values (1, 7), (2, 7); insert into person_role values (1, 1, 9), (2, null, 9)`)
    for (const name of ['person', 'club', 'role']) await track(log.database, name, { label: 'name' })
    await track(log.database, 'joined', { link: { from: 'person_id', to: 'club_id' } })
    await track(log.database, 'person_role', { permission: { to: 'person_id', grants: 'role_id' } })
    await log.run('delete from joined where person_id = 2; insert into joined values (2, 7)')
    await log.entries()
    expect(await baseline(log.database, 'joined')).toEqual({ seen: 2, written: 1 })
    expect(await baseline(log.database, 'person_role')).toEqual({ seen: 2, written: 1 })
    expect(await log.entries()).toMatchObject([
      {
        ...{ action: 'baseline', model: 'Person', object_id: '1', object_label: 'Ada', table_name: 'public.joined' },
        ...{ related_model: 'Club', related_id: '7', related_label: 'Chess' },
        changes: { person_id: [null, 1], club_id: [null, 7] },
      },
      {
        ...{
          action: 'baseline',
          model: 'Person',
          object_id: '1',
          object_label: 'Ada',
          table_name: 'public.person_role',
        },
        ...{ related_model: 'Role', related_id: '9', related_label: 'Admin' },
        changes: { id: [null, 1], person_id: [null, 1], role_id: [null, 9] },
      },
    ])
    expect(await baseline(log.database, 'joined')).toEqual({ seen: 2, written: 0 })
    expect(await baseline(log.database, 'person_role')).toEqual({ seen: 2, written: 0 })
  })

  it('B19 counts neither events of the application as entries of a row, nor those of a row that had its key before', async () => {
    await existing(
      'create table invoice (id int primary key, n int); insert into invoice values (1, 1), (2, 2)',
      'invoice',
    )
    await recordEvent(log.database, { action: 'invoice.approved', object: { model: 'Invoice', id: '1' } })
    await log.run('delete from invoice where id = 2')
    await log.run(
      'alter table invoice disable trigger user; insert into invoice values (2, 3); alter table invoice enable trigger user',
    )
    await log.entries()
    expect(await baseline(log.database, 'invoice')).toEqual({ seen: 2, written: 2 })
    expect((await log.entries()).map(({ object_id, changes }) => [object_id, changes.n])).toEqual([
      ['1', [null, 1]],
      ['2', [null, 3]],
    ])
  })
})

describe('a baseline among writers', () => {
  it('B19 is never of a row as it was before an entry, whatever writers do meanwhile', async () => {
    await log.run(`create table busy (id int primary key, n int, seen int default 0);
      insert into busy select i, 0 from generate_series(1, 1200) i`)
    await track(log.database, 'busy', { exclude: ['seen'] })
    await log.allEntries()
    let running = true
    const random = (least: number, most: number) => least + Math.floor(Math.random() * (most - least + 1))
    const writer = async () => {
      const client = await connect(log.url)
      try {
        while (running) {
          const ids = [random(1, 1200), random(1, 1200)]
          const statement = [
            `update busy set n = n + 1 where id = ${ids[0]}`,
            `begin; update busy set n = n + 1 where id between ${ids[0]} and ${ids[0]} + 5; select pg_sleep(0.01); commit`,
            `begin; update busy set seen = 0 where id between ${ids[0]} and ${ids[0]} + 5; select pg_sleep(0.01); commit`,
            `begin; update busy set n = n + 1 where id = ${ids[0]}; update busy set n = n + 1 where id = ${ids[1]}; rollback`,
            `update busy set seen = seen + 1 where id between ${ids[0]} and ${ids[0]} + 20`,
            `update busy set n = n where id = ${ids[0]}`,
            `delete from busy where id = ${ids[0]}`,
            `insert into busy values (${ids[0]}, 0) on conflict (id) do update set n = busy.n + 10`,
            `update busy set id = ${ids[0] ?? 0} + 1000 where id = ${ids[0]} and not exists (select from busy where id = ${ids[0] ?? 0} + 1000)`,
          ][random(0, 8)] as string
          await client.query(statement).catch(async (error: { code: string }) => {
            // Of each other, not of the baseline.
            expect(['23505', '40P01']).toContain(error.code)
            await client.query('rollback')
          })
        }
      } finally {
        await client.end()
      }
    }
    const writers = Array.from({ length: 5 }, writer)
    const first = await baseline(log.database, 'busy', { batchRows: 40 })
    running = false
    await Promise.all(writers)
    expect(first.written).toBeGreaterThan(0)
    const entries = await log.entries()
    const rows: Replayed = new Map(
      Array.from({ length: 1200 }, (_, place) => [`${place + 1}`, { id: place + 1, n: 0 }]),
    )
    const known = new Set<string | null>()
    for (const entry of entries) {
      if (entry.action !== 'baseline') replay([entry], rows)
      else {
        // What it shows is what the entries before it have led to, and it is the first of its row.
        const shown = Object.fromEntries(Object.entries(entry.changes).map(([field, [, value]]) => [field, value]))
        expect(shown, entry.id).toEqual(rows.get(entry.object_id ?? ''))
        expect(known.has(entry.object_id), entry.id).toBe(false)
      }
      if (entry.action === 'delete') known.delete(entry.object_id)
      else known.add(entry.object_id)
    }
    const { rows: now } = await log.run('select id::text, n from busy')
    expect(new Map(now.map(({ id, n }) => [id, n]))).toEqual(new Map([...rows].map(([id, row]) => [id, row.n])))
    // Every row that is there is known, by its baseline or by a change.
    expect(now.filter(({ id }) => !known.has(id))).toEqual([])
    expect(entries.filter(({ action }) => action === 'baseline')).toHaveLength(first.written)
    expect((await baseline(log.database, 'busy')).written).toBe(0)
  })

  it('B19 waits for a row that is held without holding any, and takes it as it is then', async () => {
    await existing(
      'create table slow (id int primary key, n int, seen int); insert into slow select i, i, 0 from generate_series(1, 30) i',
      'slow',
      { exclude: ['seen'] },
    )
    const holder = await connect(log.url)
    try {
      await holder.query(
        'begin; update slow set n = -1 where id = 5; update slow set seen = 1 where id = 6; delete from slow where id = 7',
      )
      let waited = 0
      const running = baseline(log.database, 'slow', { batchRows: 10, onWait: () => waited++ })
      while (waited === 0) await sleep(10)
      // What the baseline would hold, or wait for, would be in the way of these.
      await log.run("set lock_timeout = '100ms'; update slow set n = n + 100 where id not in (5, 6, 7)")
      await holder.query('commit')
      expect(await running).toEqual({ seen: 30, written: 8 })
      expect(waited).toBe(1)
    } finally {
      await holder.end()
    }
    const entries = await log.entries()
    expect(told(entries.filter(({ action }) => action === 'baseline'))).toEqual(
      [1, 2, 3, 4, 8, 9, 10, 6].map((id) => `baseline ${id}`),
    )
  })

  it('B19 gives up on a row that is held for too long, and goes on when it is run again', async () => {
    await existing(
      'create table stuck (id int primary key, n int); insert into stuck select i, i from generate_series(1, 30) i',
      'stuck',
    )
    const holder = await connect(log.url)
    try {
      await holder.query('begin; update stuck set n = 0 where id = 15')
      await expect(baseline(log.database, 'stuck', { batchRows: 10, waitMs: 0 })).rejects.toMatchObject({
        code: 'lock_timeout',
        details: { seen: 20, written: 19 },
      })
      await holder.query('rollback')
    } finally {
      await holder.end()
    }
    expect(await baseline(log.database, 'stuck', { batchRows: 10 })).toEqual({ seen: 30, written: 11 })
    expect(await log.entries()).toHaveLength(30)
  })

  it('B19 goes on where it was killed, and writes nothing twice', async () => {
    await existing(
      'create table killed (id int primary key, n int); insert into killed select i, i from generate_series(1, 2000) i',
      'killed',
    )
    for (const after of [300, 900, 1500]) {
      const application = `baseline-${after}`
      const pool = new pg.Pool({ connectionString: log.url, application_name: application, max: 1 })
      pool.on('error', () => {})
      let killing: Promise<unknown> | undefined
      const running = baseline(fromPgPool(pool), 'killed', {
        batchRows: 100,
        onProgress: ({ seen }) => {
          if (seen < after) return
          killing ??= log.run('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
            application,
          ])
        },
      })
      await expect(running).rejects.toThrow()
      await killing
      await pool.end()
    }
    const { rows: before } = await log.run(
      "select count(*)::int as n from daybook.entries where model = 'Killed' and action = 'baseline'",
    )
    expect(before[0].n).toBeGreaterThanOrEqual(1500)
    expect(before[0].n).toBeLessThan(2000)
    expect(await baseline(log.database, 'killed')).toEqual({ seen: 2000, written: 2000 - before[0].n })
    const entries = await log.entries()
    expect(entries).toHaveLength(2000)
    expect(new Set(entries.map(({ object_id }) => object_id)).size).toBe(2000)
  })

  it('B19 stops when it is told to', async () => {
    await existing(
      'create table halted (id int primary key); insert into halted select generate_series(1, 100)',
      'halted',
    )
    const controller = new AbortController()
    await expect(
      baseline(log.database, 'halted', {
        batchRows: 10,
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('enough')),
      }),
    ).rejects.toThrow('enough')
    expect(await log.entries()).toHaveLength(10)
  })

  it('B11 B19 gets along with rows that move between partitions', async () => {
    await existing(
      `create table moved (id int primary key, n int) partition by range (id);
       create table moved_1 partition of moved for values from (0) to (1000);
       create table moved_2 partition of moved for values from (1000) to (2000);
       insert into moved select i, 0 from generate_series(1, 200) i`,
      'moved',
    )
    let running = true
    const mover = (async () => {
      for (let round = 0; running; round++) {
        await log.run(`update moved set id = (id + 1000) % 2000 where id % 1000 = ${(round % 200) + 1}`)
      }
    })()
    for (let round = 0; round < 3; round++) await baseline(log.database, 'moved', { batchRows: 5 })
    running = false
    await mover
    await baseline(log.database, 'moved')
    const { rows } = await log.run(`select id from moved m where not exists (
      select from daybook.entries e where e.model = 'Moved' and e.object_id = m.id::text)`)
    expect(rows).toEqual([])
  })
})

describe('what can not have one', () => {
  it('B19 a table that is not tracked, not captured, or whose rows can not be told apart is refused', async () => {
    await log.run('create table untracked (id int primary key)')
    await expect(baseline(log.database, 'untracked')).rejects.toMatchObject({ code: 'not_tracked' })
    await expect(baseline(log.database, 'nowhere')).rejects.toMatchObject({ code: 'unknown_table' })
    await log.table('create table keyless (id int)', 'keyless')
    await expect(baseline(log.database, 'keyless')).rejects.toMatchObject({
      code: 'not_trackable',
      message: expect.stringContaining('primary key'),
    })
    await log.table('create table hidden (id int, api_key text, primary key (id, api_key))', 'hidden')
    await expect(baseline(log.database, 'hidden')).rejects.toMatchObject({ code: 'not_trackable' })
    await log.table('create table unheard (id int primary key)', 'unheard')
    await log.run('alter table unheard disable trigger daybook_update')
    await expect(baseline(log.database, 'unheard')).rejects.toMatchObject({
      code: 'not_tracked',
      message: expect.stringContaining('switched off'),
    })
    for (const batchRows of [0, -1, 100_001]) {
      await expect(baseline(log.database, 'unheard', { batchRows })).rejects.toMatchObject({ code: expect.any(String) })
    }
  })

  it('B45 the role of the application can write none', async () => {
    await createLoginRole(log.pool, 'baseline_app')
    await existing('create table guarded (id int primary key); insert into guarded values (1)', 'guarded')
    await log.run('grant daybook_writer to baseline_app; grant all on guarded to baseline_app')
    const app = await connect(log.urlAs('baseline_app'))
    try {
      await expect(app.query("select daybook.baseline('guarded')")).rejects.toMatchObject({ code: '42501' })
      await expect(app.query("select daybook.record('baseline')")).rejects.toMatchObject({ code: 'YD005' })
      await expect(app.query("select daybook.record('capture.paused')")).rejects.toMatchObject({ code: 'YD005' })
      await expect(app.query("select daybook.write_event('baseline', 'Guarded')")).rejects.toMatchObject({
        code: '42501',
      })
    } finally {
      await app.end()
    }
    expect(await log.entries()).toEqual([])
  })

  it('B19 the owner of a table with row-level security gives all rows one', async () => {
    await createLoginRole(log.pool, 'baseline_owner')
    await log.run(`grant daybook_owner to baseline_owner; grant create on schema public to baseline_owner;
      create table policed (id int primary key); alter table policed owner to baseline_owner; insert into policed values (1), (2)`)
    await track(log.database, 'policed')
    await log.run('alter table policed enable row level security')
    await log.entries()
    const pool = new pg.Pool({ connectionString: log.urlAs('baseline_owner'), max: 1 })
    try {
      expect(await baseline(fromPgPool(pool), 'policed')).toEqual({ seen: 2, written: 2 })
      // With the policies forced it would see some of them: it must not say that these are all.
      await log.run('alter table policed force row level security')
      await expect(baseline(fromPgPool(pool), 'policed')).rejects.toMatchObject({ code: 'permission_denied' })
    } finally {
      await pool.end()
    }
  })
})
