import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { track } from '../../../src/capture/postgres/index.ts'
import fc from '../../fast-check.ts'
import { type CaptureLog, connect, createCaptureLog } from '../log.ts'
import { createKinds, type Kind } from './kinds.ts'
import { runsTimeoutMs, tries } from './runs.ts'
import { anyTransactions } from './statements.ts'
import { anyTable } from './tables.ts'
import { outcome, transact, transactionText } from './transact.ts'

let log: CaptureLog
let client: pg.Client
let plainKinds: readonly Kind[]
let version: number

beforeAll(async () => {
  log = await createCaptureLog()
  client = await connect(log.url)
  plainKinds = await createKinds(client)
  version = Number((await client.query('show server_version_num')).rows[0].server_version_num)
})
afterAll(async () => {
  await client?.end()
  await log?.close()
})

const SECRET = 'Geheimnis'
const HEX = Buffer.from(SECRET).toString('hex')
const NUMBER = '7735778134'

/** Types whose every value holds what must stand nowhere. */
const SECRET_KINDS: readonly Kind[] = (
  [
    ['text', `'${SECRET}'`, `'${SECRET} 2'`],
    ['varchar(40)', `'a ${SECRET}'`, `'${SECRET}'`],
    ['json', `'{"a": ["${SECRET}"]}'`, `'"${SECRET}"'`],
    ['jsonb', `'{"${SECRET}": null}'`, `'["${SECRET}"]'`],
    ['text[]', `array['${SECRET}', null]`, `array[array['${SECRET}']]`],
    ['bytea', `'\\x${HEX}'`, `'\\x00${HEX}'`],
    ['kinds.pair', `row(1, '${SECRET}')`, `row(${2}, '${SECRET}')`],
    ['bigint', NUMBER, `-${NUMBER}`],
    ['numeric', `0.${NUMBER}`, `${NUMBER}.00`],
    ['tsvector', `'${SECRET}:1'`, `'${SECRET}:2'`],
    ['name', `'${SECRET}'`, `'a ${SECRET}'`],
    ['int8range', `'[${NUMBER},)'`, `'(,${NUMBER}]'`],
  ] as const
).map(([type, first, second]) => ({
  type,
  value: fc.constantFrom(`${first}::${type}`, `${second}::${type}`),
  keys: [`${first}::${type}`, `${second}::${type}`],
  asJson: false,
  arraysAsJson: false,
}))

const USUAL_RUNS = 30

it(
  'B24 whatever is written to masked columns of any table, it stands nowhere in the log, and that it changed does',
  async () => {
    // A key of json can't be: the table is then refused, and nothing is tried.
    const anything = anyTable([...plainKinds, ...SECRET_KINDS, ...SECRET_KINDS, ...SECRET_KINDS], version).chain(
      (table) =>
        anyTransactions(table, version).map((transactions) => ({
          table,
          transactions,
          [fc.toStringMethod]: () => [`\n${table.sql('s')};`, ...transactions.map(transactionText)].join('\n'),
        })),
    )
    let round = 0
    await fc.assert(
      fc.asyncProperty(anything, async ({ table, transactions }) => {
        round += 1
        const schema = `masked ${round}`
        const masked = table.columns.filter(({ kind }) => SECRET_KINDS.includes(kind)).map(({ name }) => name)
        const open = table.columns.map(({ name }) => name).filter((name) => !masked.includes(name))
        const name = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table.name)}`
        try {
          const made = await outcome(client, table.sql(schema))
          if ((made as { code?: string }).code) return
          await track(log.database, name, {
            mask: masked,
            unmask: open,
            label: table.label.filter((column) => open.includes(column)),
          })
          await log.entries()
          for (const transaction of transactions) await transact(client, transaction, name)
          const entries = await log.entries()
          for (const entry of entries) {
            for (const secret of [SECRET, HEX, NUMBER]) expect(JSON.stringify(entry)).not.toContain(secret)
            for (const [field, pair] of Object.entries(entry.changes ?? {})) {
              if (masked.includes(field))
                expect(pair.filter((side) => side !== null)).toEqual(
                  pair.filter((side) => side !== null).map(() => ({ $daybook: 'masked' })),
                )
            }
          }
          const kept = entries.filter(({ action }) => action === 'create')
          for (const { changed_fields } of kept) expect(changed_fields).toEqual(expect.arrayContaining(masked))
        } finally {
          await client.query('rollback')
          await client.query(
            `set client_min_messages = error; drop schema if exists ${pg.escapeIdentifier(schema)} cascade`,
          )
        }
      }),
      tries(USUAL_RUNS),
    )
  },
  runsTimeoutMs(USUAL_RUNS),
)
