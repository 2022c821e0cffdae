import pg from 'pg'
import fc from '../../fast-check.ts'

/** A type of column, with values of it as SQL expressions. */
export interface Kind {
  readonly type: string
  readonly value: fc.Arbitrary<string>
  /** Whether the log holds what to_json() makes of a value; else it holds the value's text. */
  readonly asJson: boolean
  /** Whether its arrays are JSON arrays in the log. */
  readonly arraysAsJson: boolean
  /** Values that a key may have: few, so that statements meet. */
  readonly keys?: readonly string[]
  /** Values that the type's own `=` calls equal, or that lie close together. */
  readonly alike?: readonly string[]
  /** The extension that brings the type. */
  readonly extension?: string
}

const quote = pg.escapeLiteral

const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
const anyText = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.constantFrom(
      '',
      ' ',
      'None',
      'null',
      'NULL',
      '{}',
      '[]',
      "'",
      '"',
      '\\',
      '\\"',
      '%',
      '$1',
      '\t\r\n',
      '\u0001\u007f\u2028\ufeff',
    ),
  )
  .map((text) => text.replaceAll('\0', '').replace(lone, ''))
const word = fc.string({ unit: fc.constantFrom(...'abcxyz'), minLength: 1, maxLength: 6 })
const digits = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map(String),
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(String),
)
const float = (arbitrary: fc.Arbitrary<number>) =>
  arbitrary.map((value) => (Object.is(value, -0) ? '-0' : String(value)))
const coordinate = fc.oneof(fc.integer({ min: -5, max: 5 }).map(String), float(fc.double()))
const point = fc.tuple(coordinate, coordinate).map(([x, y]) => `(${x},${y})`)
const points = fc.array(point, { minLength: 1, maxLength: 4 }).map((list) => list.join(','))
const day = fc.oneof(
  fc.constantFrom(
    'infinity',
    '-infinity',
    '4714-11-24 BC',
    '0044-03-15 BC',
    '0001-01-01',
    '5874897-12-31',
    '2024-02-29',
    '1900-02-28',
  ),
  fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10)),
)
const clock = fc.oneof(
  fc.constantFrom('00:00', '24:00:00', '23:59:59.999999', '12:34:56.7', '00:00:00.000001'),
  fc
    .tuple(fc.nat(23), fc.nat(59), fc.nat(59), fc.nat(999_999))
    .map(([h, m, s, micros]) => `${h}:${m}:${s}.${String(micros).padStart(6, '0')}`),
)
const zone = fc.constantFrom('+00', '+05:30', '-08', '+14', '-12', '+01:02:03')
const moment = fc.oneof(
  fc.constantFrom(
    'infinity',
    '-infinity',
    '4713-01-01 00:00:00 BC',
    '294276-12-31 23:59:59.999999',
    '1999-12-31 24:00:00',
  ),
  fc
    .tuple(fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true }), clock)
    .map(([date, time]) => `${date.toISOString().slice(0, 10)} ${time}`),
)
const zoned = fc
  .tuple(moment, zone)
  .map(([text, offset]) => (/infinity|BC/.test(text) ? text.replace(' BC', `${offset} BC`) : text + offset))
const interval = fc.oneof(
  // The last two are refused before PostgreSQL 17.
  fc.constantFrom(
    '0',
    '1 day',
    '24 hours',
    '-1 day',
    '1 month',
    '30 days',
    '-178000000 years',
    '178000000 years',
    '0.000001 s',
    'infinity',
    '-infinity',
  ),
  fc
    .tuple(
      fc.integer({ min: -9999, max: 9999 }),
      fc.integer({ min: -9999, max: 9999 }),
      fc.integer({ min: -99999, max: 99999 }),
      fc.nat(999_999),
    )
    .map(([months, days, seconds, micros]) => `${months} months ${days} days ${seconds}.${micros} seconds`),
)
const bits = (length: fc.IntArrayConstraints | { minLength: number; maxLength: number }) =>
  fc.array(fc.constantFrom('0', '1'), length as { minLength: number; maxLength: number }).map((list) => list.join(''))
