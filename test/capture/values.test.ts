import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import fc from '../fast-check.ts'
import { EDGE_TYPES, EDGES, fieldTexts } from './edge-values.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog
let version: number

beforeAll(async () => {
  log = await createCaptureLog()
  version = Number((await log.run('show server_version_num')).rows[0].server_version_num)
  await log.run(EDGE_TYPES)
})
afterAll(() => log?.close())

describe('every type', () => {
  it('B15 every built-in type and its edges are recorded as they stand, new and old', async () => {
    const columns = EDGES.map(([type], place) => `c${place} ${type}`)
    await log.table(`create table edges (id int primary key, ${columns.join(', ')})`, 'edges')
    const values = EDGES.map(([type, value]) => `${value}::${type}`)
    await log.run(`insert into edges values (1, ${values.join(', ')})`)
    await log.run(`update edges set ${EDGES.map((_, place) => `c${place} = null`).join(', ')}`)
    await log.run(`update edges set ${EDGES.map((_, place) => `c${place} = ${values[place]}`).join(', ')}`)
    await log.run('delete from edges')
    const [created, emptied, filled, deleted] = (await log.entries()).map(({ changes_text }) =>
      fieldTexts(changes_text),
    )
    for (const [place, [type, value, recorded]] of EDGES.entries()) {
      const what = `${value} as ${type}`
      expect(created?.get(`c${place}`), what).toBe(`[null,${recorded}]`)
      expect(emptied?.get(`c${place}`), what).toBe(`[${recorded},null]`)
      expect(filled?.get(`c${place}`), what).toBe(`[null,${recorded}]`)
      expect(deleted?.get(`c${place}`), what).toBe(`[${recorded},null]`)
    }
  })

  it('B15 xml is recorded as its text', async ({ skip }) => {
    const there = await log.run("select '<a/>'::xml").then(
      () => true,
      () => false,
    )
    if (!there) skip('this server was built without XML')
    await log.table('create table documents (id int primary key, doc xml)', 'documents')
    await log.run(`insert into documents values (1, '<?xml version="1.0"?><a b="c">&amp;</a>')`)
    await log.run(`update documents set doc = '<a b="c">&amp;</a>'`)
    await log.run('update documents set doc = doc, id = 1')
    expect((await log.entries()).map(({ changes }) => changes.doc)).toEqual([[null, '<a b="c">&amp;</a>']])
  })

  for (const [extension, type, before, after] of [
    ['hstore', 'hstore', 'a=>1', 'a=>2'],
    ['citext', 'citext', 'Ada', 'ADA'],
    ['ltree', 'ltree', 'a.b', 'a.c'],
  ] as const) {
    it(`B15 ${type}, whose operators are not PostgreSQL's own, is recorded`, async ({ skip }) => {
      const { rows } = await log.run('select from pg_available_extensions where name = $1', [extension])
      if (rows.length === 0) skip(`this server has no ${extension}`)
      await log.run(`create extension ${extension}`)
      await log.table(`create table has_${type} (id int primary key, v ${type}, vs ${type}[])`, `has_${type}`, {
        label: 'v',
      })
      await log.run(`insert into has_${type} values (1, $1::text::${type}, array[$1::text::${type}])`, [before])
      await log.run(`update has_${type} set v = $1::text::${type}`, [after])
      await log.run(`update has_${type} set v = v, vs = vs`)
      const entries = await log.entries()
      expect(entries.map(({ action, changed_fields }) => [action, changed_fields])).toEqual([
        ['create', ['id', 'v', 'vs']],
        ['update', ['v']],
      ])
      const shown = (
        await log.run(`select $1::text::${type}::text as before, $2::text::${type}::text as after`, [before, after])
      ).rows[0]
      expect(entries[1]?.changes.v).toEqual([shown.before, shown.after])
      expect(entries[1]?.object_label).toBe(shown.after)
    })
  }

  it('B15 generated and identity columns are recorded, virtual ones are left out', async () => {
    const virtual = version >= 180000 ? ', loud text generated always as (upper(name)) virtual' : ''
    await log.table(
      `create table made (id int generated always as identity primary key, name text, twice text generated always as (name || name) stored${virtual})`,
      'made',
      { label: ['name', 'twice'] },
    )
    await log.run("insert into made (name) values ('a'), ('b')")
    await log.run("update made set name = 'c' where name = 'a'")
    await log.run('delete from made')
    const entries = await log.entries()
    expect(
      entries.map(({ action, object_id, object_label, changes }) => ({ action, object_id, object_label, changes })),
    ).toEqual([
      {
        action: 'create',
        object_id: '1',
        object_label: 'a aa',
        changes: { id: [null, 1], name: [null, 'a'], twice: [null, 'aa'] },
      },
      {
        action: 'create',
        object_id: '2',
        object_label: 'b bb',
        changes: { id: [null, 2], name: [null, 'b'], twice: [null, 'bb'] },
      },
      { action: 'update', object_id: '1', object_label: 'c cc', changes: { name: ['a', 'c'], twice: ['aa', 'cc'] } },
      {
        action: 'delete',
        object_id: '2',
        object_label: 'b bb',
        changes: { id: [2, null], name: ['b', null], twice: ['bb', null] },
      },
      {
        action: 'delete',
        object_id: '1',
        object_label: 'c cc',
        changes: { id: [1, null], name: ['c', null], twice: ['cc', null] },
      },
    ])
    if (virtual) {
      await expect(track(log.database, 'made', { label: 'loud' })).rejects.toMatchObject({ code: 'not_trackable' })
    }
  })

  it('B15 three hundred columns are recorded, and only those that changed', async () => {
    const names = Array.from({ length: 300 }, (_, place) => `column_${place}`)
    await log.table(
      `create table wide (id int primary key, ${names.map((name, place) => `${name} ${place % 2 ? 'int' : 'text'}`).join(', ')})`,
      'wide',
    )
    await log.run(`insert into wide values (1, ${names.map((_, place) => place).join(', ')})`)
    await log.run('insert into wide (id) values (2), (3)')
    await log.run("update wide set column_0 = 'x', column_151 = -1, column_299 = null where id = 1")
    await log.run('update wide set column_299 = id')
    await log.run('delete from wide')
    const entries = await log.entries()
    expect(entries.map(({ action, changed_fields }) => `${action} ${changed_fields.length}`)).toEqual([
      'create 301',
      'create 301',
      'create 301',
      'update 3',
      'update 1',
      'update 1',
      'update 1',
      'delete 301',
      'delete 301',
      'delete 301',
    ])
    expect(entries[0]?.changes.column_298).toEqual([null, '298'])
    expect(entries[0]?.changes.column_299).toEqual([null, 299])
    expect(entries[3]?.changes).toEqual({ column_0: ['0', 'x'], column_151: [151, -1], column_299: [299, null] })
    expect(Object.keys(entries[7]?.changes ?? {})).toHaveLength(301)
  })

  it('B15 a table as wide as PostgreSQL allows is recorded', async () => {
    const names = Array.from({ length: 1599 }, (_, place) => `c${place} int`)
    await log.table(`create table widest (id int primary key, ${names.join(', ')})`, 'widest')
    await log.run('insert into widest (id) values (1), (2)')
    await log.run('update widest set c0 = 1, c1598 = id')
    await log.run('delete from widest where id = 1')
    expect((await log.entries()).map(({ action, changed_fields }) => `${action} ${changed_fields.length}`)).toEqual([
      'create 1600',
      'create 1600',
      'update 2',
      'update 2',
      'delete 1600',
    ])
  })

  it('B15 dropped columns, a table of no columns and one of none that is recorded do not disturb', async () => {
    await log.run(
      'create table gaps (a int, id int primary key, b text, c text); alter table gaps drop column a, drop column b',
    )
    await track(log.database, 'gaps', { label: 'c' })
    await log.run("insert into gaps values (1, 'x'), (2, 'y')")
    await log.run("update gaps set c = 'z' where id = 1")
    await log.table('create table nothing ()', 'nothing').catch((error) => expect(error.code).toBe('not_trackable'))
    expect(
      (await log.entries()).map(({ object_id, object_label, changes }) => [object_id, object_label, changes]),
    ).toEqual([
      ['1', 'x', { id: [null, 1], c: [null, 'x'] }],
      ['2', 'y', { id: [null, 2], c: [null, 'y'] }],
      ['1', 'z', { c: ['x', 'z'] }],
    ])
  })
})

