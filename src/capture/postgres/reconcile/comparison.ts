import type { Database } from '../../../connection/database.ts'
import { type Finding, toFinding } from '../finding.ts'
import type { ObjectEntry } from './object-entries.ts'
import { type Tracked, wentBy } from './tracked.ts'

/** A value that is longer arrives as its size and digest: rows come by the hundred. */
const MAX_VALUE_BYTES = 65_536

/** Keys that a finding names. */
const MAX_KEYS = 10

export interface Column {
  readonly name: string
  readonly in_key: boolean
  readonly masked: boolean
  readonly json_type: 'json' | 'jsonb' | null
  /** The transaction that made the column what it is. */
  readonly known_since: string
}

interface Gap {
  readonly id: string
  readonly table_name: string
  readonly truncated: boolean
}

/** A table while it is compared. */
export interface Comparison {
  readonly tracked: Tracked
  readonly columns: readonly Column[]
  readonly gaps: readonly Gap[]
  readonly sql: { readonly sample: string; readonly keys: string; readonly links: string | null }
  /** Keys of rows that were compared on the way back through the log, and of those that are gone. */
  readonly seen: Set<string>
  readonly gone: Set<string>
  readonly differing: Set<string>
  readonly secretKeys: Map<string, Set<string>>
  readonly keys: Record<Verdict, string[]>
  readonly counts: Record<Verdict, number>
  readonly olderThan: Set<string>
  compared: number
  complete: boolean
  failed: boolean
}

/** What is wrong with one row, or with one object that has none. */
type Verdict =
  | 'rows_differ'
  | 'rows_unrecorded'
  | 'rows_gone'
  | 'rows_gone_from_partitions'
  | 'rows_changed_in_gap'
  | 'rows_without_entry'
  | 'rows_older_than_column'

const VERDICTS: readonly Verdict[] = [
  'rows_differ',
  'rows_unrecorded',
  'rows_gone',
  'rows_gone_from_partitions',
  'rows_changed_in_gap',
  'rows_without_entry',
  'rows_older_than_column',
]

/** A table before anything of it is compared. */
export async function prepare(database: Database, tracked: Tracked, atMost: number): Promise<Comparison> {
  const { rows: columns } = await database.query<Column>('select * from daybook.compared_columns($1)', [tracked.id])
  const names = [...tracked.names.map(({ name }) => name), ...tracked.partitions]
  const gaps = await database.query<Gap>(
    'select id::text, table_name, truncated from daybook.gaps() where table_name = any ($1)',
    [names],
  )
  const rowsSql = async (lookFor: 'keys' | 'links' | null, limit: number | null) => {
    const { rows } = await database.query<{ sql: string }>('select daybook.recorded_rows_sql($1, $2, $3, $4) as sql', [
      tracked.id,
      MAX_VALUE_BYTES,
      lookFor,
      limit,
    ])
    return rows[0]?.sql ?? ''
  }
  return {
    tracked,
    columns,
    gaps: gaps.rows.filter((gap) => tracked.partitions.includes(gap.table_name) || wentBy(tracked, gap)),
    sql: {
      sample: await rowsSql(null, Number.isFinite(atMost) ? atMost : null),
      keys: await rowsSql('keys', null),
      links: tracked.link ? await rowsSql('links', null) : null,
    },
    seen: new Set(),
    gone: new Set(),
    differing: new Set(),
    secretKeys: new Map(),
    keys: Object.fromEntries(VERDICTS.map((verdict) => [verdict, [] as string[]])) as Record<Verdict, string[]>,
    counts: Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>,
    olderThan: new Set(),
    compared: 0,
    complete: false,
    failed: false,
  }
}

export function note(table: Comparison, verdict: Verdict, key: string): void {
  table.counts[verdict] += 1
  if (table.keys[verdict].length < MAX_KEYS) table.keys[verdict].push(key)
}

export function tableFindings(table: Comparison): Finding[] {
  const found = VERDICTS.filter((verdict) => table.counts[verdict] > 0).map((verdict) =>
    toFinding(verdict, {
      table: table.tracked.table,
      count: table.counts[verdict],
      keys: table.keys[verdict],
      ...(verdict === 'rows_differ' && { names: [...table.differing].sort() }),
      ...(verdict === 'rows_older_than_column' && { names: [...table.olderThan].sort() }),
    }),
  )
  const secrets = [...table.secretKeys].map(([column, keys]) =>
    toFinding('secret_in_json', {
      table: table.tracked.table,
      names: [column],
      object: [...keys].sort().slice(0, MAX_KEYS).join(', '),
    }),
  )
  return [...found, ...secrets]
}

/** A row as the capture would record it now. */
export interface CurrentRow {
  readonly key: string
  readonly link_from: string | null
  readonly link_to: string | null
  readonly stored_in: string
  readonly values: readonly (string | null)[]
}

export function nameOf({ tracked }: Comparison, { key, link_from, link_to }: CurrentRow): string {
  return tracked.link ? `${link_from} → ${link_to}` : key
}

export function isOlder({ transaction_id }: { readonly transaction_id: string }, since: string): boolean {
  return BigInt(transaction_id) < BigInt(since)
}

/** The capture was paused, ended or narrower after an entry. */
export function isInGap({ gaps, tracked }: Comparison, { id }: ObjectEntry): boolean {
  return gaps.some(
    (gap) => !gap.truncated && !tracked.partitions.includes(gap.table_name) && BigInt(gap.id) > BigInt(id),
  )
}

export function isTruncated({ gaps, tracked }: Comparison, { id }: ObjectEntry, relations: readonly string[]): boolean {
  return gaps.some(
    (gap) =>
      gap.truncated && (!tracked.partitioned || relations.includes(gap.table_name)) && BigInt(gap.id) > BigInt(id),
  )
}