const bytes = fc.uint8Array({ maxLength: 40 }).map((list) => `\\x${Buffer.from(list).toString('hex')}`)
const hex = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((list) => Buffer.from(list).toString('hex'))
const address = fc.oneof(
  fc.tuple(fc.ipV4(), fc.nat(32)).map(([ip, mask]) => `${ip}/${mask}`),
  fc.tuple(fc.ipV6(), fc.nat(128)).map(([ip, mask]) => `${ip}/${mask}`),
)
const network = fc.constantFrom(
  '10.0.0.0/8',
  '192.168.100.128/25',
  '::/0',
  '2001:4f8:3:ba::/64',
  '0.0.0.0/0',
  '::ffff:1.2.3.0/120',
)
/** JSON as some writer may have spaced and escaped it: with lone surrogates, NUL, doubled keys and numbers that no other type holds. */
const json = fc.oneof(
  fc.json({ stringUnit: 'binary' }),
  fc.json({ stringUnit: 'grapheme' }).map((text) => `[ ${text.replaceAll(',', ' ,\n')}\t]`),
  fc.constantFrom(
    'null',
    '"\\u0000"',
    '"\\ud800"',
    '{"a":1,"a":2}',
    '1e400000',
    '-0',
    '1.0',
    '1.00',
    '{"b":[1,{"c":null}],"a":""}',
    '{"a":"","b":[1,{"c":null}]}',
    '""',
    '{}',
    '[[]]',
  ),
)
const range = (bound: fc.Arbitrary<string>) =>
  fc.oneof(
    fc.constant('empty'),
    bound.map((from) => `["${from}",)`),
    bound.map((to) => `(,"${to}"]`),
    bound.map((only) => `["${only}","${only}"]`),
    // Mostly the wrong way round, which is refused.
    { weight: 1, arbitrary: fc.tuple(bound, bound).map(([from, to]) => `("${from}","${to}")`) },
  )
const multirange = (bound: fc.Arbitrary<string>) =>
  fc.array(range(bound), { maxLength: 3 }).map((list) => `{${list.filter((text) => text !== 'empty').join(',')}}`)
const smallInt = fc.integer({ min: -20, max: 20 }).map(String)
const count = fc.nat(9).map(String)

function kind(type: string, text: fc.Arbitrary<string>, options: Partial<Omit<Kind, 'type' | 'value'>> = {}): Kind {
  return {
    asJson: false,
    arraysAsJson: false,
    ...options,
    type,
    value: text.map((value) => `${quote(value).trim()}::${type}`),
    ...(options.alike && { alike: options.alike.map((value) => `${quote(value).trim()}::${type}`) }),
    ...(options.keys && { keys: options.keys.map((value) => `${quote(value).trim()}::${type}`) }),
  }
}
const json2 = { asJson: true, arraysAsJson: true }
const textual = { asJson: false, arraysAsJson: true }

