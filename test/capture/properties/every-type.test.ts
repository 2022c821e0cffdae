import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { track } from '../../../src/capture/postgres/index.ts'
import fc from '../../fast-check.ts'
import { type CapturedEntry, type CaptureLog, connect, createCaptureLog } from '../log.ts'
import { createKinds, derivedKinds, type Kind, PINNED, recordedSql } from './kinds.ts'
import { recordedChanges, sameJson } from './recorded.ts'
import { runsTimeoutMs, tries } from './runs.ts'

let log: CaptureLog
let client: pg.Client
/** Reads values as the log should hold them. */
let reader: pg.Client
let kinds: readonly Kind[]

beforeAll(async () => {
  log = await createCaptureLog()
  client = await connect(log.url)
  kinds = await createKinds(client)
  reader = await connect(log.url)
  await reader.query(PINNED)
})
afterAll(async () => {
  await client?.end()
  await reader?.end()
  await log?.close()
})

/** What a statement came to: the number of rows, or the error. */
async function outcome(statement: string): Promise<unknown> {
  try {
    return (await client.query(statement)).rowCount
  } catch (error) {
    return (error as pg.DatabaseError).code
  }
}

/** A type and all that is made of it, as columns c0, c1, ... */
function columnsOf(place: number): readonly Kind[] {
  const kind = kinds[place] as Kind
  return [kind, ...derivedKinds(kind, place)]
}

describe('every type', () => {
  it(
    'B15 and its arrays, domains and composites take any value that they take without the capture, and the log holds it as PostgreSQL writes it',
    async () => {
      for (const place of kinds.keys()) {
        const columns = columnsOf(place)
        const names = columns.map((_, number) => `c${number}`)
        const definition = columns.map(({ type }, number) => `c${number} ${type}`).join(', ')
        await client.query(
          `create table plain_${place} (id int, ${definition}); create table kind_${place} (id int primary key, ${definition})`,
        )
        await track(log.database, `kind_${place}`)
        const anyRow = fc.tuple(...columns.map(({ value }) => fc.option(value, { nil: 'null', freq: 6 })))
        await fc.assert(
          fc.asyncProperty(anyRow, anyRow, async (first, second) => {
            await client.query(`delete from plain_${place}`)
            const entries: CapturedEntry[] = []
            const collect = async () => {
              const made = await log.entries()
              entries.push(...made)
              return made.length
            }
            const both = async (statement: (table: string) => string) => {
              const without = await outcome(statement(`plain_${place}`))
              expect(await outcome(statement(`kind_${place}`)), statement('t')).toEqual(without)
            }
            await both((table) => `insert into ${table} (id) values (1)`)
            const filled = (row: string[]) => (table: string) =>
              `update ${table} set ${names.map((name, number) => `${name} = ${row[number]}`).join(', ')}`
            // A value that is refused, such as an infinite interval before PostgreSQL 17, is refused by its column alone.
            for (const row of [first, second]) {
              await both(filled(row))
              for (const [number, name] of names.entries())
                await both((table) => `update ${table} set ${name} = ${row[number]}`)
              await collect()
              await both((table) => `update ${table} set ${names.map((name) => `${name} = ${name}`).join(', ')}`)
              expect(await collect()).toBe(0)
            }
            const held = (
              await reader.query({
                text: `select ${columns.map((kind, number) => recordedSql(kind, `c${number}`)).join(', ')} from public.kind_${place}`,
                rowMode: 'array',
              })
            ).rows[0] as string[]
            await client.query(`delete from kind_${place}`)
            await collect()
            expect([entries[0]?.action, entries.at(-1)?.action]).toEqual(['create', 'delete'])
            const changes = entries.map(({ changes_text }) => recordedChanges(changes_text))
            for (const [number, name] of names.entries()) {
              expect(changes.at(-1)?.get(name), columns[number]?.type).toEqual([held[number], 'null'])
              let now = 'null'
              for (const fields of changes) {
                const change = fields.get(name)
                if (change === undefined) continue
                if (!sameJson(change[0], now)) expect(change[0], columns[number]?.type).toBe(now)
                now = change[1]
              }
            }
          }),
          tries(3),
        )
        await client.query(`drop table public.plain_${place}, public.kind_${place}`)
      }
    },
    runsTimeoutMs(3 * 90),
  )
})

/** Settings that any role may change, with values that a session may well have. */
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  timezone: ['UTC', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Apia', '<+13:37>-13:37'],
  datestyle: ['ISO, DMY', 'SQL, MDY', 'Postgres, DMY', 'German, YMD'],
  intervalstyle: ['postgres', 'postgres_verbose', 'sql_standard', 'iso_8601'],
  bytea_output: ['hex', 'escape'],
  extra_float_digits: ['-15', '0', '1', '3'],
  lc_monetary: ['C', 'POSIX', 'C.UTF-8'],
  lc_numeric: ['C', 'POSIX', 'C.UTF-8'],
  xmloption: ['document', 'content'],
  xmlbinary: ['base64', 'hex'],
  search_path: ['', 'pg_temp', 'kinds, public', 'hostile, pg_catalog', '"$user"'],
  standard_conforming_strings: ['on', 'off'],
  backslash_quote: ['on', 'off'],
  quote_all_identifiers: ['on', 'off'],
  array_nulls: ['on', 'off'],
  transform_null_equals: ['on', 'off'],
  default_text_search_config: ['pg_catalog.simple', 'pg_catalog.german'],
  client_encoding: ['UTF8', 'LATIN1', 'SQL_ASCII'],
  row_security: ['on', 'off'],
  check_function_bodies: ['on', 'off'],
  client_min_messages: ['debug5', 'error'],
  default_toast_compression: ['pglz'],
  plan_cache_mode: ['force_generic_plan', 'force_custom_plan'],
  jit: ['on', 'off'],
  jit_above_cost: ['0'],
  enable_hashjoin: ['off'],
  enable_mergejoin: ['off'],
  enable_sort: ['off'],
  enable_material: ['off'],
  from_collapse_limit: ['1'],
  geqo_threshold: ['2'],
  work_mem: ['64kB'],
  default_transaction_isolation: ['serializable', 'repeatable read'],
  'plpgsql.variable_conflict': ['use_column', 'use_variable', 'error'],
  'plpgsql.extra_errors': ['all'],
  'plpgsql.extra_warnings': ['all'],
  'plpgsql.print_strict_params': ['on'],
}

