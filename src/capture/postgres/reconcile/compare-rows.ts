import type { Database } from '../../../connection/database.ts'
import type { Comparison, CurrentRow } from './comparison.ts'
import { judge } from './judge.ts'
import { entriesOf, type ObjectEntry } from './object-entries.ts'
import { followEntries, lookupsOf, type Open } from './row-history.ts'
import { noteSecretKeys } from './secret-keys.ts'

const ROWS_AT_ONCE = 200
/** How often an object's entries are asked for: a value that is not found by then is not compared. */
const MAX_STEPS = 50

/** Compares a sample of a table's rows, or all of them. */
export async function compareSample(database: Database, table: Comparison, atMost: number): Promise<void> {
  await database.query(`declare daybook_rows no scroll cursor for ${table.sql.sample}`)
  let read = 0
  for (;;) {
    const { rows } = await database.query<CurrentRow>(`fetch ${ROWS_AT_ONCE} from daybook_rows`)
    read += rows.length
    await compareRows(database, table, rows)
    if (rows.length < ROWS_AT_ONCE) break
  }
  await database.query('close daybook_rows')
  // Fewer than were asked for, and not for being a sample.
  table.complete = read < atMost && !table.sql.sample.includes(' tablesample ')
}

/** Compares rows with the last value that the log has of each column. */
export async function compareRows(database: Database, table: Comparison, rows: readonly CurrentRow[]): Promise<void> {
  const { tracked } = table
  const fresh = rows.filter(({ key }) => !table.seen.has(key))
  if (fresh.length === 0) return
  table.compared += fresh.length
  noteSecretKeys(table, fresh)
  const all: Open[] = fresh.map((row) => ({
    row,
    found: new Map(),
    lookups: lookupsOf(tracked, row),
    newest: undefined,
    left: undefined,
    ended: undefined,
  }))
  for (let step = 0, open = all; open.length > 0 && step < MAX_STEPS; step += 1) {
    const wanted = open.flatMap((one) => one.lookups.map((lookup) => ({ one, lookup })))
    const entries = await entriesOf(
      database,
      tracked,
      wanted.map(({ lookup }) => lookup),
    )
    const byRow = new Map<Open, ObjectEntry[]>(open.map((one) => [one, []]))
    for (const entry of entries) {
      const one = wanted[entry.place - 1]?.one
      if (one) byRow.get(one)?.push(entry)
    }
    for (const [one, its] of byRow) followEntries(table, one, its)
    open = open.filter(({ lookups }) => lookups.length > 0)
  }
  await judge(database, table, all)
}
