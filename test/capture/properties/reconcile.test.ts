import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { doctor, track } from '../../../src/capture/postgres/index.ts'
import fc from '../../fast-check.ts'
import { type CaptureLog, connect, createCaptureLog } from '../log.ts'
import { createKinds, derivedKinds, type Kind } from './kinds.ts'
import { runsTimeoutMs, tries } from './runs.ts'
import { anyAlteration, anyStatement, anyTransactions } from './statements.ts'
import { anyTable } from './tables.ts'
import { outcome, transact, transactionText } from './transact.ts'

let log: CaptureLog
let client: pg.Client
let kinds: readonly Kind[]
let version: number

beforeAll(async () => {
  log = await createCaptureLog()
  client = await connect(log.url)
  kinds = (await createKinds(client)).flatMap((kind, place) => [kind, ...derivedKinds(kind, place)])
  version = Number((await client.query('show server_version_num')).rows[0].server_version_num)
})
afterAll(async () => {
  await client?.end()
  await log?.close()
})

const quoted = pg.escapeIdentifier

async function found(reconcileRows: number): Promise<string[]> {
  const { findings } = await doctor(log.database, { reconcileRows })
  return findings
    .filter(({ code }) => /^(rows_|not_checked)/.test(code))
    .map(({ code, message }) => `${code}: ${message}`)
}

const USUAL_RUNS = 15

it.each([['as it was made'], ['altered in between']])(
  'B14 B15 B57 whatever is done to a table %s, its rows are what the log says, until one is changed past it',
  async (how) => {
    const alters = how === 'altered in between'
    const anything = anyTable(kinds, version)
      .filter(({ key }) => key.length > 0)
      .chain((table) => {
        const statement = anyStatement(table, version)
        const all = alters
          ? fc.oneof({ weight: 4, arbitrary: statement }, { weight: 1, arbitrary: anyAlteration(table) })
          : statement
        return anyTransactions(table, version, all).map((transactions) => ({
          table,
          transactions,
          [fc.toStringMethod]: () => [`\n${table.sql('s')};`, ...transactions.map(transactionText)].join('\n'),
        }))
      })
    let round = 0
    await fc.assert(
      fc.asyncProperty(anything, async ({ table, transactions }) => {
        round += 1
        const schema = `Compared ${round}.%s ${alters}`
        const name = `${quoted(schema)}.${quoted(table.name)}`
        try {
          const made = await outcome(client, table.sql(schema))
          if ((made as { code?: string }).code) return
          await track(log.database, name, { label: table.label, unmask: table.columns.map((column) => column.name) })
          for (const transaction of transactions) await transact(client, transaction, name)
          for (const rows of [Number.POSITIVE_INFINITY, 30]) {
            // By another key than before, or in other types, rows can't be told from what was recorded.
            const alarms = (await found(rows)).filter(
              (text) => !(alters && /^rows_(older_than_column|without_entry)/.test(text)),
            )
            expect(alarms).toEqual([])
          }
          if (alters) return
          await client.query('set session_replication_role = replica')
          const { rowCount } = await client.query(`delete from ${name}`)
          await client.query('reset session_replication_role')
          const alarms = await found(Number.POSITIVE_INFINITY)
          expect(alarms.map((text) => text.replace(/(_from_partitions)?:.*/s, ''))).toEqual(
            rowCount === 0 ? [] : ['rows_gone'],
          )
        } finally {
          await client.query('rollback')
          await client.query(`set client_min_messages = error; drop schema if exists ${quoted(schema)} cascade`)
        }
      }),
      tries(USUAL_RUNS),
    )
  },
  runsTimeoutMs(USUAL_RUNS),
)