/** PostgreSQL's own types, those of extensions, and types as a user makes them ({@link KINDS_SQL}). */
export const KINDS: readonly Kind[] = [
  kind('boolean', fc.constantFrom('t', 'f'), { ...json2, keys: ['t', 'f'] }),
  kind('smallint', fc.integer({ min: -32768, max: 32767 }).map(String), { ...json2, keys: ['1', '2', '3', '-1'] }),
  kind('integer', fc.oneof(smallInt, fc.integer().map(String)), {
    ...json2,
    keys: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
  }),
  kind('bigint', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String), {
    ...json2,
    keys: ['1', '2', '9007199254740993', '-9223372036854775808'],
  }),
  kind(
    'numeric',
    fc.oneof(
      fc.tuple(digits, fc.nat(30)).map(([n, scale]) => `${n}e-${scale}`),
      fc.constantFrom(
        'NaN',
        'Infinity',
        '-Infinity',
        '1',
        '1.0',
        '1.00',
        '0.000',
        '1e131071',
        `0.${'0'.repeat(16382)}1`,
      ),
    ),
    { ...json2, keys: ['1', '1.0', '1.00', '2', 'NaN'] },
  ),
  kind(
    'numeric(12,4)',
    fc.tuple(fc.integer({ min: -9999, max: 9999 }), fc.nat(9999)).map(([a, b]) => `${a}.${b}`),
    json2,
  ),
  kind('numeric(3,-2)', fc.integer({ min: -99999, max: 99999 }).map(String), json2),
  kind('real', float(fc.float()), { ...json2, keys: ['0', '-0', '1', 'NaN'] }),
  kind('double precision', float(fc.double()), { ...json2, keys: ['0', '-0', '0.1', 'NaN', 'Infinity'] }),
  kind(
    'money',
    fc.oneof(
      fc.constantFrom('-92233720368547758.08', '92233720368547758.07', '0', '-0.01'),
      fc.tuple(smallInt, fc.nat(99)).map(([a, b]) => `${a}.${b}`),
    ),
    { keys: ['1', '2.5'] },
  ),
  kind('text', anyText, { ...textual, keys: ['', ' ', 'a', 'A', 'None', '["a"]', '"', '\\'] }),
  kind('varchar(30)', anyText, { ...textual, keys: ['', 'x', 'y'] }),
  kind('char(7)', word, { ...textual, keys: ['a', 'b ', 'c'] }),
  kind('"char"', fc.constantFrom('', 'a', "'", '\\', '\\377', '\\001'), { keys: ['a', 'b'] }),
  kind('name', word, { keys: ['a', 'b'] }),
  kind('bytea', bytes, { keys: ['\\x', '\\x00', '\\x0000', '\\xff'] }),
  kind('date', day, { ...json2, keys: ['2024-02-29', 'infinity', '0044-03-15 BC'] }),
  kind('time', clock, { ...textual, keys: ['00:00', '24:00'] }),
  kind(
    'timetz',
    fc.tuple(clock, zone).map(([time, offset]) => time + offset),
    { keys: ['12:00+00', '13:00+01'] },
  ),
  kind('timestamp', moment, { ...json2, keys: ['2024-02-29 12:34:56.789', '-infinity'] }),
  kind('timestamptz', zoned, { ...json2, keys: ['2024-02-29 12:00+02', '2024-02-29 10:00+00', 'infinity'] }),
  kind('timestamptz(0)', zoned, json2),
  kind('interval', interval, { keys: ['1 day', '24 hours', '1 month', '30 days'] }),
  kind('uuid', fc.uuid(), {
    ...textual,
    keys: ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-0000-0000-000000000000'],
  }),
  kind('inet', address, { keys: ['10.0.0.1', '10.0.0.1/8', '::1'] }),
  kind('cidr', network, { keys: ['10.0.0.0/8', '::/0'] }),
  kind('macaddr', hex(6), { keys: ['08:00:2b:01:02:03'] }),
  kind('macaddr8', hex(8), { keys: ['08:00:2b:01:02:03:04:05'] }),
  kind('bit(5)', bits({ minLength: 5, maxLength: 5 }), { keys: ['00000', '10101'] }),
  kind('bit varying(20)', bits({ minLength: 0, maxLength: 20 }), { keys: ['', '0', '00'] }),
  kind('oid', fc.nat().map(String), { keys: ['0', '4294967295'] }),
  kind('xid', fc.nat().map(String)),
  kind('xid8', fc.nat().map(String), { keys: ['1', '18446744073709551615'] }),
  kind('cid', fc.nat().map(String)),
  kind(
    'tid',
    fc.tuple(fc.nat(), fc.nat(65535)).map(([block, place]) => `(${block},${place})`),
  ),
  kind(
    'pg_lsn',
    fc.tuple(fc.nat(), fc.nat()).map(([high, low]) => `${high.toString(16)}/${low.toString(16)}`),
    { keys: ['0/0', '16/B374D848'] },
  ),
  kind('pg_snapshot', fc.constantFrom('10:20:10,14,15', '1:1:')),
  kind('txid_snapshot', fc.constantFrom('10:20:10,14,15', '1:1:')),
  kind('regclass', fc.constantFrom('pg_catalog.pg_class', 'information_schema.tables', '0', '4000000000')),
  kind('regtype', fc.constantFrom('integer', 'timestamp with time zone', '"char"', 'kinds.mood', 'integer[]', '0')),
  kind('regproc', fc.constantFrom('pg_catalog.now', '0')),
  kind('regprocedure', fc.constantFrom('pg_catalog.abs(integer)', '0')),
  kind('regoper', fc.constantFrom('pg_catalog.||/', '0')),
  kind('regoperator', fc.constantFrom('pg_catalog.+(integer,integer)', '0')),
  kind('regnamespace', fc.constantFrom('kinds', 'pg_catalog', '0')),
  kind('regrole', fc.constantFrom('postgres', 'daybook_owner', '0')),
  kind('regcollation', fc.constantFrom('pg_catalog."C"', '0')),
  kind('regconfig', fc.constantFrom('pg_catalog.english', '0')),
  kind('regdictionary', fc.constantFrom('pg_catalog.simple', '0')),
  kind('point', point, { alike: ['(0,0)', '(0.0000001,0)', '(-0,0)'] }),
  kind(
    'line',
    fc.tuple(coordinate, coordinate, coordinate).map(([a, b, c]) => `{${a},${b},${c}}`),
  ),
  kind(
    'lseg',
    fc.tuple(point, point).map(([a, b]) => `[${a},${b}]`),
  ),
  kind(
    'box',
    fc.tuple(point, point).map(([a, b]) => `${a},${b}`),
    { alike: ['(2,2),(0,0)', '(1,4),(0,0)', '(4,1),(0,0)', '(2.0000001,2),(0,0)'] },
  ),
  kind(
    'path',
    fc.tuple(points, fc.boolean()).map(([list, open]) => (open ? `[${list}]` : `(${list})`)),
  ),
  kind(
    'polygon',
    points.map((list) => `(${list})`),
  ),
  kind(
    'circle',
    fc.tuple(point, count).map(([centre, radius]) => `<${centre},${radius}>`),
    { alike: ['<(0,0),1>', '<(5,5),1>', '<(0,0),1.0000001>'] },
  ),
  kind(
    'tsvector',
    fc
      .array(
        fc.tuple(word, fc.constantFrom('', ':1', ':2A,3')).map((parts) => parts.join('')),
        { maxLength: 4 },
      )
      .map((list) => list.join(' ')),
    { keys: ['a:1', 'a:2'] },
  ),
  kind(
    'tsquery',
    fc.tuple(word, fc.constantFrom('&', '|', '<->'), word).map(([a, operator, b]) => `${a} ${operator} !${b}:*`),
    { keys: ['a & b'] },
  ),
  kind('jsonpath', fc.constantFrom('$', '$.a[*] ? (@ > 1)', 'strict $."a b"')),
  kind('json', json, { ...json2, alike: ['1', '1.0', '"1"', '"\\u0031"', '{"a":1,"a":2}', '{"a":2}', 'null'] }),
  kind('jsonb', json, { ...json2, keys: ['null', '{}', '[1]', '1', '1.0'] }),
  kind('xml', fc.constantFrom('<a/>', '<a b="c">&amp;</a>', 'text', '', '<?xml version="1.0"?><a/>')),
  ...[
    ['int4', smallInt, '[1,5)'],
    ['int8', smallInt, '[1,5)'],
    ['num', fc.constantFrom('1', '1.0', '1.50', '2', 'NaN', 'Infinity'), '[1.0,2)'],
    ['date', day, '[2024-01-01,infinity)'],
    ['ts', moment, '(,2024-01-01 00:00)'],
    ['tstz', zoned, '(,2024-01-01 00:00+02)'],
  ].flatMap(([name, bound, key]) => [
    kind(`${name}range`, range(bound as fc.Arbitrary<string>), { keys: ['empty', key as string] }),
    kind(`${name}multirange`, multirange(bound as fc.Arbitrary<string>), { keys: ['{}', `{${key}}`] }),
  ]),
  kind('refcursor', anyText),
  kind(
    'int2vector',
    fc.array(count, { maxLength: 4 }).map((list) => list.join(' ')),
    { asJson: true },
  ),
  kind(
    'oidvector',
    fc.array(count, { maxLength: 4 }).map((list) => list.join(' ')),
    { keys: ['', '1 2'] },
  ),
  kind('aclitem', fc.constantFrom('=r/postgres', 'daybook_owner=arw*/postgres')),
  kind(
    'hstore',
    fc
      .array(
        fc.tuple(word, fc.constantFrom('NULL', '""', 'x', '"\\""')).map(([key, value]) => `${key}=>${value}`),
        { maxLength: 3 },
      )
      .map((list) => list.join(',')),
    { extension: 'hstore', keys: ['', 'a=>1'] },
  ),
  kind('citext', anyText, { extension: 'citext', keys: ['a', 'A', 'b', ''] }),
  kind(
    'ltree',
    fc.array(word, { maxLength: 3 }).map((list) => list.join('.')),
    { extension: 'ltree', keys: ['', 'a.b'] },
  ),
  kind(
    'lquery',
    word.map((label) => `*.${label}*{1,}`),
    { extension: 'ltree' },
  ),
  kind('cube', fc.constantFrom('(0,1),(1,0)', '(1)', '(0.1,2)'), { extension: 'cube', keys: ['(1)', '(1,2)'] }),
  kind('seg', fc.constantFrom('1.50', '1.5', '1 .. 2', '<1', '~3'), { extension: 'seg', keys: ['1.5', '1.50'] }),
  kind('isbn13', fc.constantFrom('978-0-393-04002-9', '978-0-11-000533-4'), {
    extension: 'isn',
    keys: ['978-0-393-04002-9'],
  }),
  kind('kinds.mood', fc.constantFrom('sad', 'ok', 'it\'s "great"', ''), { keys: ['sad', 'ok', ''] }),
  kind(
    'kinds.pair',
    fc
      .tuple(fc.option(smallInt, { nil: '' }), fc.constantFrom('', '""', '"a b"', 'x', '"\\\\"'))
      .map(([a, b]) => `(${a},${b})`),
    { keys: ['(1,a)', '(1,)'] },
  ),
  kind('kinds.float_range', range(float(fc.double())), { keys: ['[0,1]'] }),
  kind('kinds.own_text', anyText),
  kind('kinds.positive', fc.integer({ min: -1, max: 99 }).map(String), { asJson: true, keys: ['1', '2'] }),
]

