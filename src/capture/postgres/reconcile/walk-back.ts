import type { Database } from '../../../connection/database.ts'
import type { Finding } from '../finding.ts'
import { compareRows } from './compare-rows.ts'
import { type Comparison, type CurrentRow, isInGap, isOlder, isTruncated, note } from './comparison.ts'
import { grouped } from './grouped.ts'
import { ends, entriesOf, NEWEST } from './object-entries.ts'
import { orSay } from './or-say.ts'
import type { Reconciliation } from './reconciliation.ts'
import { type Tracked, wentBy } from './tracked.ts'

const ENTRIES_AT_ONCE = 2000
const ENTRIES_PER_ROW = 10

/** An entry on the way back through the log, as far as it names an object. */
interface WalkedEntry {
  readonly id: string
  readonly recorded_at: string
  readonly transaction_id: string
  readonly table_name: string | null
  readonly object_id: string | null
  readonly related_id: string | null
}

/** Goes back through the newest entries and looks for their objects: they may be gone, and who was changed last is worth comparing. */
export async function walkBack(
  database: Database,
  tables: readonly Comparison[],
  rows: number,
  findings: Finding[],
): Promise<Omit<Reconciliation, 'tables'>> {
  const atMost = rows * ENTRIES_PER_ROW
  let before = NEWEST
  let read = 0
  let backTo: string | null = null
  for (;;) {
    const { rows: entries } = await database.query<WalkedEntry>(
      `select v.id::text, to_char(v.recorded_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as recorded_at, coalesce(v.transaction_id::text, '0') as transaction_id, v.table_name, v.object_id, v.related_id
        from daybook.entries v where v.id < $1 order by v.id desc limit $2`,
      [before, Math.min(ENTRIES_AT_ONCE, atMost - read)],
    )
    for (const table of tables.filter(({ failed }) => !failed)) {
      const its = entries.filter((entry) => isOfTable(table.tracked, entry))
      if (its.length === 0) continue
      table.failed = !(await orSay(findings, table.tracked.table, () =>
        database.transaction((savepoint) => lookFor(savepoint, table, its, rows)),
      ))
    }
    read += entries.length
    const last = entries.at(-1)
    if (!last) return { entries: read, backTo, complete: true }
    backTo = last.recorded_at
    before = last.id
    if (read >= atMost) return { entries: read, backTo, complete: false }
  }
}

function isOfTable(tracked: Tracked, entry: WalkedEntry): boolean {
  return (
    entry.object_id !== null &&
    tracked.link === (entry.related_id !== null) &&
    !isOlder(entry, tracked.key_since) &&
    wentBy(tracked, entry)
  )
}

/** A key that is too long stands as its digest, which finds no row. */
const DIGESTED = /\.\.\.sha256:[0-9a-f]{64}/

async function lookFor(
  database: Database,
  table: Comparison,
  entries: readonly WalkedEntry[],
  atMost: number,
): Promise<void> {
  const objects = new Map<string, { readonly key: string; readonly related: string | null }>()
  for (const { object_id: key, related_id: related } of entries) {
    if (key !== null && !DIGESTED.test(key) && !DIGESTED.test(related ?? '')) {
      objects.set(JSON.stringify([key, related]), { key, related })
    }
  }
  const wanted = [...objects.values()]
  const present = await database.query<CurrentRow>(
    table.sql.links ?? table.sql.keys,
    table.sql.links === null
      ? [wanted.map(({ key }) => key)]
      : [wanted.map(({ key }) => key), wanted.map(({ related }) => related)],
  )
  for (const { key, link_from, link_to } of present.rows) {
    objects.delete(JSON.stringify(table.sql.links === null ? [key, null] : [link_from, link_to]))
  }
  // Where all rows are compared these are among them.
  if (Number.isFinite(atMost)) {
    await compareRows(database, table, present.rows)
    for (const { key } of present.rows) table.seen.add(key)
  }
  await findGone(database, table, [...objects.values()])
}

async function findGone(
  database: Database,
  table: Comparison,
  objects: readonly { readonly key: string; readonly related: string | null }[],
): Promise<void> {
  const { tracked } = table
  if (objects.length === 0) return
  const entries = await entriesOf(
    database,
    tracked,
    objects.map((object) => ({ ...object, before: NEWEST })),
  )
  for (const [place, its] of grouped(entries, (entry) => entry.place)) {
    const [newest] = its
    const object = objects[place - 1]
    if (!newest || !object || newest.left || ends(tracked, newest.action)) continue
    if (isTruncated(table, newest, tracked.partitions)) continue
    const verdict = isInGap(table, newest)
      ? 'rows_changed_in_gap'
      : tracked.partitioned
        ? 'rows_gone_from_partitions'
        : 'rows_gone'
    const name = object.related === null ? object.key : `${object.key} → ${object.related}`
    if (!table.gone.has(name)) note(table, verdict, name)
    table.gone.add(name)
  }
}
