import type { Database } from '../../../connection/database.ts'
import {
  type Column,
  type Comparison,
  type CurrentRow,
  isInGap,
  isOlder,
  isTruncated,
  nameOf,
  note,
} from './comparison.ts'
import { grouped } from './grouped.ts'
import type { ObjectEntry } from './object-entries.ts'
import type { Open } from './row-history.ts'

/** No value of the log is longer: what is, has its size and digest there. */
const MAX_RECORDED_BYTES = 1_048_576

/** A value that is not what the log says, unless it is the same otherwise written. */
interface Doubt {
  readonly open: Open
  readonly place: number
  readonly column: Column
  readonly entry: ObjectEntry
  readonly logged: string
}

/** Notes of each row whether it is what its entries say. */
export async function judge(database: Database, table: Comparison, all: readonly Open[]): Promise<void> {
  const doubts: Doubt[] = []
  for (const open of all) {
    const { row, newest, ended } = open
    const key = nameOf(table, row)
    if (!newest) note(table, 'rows_without_entry', key)
    else if ((ended || isTruncated(table, newest, [row.stored_in])) && isOlder(newest, table.tracked.key_since)) {
      for (const { name, in_key } of table.columns) if (in_key) table.olderThan.add(name)
      note(table, 'rows_older_than_column', key)
    } else if (ended || isTruncated(table, newest, [row.stored_in])) {
      note(table, isInGap(table, newest) ? 'rows_changed_in_gap' : 'rows_unrecorded', key)
    } else {
      for (const [column, { entry, logged }] of open.found) {
        const place = table.columns.indexOf(column)
        if (mayDiffer(logged, row.values[place] ?? null)) doubts.push({ open, place, column, entry, logged })
      }
    }
  }
  const differing = await whatDiffers(database, table, doubts)
  for (const [{ row }, its] of grouped(differing, ({ open }) => open)) {
    const judged = its.filter(
      ({ entry, column }) => !isOlder(entry, column.known_since) && !isOlder(entry, table.tracked.key_since),
    )
    const inGap = judged.every(({ entry }) => isInGap(table, entry))
    if (judged.length === 0) for (const { column } of its) table.olderThan.add(column.name)
    else if (!inGap) for (const { column } of judged) table.differing.add(column.name)
    note(
      table,
      judged.length === 0 ? 'rows_older_than_column' : inGap ? 'rows_changed_in_gap' : 'rows_differ',
      nameOf(table, row),
    )
  }
}

const MASKED = /^\{\s*"\$daybook"\s*:\s*"masked"\s*\}$/
const CAPPED = /^\{\s*"\$daybook"\s*:\s*"capped"/

function mayDiffer(logged: string, value: string | null): boolean {
  const now = value ?? 'null'
  if (logged === now) return false
  // Of a masked value it is known whether there is one.
  if (MASKED.test(logged) || MASKED.test(now)) return (logged === 'null') !== (now === 'null')
  return true
}

async function whatDiffers(database: Database, table: Comparison, doubts: readonly Doubt[]): Promise<Doubt[]> {
  const differing: Doubt[] = []
  const written: Doubt[] = []
  for (const doubt of doubts) {
    const { open, place, column, logged } = doubt
    const now = open.row.values[place] ?? null
    if (now !== null && CAPPED.test(logged) !== CAPPED.test(now)) {
      if (await differsInFull(database, table, doubt, CAPPED.test(logged) ? 0 : MAX_RECORDED_BYTES))
        differing.push(doubt)
    } else if (column.json_type === 'json' && now !== null && logged !== 'null') written.push(doubt)
    else differing.push(doubt)
  }
  if (written.length === 0) return differing
  const { rows } = await database.query<{ same: boolean }>(
    'select daybook.same_json(d.logged, d.now) as same from unnest($1::text[], $2::text[]) with ordinality as d (logged, now, place) order by d.place',
    [written.map(({ logged }) => logged), written.map(({ open, place }) => open.row.values[place])],
  )
  return [...differing, ...written.filter((_, index) => rows[index]?.same !== true)]
}

/** The value once more: as long as the log has it, or as its size and digest where the log has these. */
async function differsInFull(
  database: Database,
  table: Comparison,
  { open, place, logged }: Doubt,
  maxBytes: number,
): Promise<boolean> {
  const { rows } = await database.query<{ sql: string }>("select daybook.recorded_rows_sql($1, $2, 'keys') as sql", [
    table.tracked.id,
    maxBytes,
  ])
  const again = await database.query<CurrentRow>(rows[0]?.sql ?? '', [[open.row.key]])
  return again.rows.find(({ key }) => key === open.row.key)?.values[place] !== logged
}