/** Makes the types among {@link KINDS} that are no one's but the test's. `own_text` is a base type with functions of its own. */
export const KINDS_SQL = `
  create schema kinds;
  create type kinds.mood as enum ('sad', 'ok', 'it''s "great"', '');
  create type kinds.pair as (a int, b text);
  create type kinds.float_range as range (subtype = float8);
  create domain kinds.positive as int check (value > 0);
  create type kinds.own_text;
  create function kinds.own_text_in(cstring) returns kinds.own_text language internal immutable strict as 'textin';
  create function kinds.own_text_out(kinds.own_text) returns cstring language internal immutable strict as 'textout';
  create type kinds.own_text (input = kinds.own_text_in, output = kinds.own_text_out, like = text);
`

/** What can be made of a type: its arrays, domains over it and composites that hold it. `place` is its place in {@link KINDS}. */
export function derivedKinds(kind: Kind, place: number): readonly Kind[] {
  const { type, value } = kind
  const element = fc.option(value, { nil: `null::${type}`, freq: 8 })
  const list = fc.array(element, { maxLength: 4 }).map((values) => `array[${values.join(', ')}]::${type}[]`)
  const array = fc.oneof(
    list,
    fc
      .tuple(element, element, element, element)
      .map(([a, b, c, d]) => `array[array[${a}, ${b}], array[${c}, ${d}]]::${type}[]`),
    // Bounds of its own.
    fc.tuple(element, element).map(([a, b]) => `('[-1:0]=' || array[${a}, ${b}]::${type}[]::text)::${type}[]`),
  )
  const arrayKind = { type: `${type}[]`, asJson: kind.arraysAsJson, arraysAsJson: kind.arraysAsJson }
  const plain = { asJson: false, arraysAsJson: false }
  return [
    { ...arrayKind, value: array },
    {
      ...kind,
      arraysAsJson: false,
      type: `kinds.domain_${place}`,
      value: value.map((text) => `(${text})::kinds.domain_${place}`),
    },
    {
      ...arrayKind,
      arraysAsJson: false,
      type: `kinds.list_${place}`,
      value: array.map((text) => `(${text})::kinds.list_${place}`),
    },
    {
      ...plain,
      type: `kinds.holds_${place}`,
      value: fc.tuple(element, list).map(([a, b]) => `row(${a}, ${b})::kinds.holds_${place}`),
    },
    {
      ...plain,
      type: `kinds.holds_${place}[]`,
      value: fc.tuple(element, list).map(([a, b]) => `array[row(${a}, ${b}), null]::kinds.holds_${place}[]`),
    },
    {
      ...plain,
      type: `kinds.domain_${place}[]`,
      value: value.map((text) => `array[${text}]::kinds.domain_${place}[]`),
    },
  ]
}

