import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import fc from '../fast-check.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'
import { replay } from './replay.ts'

let log: CaptureLog
let client: pg.Client

beforeAll(async () => {
  log = await createCaptureLog()
  await log.table(
    'create table item (id int primary key, name text, price numeric, tags text[], seen timestamptz, on_sale boolean)',
    'item',
  )
  client = await connect(log.url)
})
afterAll(async () => {
  await client?.end()
  await log?.close()
})

const COLUMNS = ['name', 'price', 'tags', 'seen', 'on_sale'] as const

const value = {
  name: fc.constantFrom('null', "''", "'a'", "'None'", "'null'", "name || 'x'", 'upper(name)'),
  price: fc.constantFrom('null', '1', '1.0', '1.00', "'NaN'", 'price + 1', '-price'),
  tags: fc.constantFrom('null', "'{}'", "'{a,NULL}'", "tags || 'b'::text", "array['']"),
  seen: fc.constantFrom(
    'null',
    "'infinity'",
    "'2024-01-01 00:00+02'",
    "'2023-12-31 22:00+00'",
    "seen + interval '1 day'",
  ),
  on_sale: fc.constantFrom('null', 'true', 'not on_sale'),
}
const literal = {
  name: fc.constantFrom('null', "''", "'b'", "'None'"),
  price: fc.constantFrom('null', '2', '2.50'),
  tags: fc.constantFrom('null', "'{x,y}'"),
  seen: fc.constantFrom('null', "'2025-05-05 05:05+00'"),
  on_sale: fc.constantFrom('null', 'false'),
}
const id = fc.integer({ min: 1, max: 12 })
const where = fc.oneof(
  id.map((n) => `id = ${n}`),
  fc.tuple(id, id).map(([a, b]) => `id between ${Math.min(a, b)} and ${Math.max(a, b)}`),
  fc.constant('true'),
)
const row = fc
  .tuple(id, fc.record(literal))
  .map(([key, values]) => `(${key}, ${COLUMNS.map((name) => values[name]).join(', ')})`)
const set = fc
  .record(value, { requiredKeys: [] })
  .filter((values) => Object.keys(values).length > 0)
  .map((values) =>
    Object.entries(values)
      .map(([name, text]) => `${name} = ${text}`)
      .join(', '),
  )

const statement = fc.oneof(
  { weight: 4, arbitrary: row.map((values) => `insert into item values ${values} on conflict do nothing`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.uniqueArray(row, { minLength: 1, maxLength: 5, selector: (text) => text.slice(0, 3) }), set)
      .map(
        ([rows, changes]) =>
          `insert into item values ${rows.join(', ')} on conflict (id) do update set ${changes.replace(/= (?=name|price|tags|seen)/g, '= item.').replace(/(upper\(|not |-)(?=name|price|on_sale)/g, '$1item.')}`,
      ),
  },
  { weight: 5, arbitrary: fc.tuple(set, where).map(([changes, rows]) => `update item set ${changes} where ${rows}`) },
  { weight: 2, arbitrary: where.map((rows) => `delete from item where ${rows}`) },
  // Keys that change places: in one statement, through keys that are free.
  {
    weight: 1,
    arbitrary: where.map(
      (rows) => `update item set id = id + 100 where ${rows}; update item set id = id - 100 where id > 100`,
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('savepoint a', 'rollback to a', 'release a', 'commit', 'rollback') },
)

describe('the log', () => {
  it('replayed from empty gives the table as it is, and each old value is the new one of the entry before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(statement, { minLength: 1, maxLength: 25 }), async (statements) => {
        await client.query('delete from item')
        await log.entries()
        await client.query('begin')
        for (const text of statements) {
          // A savepoint that is not there, a key that is taken: the statement is undone and the transaction goes on.
          if (/^(commit|rollback)$/.test(text)) await client.query(`${text}; begin`)
          else if (/^(savepoint|rollback|release)/.test(text))
            await client.query(text).catch(() => client.query('rollback; begin'))
          else {
            await client.query('savepoint statement')
            await client.query(text).catch(() => client.query('rollback to statement'))
          }
        }
        await client.query('commit')

        const state = replay(await log.entries())
        const { rows } = await client.query(
          "select id::text as key, to_json(i) as now from (select id, name, price, tags, seen at time zone 'UTC' as seen, on_sale from item) i",
        )
        const table = new Map(
          rows.map(({ key, now }) => [
            key,
            { ...now, seen: now.seen === null || now.seen === 'infinity' ? now.seen : `${now.seen}+00:00` },
          ]),
        )
        expect(new Map([...state].sort())).toEqual(new Map([...table].sort()))
      }),
      { numRuns: 120 },
    )
  })
})
