import { type RawChange, readRawChanges } from '../../../core/raw-changes.ts'
import type { Column, Comparison, CurrentRow } from './comparison.ts'
import { grouped } from './grouped.ts'
import { begins, ENTRIES_OF_AN_OBJECT, ends, type Lookup, NEWEST, type ObjectEntry } from './object-entries.ts'
import type { Tracked } from './tracked.ts'

/** A row whose entries are gone through, newest first, until each column's last value is found. */
export interface Open {
  readonly row: CurrentRow
  readonly found: Map<Column, { readonly entry: ObjectEntry; readonly logged: string }>
  lookups: readonly Lookup[]
  newest: ObjectEntry | undefined
  left: ObjectEntry | undefined
  ended: ObjectEntry | undefined
}

export function lookupsOf({ link }: Tracked, { key, link_from, link_to }: CurrentRow): Lookup[] {
  const own = { key, related: null, before: NEWEST }
  return link && link_from !== null && link_to !== null
    ? [{ key: link_from, related: link_to, before: NEWEST }, own]
    : [own]
}

/** Takes from entries, newest first, what they say last of the row's columns, and says where to go on. */
export function followEntries(table: Comparison, open: Open, entries: readonly ObjectEntry[]): void {
  const { tracked, columns } = table
  const lookups = open.lookups
  open.lookups = []
  // Of what one lookup could not give whole, the rest comes with the next: nothing older may be taken before it.
  const cut = grouped(
    entries.filter(({ left }) => !left),
    ({ place }) => place,
  )
    .filter(([, its]) => its.length === ENTRIES_OF_AN_OBJECT)
    .map(([, its]) => BigInt(its.at(-1)?.id ?? 0))
    .toSorted((a, b) => (a < b ? 1 : -1))
    .at(0)
  const inOrder = entries.toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? 1 : -1))
  for (const entry of inOrder) {
    if (cut !== undefined && BigInt(entry.id) < cut) break
    if (entry.left) {
      open.left ??= entry
      continue
    }
    // The key was another row's before that left it. Rows that change places in one transaction leave and come at once.
    if (open.left && BigInt(entry.id) < BigInt(open.left.id) && entry.transaction_id !== open.left.transaction_id) {
      open.newest ??= open.left
      if (open.newest === open.left) open.ended = open.left
      return
    }
    const changes = rawChanges(entry)
    if (!isOfRow(table, open.row, entry, changes)) continue
    open.newest ??= entry
    if (ends(tracked, entry.action)) {
      if (open.newest === entry) open.ended = entry
      return
    }
    columns.forEach((column) => {
      const change = changes?.get(column.name)
      if (change && !open.found.has(column)) open.found.set(column, { entry, logged: change[1] })
    })
    if (begins(tracked, entry.action) || open.found.size === columns.length) return
    if (entry.previous_object_id !== null) {
      open.left = undefined
      // Of the same statement are the others that changed their keys with this one.
      open.lookups = [{ key: entry.previous_object_id, related: null, before: entry.statement_id }]
      return
    }
  }
  if (open.left && !open.newest) {
    open.newest = open.left
    open.ended = open.left
    return
  }
  if (cut !== undefined) open.lookups = lookups.map((lookup) => ({ ...lookup, before: String(cut) }))
}

function rawChanges({ changes }: ObjectEntry): ReadonlyMap<string, RawChange> | undefined {
  try {
    return changes === null ? undefined : readRawChanges(changes)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Whether the entry of a link is this row's: rows of the same two objects are told apart by their keys. */
function isOfRow(
  { tracked, columns }: Comparison,
  row: CurrentRow,
  { action }: ObjectEntry,
  changes: ReadonlyMap<string, RawChange> | undefined,
): boolean {
  if (!tracked.link || !(begins(tracked, action) || ends(tracked, action))) return true
  return columns.every((column, place) => {
    const change = column.in_key ? changes?.get(column.name) : undefined
    return change === undefined || change[ends(tracked, action) ? 0 : 1] === (row.values[place] ?? 'null')
  })
}