describe('values that are nearly the same', () => {
  it('B2 B15 B20 are told apart by what is recorded of them, whatever their type calls equal, and no more than that', async () => {
    for (const [place, kind] of kinds.entries()) {
      const values = kind.alike ?? kind.keys?.slice(0, 5) ?? []
      if (values.length < 2) continue
      const { rows } = await reader.query({
        text: `select ${values.map((value) => recordedSql(kind, `(${value})`)).join(', ')}`,
        rowMode: 'array',
      })
      const texts = rows[0] as string[]
      await client.query(`create table alike_${place} (id int primary key, v ${kind.type})`)
      await track(log.database, `alike_${place}`)
      await client.query(`insert into alike_${place} values (1, ${values[0]}), (2, ${values[0]}), (3, ${values[0]})`)
      await log.entries()
      let now = texts[0] as string
      // One row, and two at once: they are captured in ways of their own.
      const expected: [string, string][] = []
      for (const from of values.keys()) {
        for (const to of values.keys()) {
          for (const next of [from, to]) {
            const text = texts[next] as string
            await client.query(`update alike_${place} set v = ${values[next]} where id = 1`)
            await client.query(`update alike_${place} set v = ${values[next]} where id in (2, 3)`)
            if (text !== now) expected.push([now, text], [now, text], [now, text])
            now = text
          }
        }
      }
      const found = (await log.entries()).map(({ changes_text }) => recordedChanges(changes_text).get('v'))
      expect(found, kind.type).toEqual(expected)
      await client.query(`drop table alike_${place}`)
    }
  })
})

describe('any session', () => {
  /** Columns of a row together must fit a page. */
  const TOGETHER = 60

  it(
    'B16 whatever its settings, records the same text for the same value, of every type, and no difference where there is none',
    async () => {
      const seed = Date.now()
      const all = kinds.flatMap((kind, place) => [kind, ...derivedKinds(kind, place)])
      const tables: string[] = []
      for (let first = 0; first < all.length; first += TOGETHER) {
        const columns = all.slice(first, first + TOGETHER)
        const table = `settings_${first}`
        await client.query(`create table source_${first} (id int primary key, ${columns.map(({ type }, number) => `c${number} ${type}`).join(', ')});
          insert into source_${first} (id) values (1), (2)`)
        for (const [number, { value }] of columns.entries()) {
          for (const id of [1, 2]) {
            for (const [text] of fc.sample(fc.tuple(value), { numRuns: 5, seed })) {
              if ((await outcome(`update source_${first} set c${number} = ${text} where id = ${id}`)) === 1) break
            }
          }
        }
        await client.query(`create table ${table} (like source_${first} including all)`)
        await track(log.database, table, { label: ['c0', 'c1', 'c2'] })
        tables.push(String(first))
      }
      await client.query(`create schema hostile; create function hostile.concat(text) returns text language sql as $$ select 'hostile' $$;
        create function hostile.to_json(text) returns json language sql as $$ select '"hostile"'::json $$;
        create function hostile.num_nulls(anyelement) returns int language sql as $$ select 1 $$;
        create table hostile.old_rows (id int); create table hostile.new_rows (id int)`)

      const record = async (settings: Readonly<Record<string, string>>) => {
        // What an earlier try left, so that a smaller failure is a failure of its own.
        for (const number of tables) await client.query(`delete from settings_${number}`)
        await log.entries()
        const own = await connect(log.url)
        try {
          for (const [name, value] of Object.entries(settings))
            await own.query('select set_config($1, $2, false)', [name, value])
          for (const number of tables) {
            await own.query(`insert into public.settings_${number} select * from public.source_${number} where id = 1`)
            await own.query(`insert into public.settings_${number} select * from public.source_${number} where id = 2`)
          }
          const made = await log.entries()
          const names = (number: string) =>
            all.slice(Number(number), Number(number) + TOGETHER).map((_, place) => `c${place}`)
          for (const number of tables) {
            await own.query(`update public.settings_${number} t set ${names(number)
              .map((name) => `${name} = s.${name}`)
              .join(', ')}
              from public.source_${number} s where s.id = t.id`)
          }
          expect(await log.entries()).toEqual([])
          return made.map(
            ({ table_name, object_id, object_label, changes_text }) =>
              `${table_name} ${object_id} ${object_label} ${changes_text}`,
          )
        } finally {
          await own.end()
        }
      }
      const plain = await record({})
      expect(plain).toHaveLength(2 * tables.length)
      const anySettings = fc.record(
        Object.fromEntries(Object.entries(SETTINGS).map(([name, values]) => [name, fc.constantFrom(...values)])),
        { requiredKeys: [] },
      )
      await fc.assert(
        fc.asyncProperty(anySettings, async (settings) => {
          expect(await record(settings as Record<string, string>), `values of the seed ${seed}`).toEqual(plain)
        }),
        tries(6),
      )
    },
    runsTimeoutMs(6),
  )
})