describe('differences', () => {
  const cases: [type: string, before: string, after: string, changed: boolean][] = [
    ['numeric', '1.0', '1.00', true],
    ['numeric', "'NaN'", "'NaN'", false],
    ['interval', "'1 day'", "'24 hours'", true],
    ['box', "'(0,0),(2,2)'", "'(0,0),(1,4)'", true],
    ['circle', "'<(0,0),1>'", "'<(5,5),1>'", true],
    ['path', "'[(0,0),(1,0)]'", "'[(0,0),(0,1)]'", true],
    ['point', "'(1,2)'", "'(1,2)'", false],
    ['double precision', '0', "'-0'", true],
    ['double precision', "'NaN'", "'NaN'", false],
    ['text', "'a'", "'a '", true],
    ['char(4)', "'a'", "'a  '", false],
    ['text', "''", 'null', true],
    ['text', "'None'", 'null', true],
    ['text', "'None'", "''", true],
    ['pair', 'row(null, null)', 'null', true],
    ['pair', "row(1, '')", 'row(1, null)', true],
    ['json', '\'{"a": 1, "b": {"c": 2, "d": 3}}\'', '\'{ "b": {"d":3, "c":2}, "a":1 }\'', false],
    ['jsonb', '\'{"a": 1, "b": {"c": 2, "d": 3}}\'', '\'{ "b": {"d":3, "c":2}, "a":1 }\'', false],
    ['json', '\'{"a": 1}\'', '\'{"a": 2}\'', true],
    ['json', "'[1, 2]'", "'[2, 1]'", true],
    ['json', '\'{"a": 1, "a": 2}\'', '\'{"a": 2}\'', true],
    ['json', '\'"\\u0000"\'', '\'"\\u0000 "\'', true],
    ['json', "'null'", 'null', true],
    ['jsonb', "'null'", 'null', true],
    ['jsonb', "'1.0'", "'1.00'", true],
    ['json[]', 'array[\'{"a":1}\'::json]', 'array[\'{"a":1}\'::json]', false],
    ['int[]', "'{1}'", "'{1,null}'", true],
    ['int[]', "'{}'", 'null', true],
    ['tsvector', "'a:1'", "'a:2'", true],
    ['timestamptz', "'2024-01-01 00:00+00'", "'2024-01-01 02:00+02'", false],
    ['money', "'1'", "'1.00'", false],
    ['bytea', "'\\x01'", "'\\x0100'", true],
  ]

  it('B20 null, the empty text and None stay apart, reordered keys are no change, and equal-looking values are told apart', async () => {
    for (const [place, [type, before, after, changed]] of cases.entries()) {
      const name = `difference_${place}`
      await log.table(`create table ${name} (id int primary key, v ${type})`, name)
      await log.run(`insert into ${name} values (1, ${before}), (2, ${before}), (3, ${after})`)
      await log.entries()
      await log.run(`update ${name} set v = ${after} where id = 1`)
      const alone = await log.entries()
      await log.run(`update ${name} set v = ${after} where id in (2, 3)`)
      const among = await log.entries()
      expect([alone.length, among.length], `${type}: ${before} to ${after}`).toEqual(changed ? [1, 1] : [0, 0])
    }
  })

  it('B20 a collation that calls two texts equal hides no change', async ({ skip }) => {
    const icu = await log
      .run("create collation blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
      .then(
        () => true,
        () => false,
      )
    if (!icu) skip('this server was built without ICU')
    await log.table('create table blind (id int primary key, v text collate blind)', 'blind')
    await log.run("insert into blind values (1, 'resume')")
    await log.run("update blind set v = 'RÉSUMÉ'")
    expect((await log.entries())[1]?.changes).toEqual({ v: ['resume', 'RÉSUMÉ'] })
  })
})

describe('large values', () => {
  const sha256 = (value: string | Buffer) => createHash('sha256').update(value).digest('hex')

  it('B15 a value over the cap is recorded as its size and digest, and a change of it as a change', async () => {
    await log.table(
      'create table large (id int primary key, t text, j json, jb jsonb, b bytea, list text[], c pair, small text)',
      'large',
    )
    const text = 'é'.repeat(600_000)
    const json = `{"a": "${'x'.repeat(1_100_000)}"}`
    const bytes = Buffer.alloc(700_000, 7)
    await log.run('insert into large values (1, $1, $2::text::json, $2::text::jsonb, $3, array[$1], row(1, $1), $4)', [
      text,
      json,
      bytes,
      's',
    ])
    await log.run("update large set t = t || 'x', small = 'also'")
    await log.run('update large set t = t, j = j, jb = jb, b = b, list = list, c = c')
    const [created, updated, ...others] = await log.entries()
    expect(others).toEqual([])
    const capped = (value: string | Buffer) => ({
      $daybook: 'capped',
      bytes: Buffer.byteLength(value),
      sha256: sha256(value),
    })
    expect(created?.changes).toEqual({
      id: [null, 1],
      t: [null, capped(text)],
      j: [null, capped(json)],
      jb: [null, capped(json)],
      b: [null, capped(bytes)],
      list: [null, capped(`["${text}"]`)],
      c: [null, capped(`(1,${text})`)],
      small: [null, 's'],
    })
    expect(updated?.changes).toEqual({ t: [capped(text), capped(`${text}x`)], small: ['s', 'also'] })
  })

  it('B15 a text just below the cap is recorded whole, whatever it is made of', async () => {
    const text = '\u0001'.repeat(1_048_576)
    await log.run('insert into large (id, t) values (2, $1)', [text])
    expect((await log.entries())[0]?.changes.t).toEqual([null, text])
  })

  it('B15 a small jsonb that is a long text is capped too', async () => {
    await log.run(`insert into large (id, jb) select 3, jsonb_agg('1e131071'::numeric) from generate_series(1, 20)`)
    expect((await log.entries())[0]?.changes.jb).toMatchObject([null, { $daybook: 'capped', bytes: 20 * 131_072 + 40 }])
  })

  it('B15 many large values in one row are accepted', async () => {
    const names = Array.from({ length: 400 }, (_, place) => `t${place}`)
    await log.table(
      `create table heavy (id int primary key, ${names.map((name) => `${name} text`).join(', ')})`,
      'heavy',
    )
    // With its control characters escaped, all of it would be more than a text can be.
    await log.run(`insert into heavy select 1, ${names.map(() => `repeat(E'\\x01', 500000)`).join(', ')}`)
    await log.run('delete from heavy')
    const entries = (
      await log.run(
        "select action, octet_length(changes::text) as bytes from daybook.entries where model = 'Heavy' and action in ('create', 'update', 'delete') order by id",
      )
    ).rows
    expect(entries.map(({ action }) => action)).toEqual(['create', 'delete'])
    await log.entries()
  })

  it('B15 keys and labels of any length are accepted', async () => {
    await log.table('create table long_keys (a text, b bytea, label text, primary key (a, b))', 'long_keys', {
      label: 'label',
    })
    const random = (bytes: number) => Array.from({ length: bytes }, () => '"\\'[Math.floor(Math.random() * 2)]).join('')
    const key = random(900)
    await log.run("insert into long_keys values ($1, decode(repeat(md5($1), 50), 'hex'), repeat('long ', 100000))", [
      key,
    ])
    await log.table('create table long_key (id text primary key)', 'long_key')
    const { rows } = await log.run(
      "insert into long_key select string_agg(md5(n::text), '') from generate_series(1, 82) n returning id",
    )
    const entries = await log.entries()
    expect(entries).toHaveLength(2)
    expect(entries[0]?.object_label).toHaveLength(256)
    expect(Buffer.byteLength(entries[0]?.object_id ?? '')).toBeLessThan(1024)
    expect(entries[1]?.object_id).toBe(`${rows[0].id.slice(0, 128)}...sha256:${sha256(rows[0].id)}`)
    expect(entries[1]?.changes.id).toEqual([null, rows[0].id])
  })
})

describe('settings', () => {
  const SETTINGS = [
    [],
    [
      "set timezone = 'Asia/Kathmandu'",
      "set datestyle = 'SQL, DMY'",
      "set intervalstyle = 'postgres_verbose'",
      "set bytea_output = 'escape'",
      'set extra_float_digits = -15',
      'set quote_all_identifiers = on',
      'set standard_conforming_strings = off',
      'set search_path = pg_temp',
      'set transform_null_equals = on',
    ],
    [
      "set timezone = 'America/New_York'",
      "set datestyle = 'German'",
      "set intervalstyle = 'sql_standard'",
      'set extra_float_digits = 3',
    ],
  ]
  const VALUES: [type: string, value: string][] = [
    ['date', "date '2024-02-03'"],
    ['timestamp', "timestamp '2024-02-03 04:05:06'"],
    ['timestamptz', "timestamptz '2024-02-03 04:05:06+00'"],
    ['interval', "interval '1 year 2 days 3:04:05'"],
    ['float8', '0.1::float8 + 0.2::float8'],
    ['float4', '1.1::float4'],
    ['numeric', '12345.678'],
    ['bytea', "'\\x00ff'::bytea"],
    ['money', '12.5::float8::numeric::money'],
    ['tstzrange', "tstzrange('2024-02-03 04:05:06+00', null)"],
    ['daterange', "daterange('2024-02-03', '2024-03-04')"],
    ['date[]', "array[date '2024-02-03']"],
    ['interval[]', "array[interval '1 day']"],
    ['float8[]', 'array[0.1::float8 + 0.2::float8]'],
    ['regclass', "'daybook.entry'::regclass"],
    ['timetz', "timetz '04:05:06+01'"],
    ['point', 'point(0.1::float8 + 0.2::float8, 1)'],
    ['public.stamped', "row(timestamptz '2024-02-03 04:05:06+00', interval '1 day', '\\x00ff'::bytea)::public.stamped"],
  ]

  it('B16 sessions of any setting record the same text, as value, key and label', async () => {
    await log.run('create type stamped as (at timestamptz, lasted interval, bytes bytea)')
    for (const [place, [type, value]] of VALUES.entries()) {
      const names = { value: `setting_value_${place}`, key: `setting_key_${place}`, label: `setting_label_${place}` }
      await log.run(
        `create table ${names.value} (id int primary key, v ${type}); create table ${names.label} (id int primary key, v ${type})`,
      )
      await track(log.database, names.value)
      await track(log.database, names.label, { label: 'v', exclude: ['v'] })
      const canBeKey = !['point', 'public.stamped'].includes(type)
      if (canBeKey) await log.table(`create table ${names.key} (v ${type} primary key)`, names.key)
      const seen = new Set<string>()
      for (const [round, settings] of SETTINGS.entries()) {
        const client = await connect(log.url)
        for (const setting of settings) await client.query(setting)
        await client.query('set standard_conforming_strings = on')
        await client.query(`insert into public.${names.value} values (${round}, ${value})`)
        await client.query(`insert into public.${names.label} values (${round}, ${value})`)
        if (canBeKey) {
          await client.query(`insert into public.${names.key} values (${value})`)
          await client.query(`delete from public.${names.key}`)
        }
        // Written again by another session, it is no change.
        await client.query(`update public.${names.value} set v = ${value}`)
        await client.end()
        const texts = (await log.entries()).map(({ action, changes_text, object_id, object_label }) =>
          [
            action,
            changes_text.replace(/"id":\[null,\d\]/, ''),
            /^\d$/.test(object_id ?? '') ? '' : object_id,
            object_label,
          ].join(' '),
        )
        expect(texts).toHaveLength(canBeKey ? 4 : 2)
        seen.add(texts.join('\n'))
      }
      expect([...seen], type).toHaveLength(1)
    }
  })

  it('B16 a function that was compiled in a session of odd settings is the same', async () => {
    const definition = async () =>
      (
        await log.run(
          "select pg_get_functiondef(p.oid) as text from daybook.tracked_table t join pg_proc p on p.proname = 'capture_' || t.id where t.relation = 'edges'::regclass",
        )
      ).rows[0].text
    const before = await definition()
    const client = await connect(log.url)
    for (const setting of SETTINGS[1] ?? []) await client.query(setting)
    await client.query("select daybook.track('public.edges')")
    await client.end()
    expect(await definition()).toBe(before)
  })
})

describe('any value', () => {
  const anyText = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\0', ''))
  const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
  const row = fc.record({
    t: fc.option(anyText.map((text) => text.replace(lone, ''))),
    f: fc.option(fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value)))),
    r: fc.option(fc.float().map((value) => (Object.is(value, -0) ? '-0' : String(value)))),
    n: fc.option(
      fc
        .tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(20))
        .map(([digits, scale]) => `${digits}e-${scale}`),
    ),
    b: fc.option(fc.uint8Array({ maxLength: 60 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`)),
    // JSON as another writer may have spaced and escaped it, lone surrogates and NUL included.
    j: fc.option(fc.json({ stringUnit: 'binary' })),
    l: fc.option(
      fc
        .array(fc.option(anyText.map((text) => text.replace(lone, ''))), { maxLength: 5 })
        .map(
          (list) =>
            `{${list.map((text) => (text === null ? 'NULL' : `"${text.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`,
        ),
    ),
    ts: fc.option(
      fc
        .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
        .map((date) => date.toISOString()),
    ),
    i: fc.option(
      fc
        .tuple(fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: -99999, max: 99999 }))
        .map(([m, s]) => `${m} months ${s} seconds`),
    ),
  })
  const columns = ['t', 'f', 'r', 'n', 'b', 'j', 'l', 'ts', 'i'] as const
  const definition = 't text, f float8, r float4, n numeric, b bytea, j json, l text[], ts timestamptz, i interval'

  it('B15 what PostgreSQL accepts is accepted, and stands in the log as PostgreSQL writes it', async () => {
    await log.run(`create table plain_values (${definition})`)
    await log.table(`create table any_values (id int primary key, ${definition})`, 'any_values')
    const client = await connect(log.url)
    await client.query("set timezone = 'UTC'; set intervalstyle = 'iso_8601'")
    await fc.assert(
      fc.asyncProperty(row, row, async (first, second) => {
        const accepted = async (table: string, values: unknown[]) => {
          try {
            await client.query(
              `insert into ${table} values (${values.map((_, place) => `$${place + 1}`).join(', ')})`,
              values,
            )
            return true
          } catch {
            return false
          }
        }
        const [a, b] = [columns.map((name) => first[name]), columns.map((name) => second[name])]
        if (!(await accepted('plain_values', a)) || !(await accepted('plain_values', b))) return
        expect(await accepted('any_values', [1, ...a])).toBe(true)
        // What PostgreSQL itself makes of the row, column by column.
        const asJson = async () =>
          (
            await client.query(
              `select ${columns.map((name) => `coalesce(to_json(${name})::text, 'null') as ${name}`).join(', ')} from any_values`,
            )
          ).rows[0]
        const before = await asJson()
        await client.query(
          `update any_values set ${columns.map((name, place) => `${name} = $${place + 1}`).join(', ')}`,
          b,
        )
        const after = await asJson()
        await client.query('delete from any_values')
        const [created, ...later] = (await log.entries()).map(({ action, changes_text }) => ({
          action,
          fields: fieldTexts(changes_text),
        }))
        const deleted = later.pop()
        expect([created?.action, deleted?.action]).toEqual(['create', 'delete'])
        for (const name of columns) {
          expect(created?.fields.get(name)).toBe(`[null,${before[name]}]`)
          expect(deleted?.fields.get(name)).toBe(`[${after[name]},null]`)
          const changed = later[0]?.fields.get(name)
          // JSON's null and SQL's are one in the log, but a change from one to the other is an entry.
          if (before[name] === after[name] && !(name === 'j' && before[name] === 'null'))
            expect(changed).toBeUndefined()
          else if (name !== 'j') expect(changed).toBe(`[${before[name]},${after[name]}]`)
        }
      }),
      { numRuns: 150 },
    )
    await client.end()
  })
})