/** Makes the types that {@link derivedKinds} speaks of. */
export function derivedSql({ type }: Kind, place: number): string {
  return `create domain kinds.domain_${place} as ${type}; create domain kinds.list_${place} as ${type}[];
    create type kinds.holds_${place} as (a ${type}, b ${type}[])`
}

/** SQL that gives what the log should hold of a column: the settings of {@link PINNED} must be set. */
export function recordedSql({ asJson }: Kind, column: string): string {
  const text = asJson ? `to_json(${column})` : `to_json(format('%s', ${column}))`
  return `case when num_nulls(${column}) = 0 then ${text}::text else 'null' end`
}

/** The settings under which PostgreSQL writes values as the log holds them. */
export const PINNED = `set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'iso_8601'; set bytea_output = 'hex';
  set extra_float_digits = 1; set search_path = pg_catalog, public; set lc_monetary = 'C'`

/** Makes the types, and gives those that this server knows: some were built without XML, or without the extensions. */
export async function createKinds(client: pg.Client): Promise<readonly Kind[]> {
  await client.query(KINDS_SQL)
  const known: Kind[] = []
  for (const kind of KINDS) {
    const sample = fc.sample(kind.value, { numRuns: 1, seed: 1 })
    try {
      if (kind.extension) await client.query(`create extension if not exists ${kind.extension} schema public`)
      await client.query('set search_path = public')
      await client.query(`select ${sample}`).catch((error) => {
        // A value may be refused. A type that is not there, or that the server was built without, has no value.
        if (['42704', '0A000'].includes(error.code)) throw error
      })
      known.push(kind)
    } catch (error) {
      if (!['42704', '0A000', '58P01'].includes((error as pg.DatabaseError).code ?? '')) throw error
    }
  }
  await client.query('reset search_path')
  for (const [place, kind] of known.entries()) await client.query(derivedSql(kind, place))
  return known
}
