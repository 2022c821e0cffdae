import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { track } from '../../../src/capture/postgres/index.ts'
import fc from '../../fast-check.ts'
import { type CapturedEntry, type CaptureLog, connect, createCaptureLog } from '../log.ts'
import { createKinds, derivedKinds, type Kind, PINNED, recordedSql } from './kinds.ts'
import { recordedChanges, sameJson } from './recorded.ts'
import { runsTimeoutMs, tries } from './runs.ts'
import { anyTransactions } from './statements.ts'
import { anyTable, type Table } from './tables.ts'
import { outcome, transact, transactionText } from './transact.ts'

let log: CaptureLog
let client: pg.Client
/** Reads values as the log should hold them. */
let reader: pg.Client
let kinds: readonly Kind[]
let version: number

beforeAll(async () => {
  log = await createCaptureLog()
  client = await connect(log.url)
  kinds = (await createKinds(client)).flatMap((kind, place) => [kind, ...derivedKinds(kind, place)])
  version = Number((await client.query('show server_version_num')).rows[0].server_version_num)
  reader = await connect(log.url)
  await reader.query(PINNED)
})
afterAll(async () => {
  await client?.end()
  await reader?.end()
  await log?.close()
})

const quoted = pg.escapeIdentifier

/** The rows of a table with the texts that the log should hold of them, in any order. */
async function rowsOf(table: Table, schema: string): Promise<string[]> {
  const recorded = table.columns.filter(({ made }) => made !== 'virtual')
  const { rows } = await reader.query({
    text: `select ${recorded.map(({ name, kind }) => recordedSql(kind, `t.${quoted(name)}`)).join(', ')} from ${quoted(schema)}.${quoted(table.name)} t`,
    rowMode: 'array',
  })
  return rows
    .map((row: string[]) => rowText(new Map(recorded.map(({ name }, place) => [name, row[place] as string]))))
    .sort()
}

function rowText(row: ReadonlyMap<string, string>): string {
  // JSON that differs in nothing but white space and the order of keys is no change, and stays as it was recorded.
  return JSON.stringify([...row].map(([name, text]) => [name, [...text.replace(/\s/g, '')].sort().join('')]))
}

/** The rows that the log tells of, from empty. Every old value must be the new one of the entry before. */
function replay(entries: readonly CapturedEntry[], witness: string): string[] {
  const state = new Map<string, Map<string, string>>()
  for (let first = 0; first < entries.length; ) {
    const { statement_id } = entries[first] as CapturedEntry
    const together = entries.slice(first).filter((entry) => entry.statement_id === statement_id)
    first += together.length
    // What one statement did, it did at once: a key may be another row's that moves on in the same statement.
    const rows = together.map((entry) => {
      const { action, object_id, previous_object_id, changes_text, changed_fields } = entry
      if (action === 'truncate') {
        state.clear()
        return undefined
      }
      const before = state.get(previous_object_id ?? object_id ?? '')
      if (action !== 'create') expect(before, `${action} of ${object_id}`).toBeDefined()
      const changes = recordedChanges(changes_text)
      expect([...changes.keys()]).toEqual(changed_fields)
      expect(changes.size).toBeGreaterThan(0)
      // Old and new are of one row.
      if (action === 'update') expect([...changes.keys()]).not.toContain(witness)
      const row = new Map(before)
      for (const [field, [old, now]] of changes) {
        const held = before?.get(field) ?? 'null'
        if (!sameJson(old, held)) expect(old, `${action} of ${object_id}: ${field}`).toBe(held)
        row.set(field, now)
      }
      return row
    })
    for (const { previous_object_id, object_id } of together) state.delete(previous_object_id ?? object_id ?? '')
    for (const [place, { action, object_id }] of together.entries()) {
      const row = rows[place]
      if (!row || action === 'delete') continue
      expect(state.has(object_id ?? ''), `${action} of ${object_id}, which is there`).toBe(false)
      state.set(object_id ?? '', row)
    }
  }
  return [...state.values()].map(rowText).sort()
}

const USUAL_RUNS = 40

it(
  'B1 B2 B3 B5 B6 B7 B8 B12 B13 B15 of two tables that are alike but that one is tracked, every transaction comes to the same, and the log replayed from empty is the table',
  async () => {
    const anything = anyTable(kinds, version).chain((table) =>
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
        const [plain, tracked] = [`plain ${round} "of"`, `Tracked ${round}.%s`]
        try {
          // What PostgreSQL itself refuses, such as a default that its type does not take, is no table.
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
          const witness = table.columns.find(({ made }) => made === 'witness')?.name ?? ''
          const rows = await rowsOf(table, tracked)
          expect(rows).toEqual(await rowsOf(table, plain))
          const entries = (await log.entries()).filter(({ action }) => /^(create|update|delete|truncate)$/.test(action))
          if (table.key.length > 0) expect(replay(entries, witness)).toEqual(rows)
          else {
            const last = entries.findLastIndex(({ action }) => action === 'truncate')
            const count = (wanted: string) => entries.slice(last + 1).filter(({ action }) => action === wanted).length
            expect(count('create') - count('delete')).toBe(rows.length)
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
