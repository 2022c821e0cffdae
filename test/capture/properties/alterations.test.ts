import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { track, trackedTables } from '../../../src/capture/postgres/index.ts'
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

const USUAL_RUNS = 25

it(
  'B14 a table that is altered between and within transactions is written to as if it were not tracked, and its capture is in step',
  async () => {
    const anything = anyTable(kinds, version).chain((table) => {
      const statement = fc.oneof(
        { weight: 3, arbitrary: anyStatement(table, version) },
        { weight: 1, arbitrary: anyAlteration(table) },
      )
      return anyTransactions(table, version, statement).map((transactions) => ({
        table,
        transactions,
        [fc.toStringMethod]: () => [`\n${table.sql('s')};`, ...transactions.map(transactionText)].join('\n'),
      }))
    })
    let round = 0
    await fc.assert(
      fc.asyncProperty(anything, async ({ table, transactions }) => {
        round += 1
        const [plain, tracked] = [`plain ${round}`, `tracked ${round}`]
        try {
          const made = await outcome(client, table.sql(plain))
          if ((made as { code?: string }).code) return
          await client.query(table.sql(tracked))
          const trackedName = `${quoted(tracked)}.${quoted(table.name)}`
          await track(log.database, trackedName, { label: table.label, unmask: table.columns.map(({ name }) => name) })
          await log.entries()
          for (const transaction of transactions) {
            const without = await transact(client, transaction, `${quoted(plain)}.${quoted(table.name)}`)
            expect(await transact(client, transaction, trackedName)).toEqual(without)
          }
          const found = (await trackedTables(log.database)).filter(({ table: name }) =>
            name.startsWith(quoted(tracked)),
          )
          expect(found.map(({ inStep, uncaptured }) => ({ inStep, uncaptured }))).toEqual([
            { inStep: true, uncaptured: [] },
          ])
          // Every value that is recorded can be read.
          for (const { changes, changed_fields } of await log.entries()) {
            if (changes) expect(Object.keys(changes)).toEqual(changed_fields)
          }
        } finally {
          await client.query('rollback')
          await client.query(
            `set client_min_messages = error; drop schema if exists ${quoted(plain)} cascade; drop schema if exists ${quoted(tracked)} cascade`,
          )
        }
      }),
      tries(USUAL_RUNS),
    )
  },
  runsTimeoutMs(USUAL_RUNS),
)
