import type { Database } from '../../connection/database.ts'
import { type RawChange, readRawChanges } from '../../core/raw-changes.ts'
import { looksSecret } from '../../core/secret-name.ts'
import { captureError } from './capture-error.ts'
import { type Finding, toFinding } from './finding.ts'

/** How far the rows of one tracked table were compared with the log. */
export interface ComparedTable {
  readonly table: string
  /** Rows whose values were compared with their entries. */
  readonly rows: number
  /** How many the table has, as PostgreSQL estimates it; 0: not known. */
  readonly ofAbout: number
  /** Every row was looked at. */
  readonly complete: boolean
}

/** How far the log and the tables were compared. */
export interface Reconciliation {
  readonly tables: readonly ComparedTable[]
  /** The newest entries, whose objects were looked for in the tables. */
  readonly entries: number
  /** The moment of the oldest of them, ISO 8601; null where there is none. */
  readonly backTo: string | null
  /** Every entry was looked at. */
  readonly complete: boolean
}

export interface ReconcileResult {
  readonly reconciliation: Reconciliation
  readonly findings: readonly Finding[]
}

/** A value that is longer arrives as its size and digest: rows come by the hundred. */
const MAX_VALUE_BYTES = 65_536
/** No value of the log is longer: what is, has its size and digest there. */
const MAX_RECORDED_BYTES = 1_048_576
const ROWS_AT_ONCE = 200
const ENTRIES_AT_ONCE = 2000
/** Entries of one object that are read at once, and how often: a value that is not found by then is not compared. */
const ENTRIES_OF_AN_OBJECT = 20
const MAX_STEPS = 50
const ENTRIES_PER_ROW = 10
/** Keys that a finding names. */
const MAX_KEYS = 10
const NEWEST = '9223372036854775807'

/** As the capture functions pin them, so that the same value gives the same text. */
const SETTINGS = `
  set local search_path = pg_catalog, pg_temp; set local "TimeZone" = 'UTC'; set local extra_float_digits = 1;
  set local "DateStyle" = 'ISO, YMD'; set local "IntervalStyle" = 'iso_8601'; set local bytea_output = 'hex';
  set local lc_monetary = 'C'; set local quote_all_identifiers = off; set local row_security = off; set local jit = off;
  set local lock_timeout = '2s'`

/**
 * Compares the tracked tables with what the log says of them last, in one snapshot, so that writers at work make no difference.
 * It only reads.
 * @param rows Rows of each table that are compared at most, and a tenth of the newest entries whose objects are looked for.
 */
export function reconcile(database: Database, rows: number): Promise<ReconcileResult> {
  return database.transaction(async (transaction) => {
    await transaction.query('set transaction isolation level repeatable read, read only')
    await transaction.query(SETTINGS)
    const findings: Finding[] = []
    const tables: Comparison[] = []
    for (const tracked of await comparableTables(transaction)) {
      await orSay(findings, tracked.table, async () => {
        tables.push(await transaction.transaction((savepoint) => prepare(savepoint, tracked, rows)))
      })
    }
    const walk = await walkBack(transaction, tables, rows, findings)
    for (const table of tables) {
      if (table.failed) continue
      table.failed = !(await orSay(findings, table.tracked.table, () =>
        transaction.transaction((savepoint) => compareSample(savepoint, table, rows)),
      ))
    }
    return {
      reconciliation: {
        ...walk,
        tables: tables
          .filter(({ failed }) => !failed)
          .map(({ tracked, compared, complete }) => ({
            table: tracked.table,
            rows: compared,
            ofAbout: tracked.about,
            complete,
          })),
      },
      findings: [...findings, ...tables.flatMap(tableFindings)],
    }
  })
}

async function orSay(findings: Finding[], table: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    const known = captureError(error)
    const reason = known instanceof Error ? known.message : String(known)
    findings.push(toFinding('not_checked', { table, object: `the rows of ${table}`, reason }))
    return false
  }
}

interface Tracked {
  readonly id: number
  readonly table: string
  /** What it was called, after which entry and before which one. */
  readonly names: readonly { readonly name: string; readonly after: string; readonly before: string }[]
  readonly partitions: readonly string[]
  /** The transaction that made the key what it is: objects may have gone by another before. */
  readonly key_since: string
  readonly partitioned: boolean
  readonly link: boolean
  readonly about: number
}

async function comparableTables(database: Database): Promise<Tracked[]> {
  const { rows } = await database.query<Tracked>(`
    select t.id, t.relation::text as table, c.relkind = 'p' as partitioned, t.link_kind is not null as link,
      daybook.rows_about(t.relation)::float8 as about,
      (select json_agg(json_build_object('name', n.name, 'after', n.after_id::text, 'before', n.before_id::text)) from daybook.names_of(t.id) n) as names,
      greatest((select max(c.known_since::numeric) from daybook.compared_columns(t.id) c where c.in_key or c.name in (t.link_from, t.link_to)),
        (select daybook.full_xid(i.xmin) from pg_index i where i.indrelid = t.relation and i.indisprimary))::text as key_since,
      array(select p.relid::text from pg_partition_tree(t.relation) p where p.relid <> t.relation) as partitions
    from daybook.tracked_table t join pg_class c on c.oid = t.relation
    where daybook.object_key_sql(t, 'n') <> 'null::text'
    order by 2`)
  return rows
}

interface Column {
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
interface Comparison {
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

async function prepare(database: Database, tracked: Tracked, atMost: number): Promise<Comparison> {
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

function note(table: Comparison, verdict: Verdict, key: string): void {
  table.counts[verdict] += 1
  if (table.keys[verdict].length < MAX_KEYS) table.keys[verdict].push(key)
}

function tableFindings(table: Comparison): Finding[] {
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
interface CurrentRow {
  readonly key: string
  readonly link_from: string | null
  readonly link_to: string | null
  readonly stored_in: string
  readonly values: readonly (string | null)[]
}

async function compareSample(database: Database, table: Comparison, atMost: number): Promise<void> {
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

/** An entry of one object. */
interface ObjectEntry {
  readonly place: number
  readonly id: string
  readonly statement_id: string
  readonly transaction_id: string
  readonly action: string
  readonly previous_object_id: string | null
  readonly changes: string | null
  /** The object was given another key: what came before is another object's. */
  readonly left: boolean
}

interface Lookup {
  readonly key: string
  readonly related: string | null
  readonly before: string
}

/** The entries of objects before a certain one, newest first; and the last by which an object left its key. */
async function entriesOf(database: Database, { names }: Tracked, lookups: readonly Lookup[]): Promise<ObjectEntry[]> {
  const columns =
    "v.id, v.statement_id, coalesce(v.transaction_id::text, '0') as transaction_id, v.action, v.previous_object_id, v.changes::text as changes"
  const ofTable =
    'exists (select from unnest($4::text[], $5::bigint[], $6::bigint[]) n (name, after, before) where v.table_name = n.name and v.id > n.after and v.id < n.before)'
  const { rows } = await database.query<ObjectEntry>(
    `select w.place::int, v.* from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality as w (key, related, before, place)
      cross join lateral (
        (select v.* from (select ${columns}, false as "left" from daybook.entries v
            where v.object_id = w.key and v.related_id is not distinct from w.related and v.id < w.before and ${ofTable} offset 0) v
          order by v.id desc limit ${ENTRIES_OF_AN_OBJECT})
        union all
        (select v.* from (select ${columns}, true from daybook.entries v
            where v.previous_object_id = w.key and v.object_id <> w.key and v.id < w.before and ${ofTable} offset 0) v
          order by v.id desc limit 1)
      ) v
      order by w.place, v.id desc`,
    [
      lookups.map(({ key }) => key),
      lookups.map(({ related }) => related),
      lookups.map(({ before }) => before),
      names.map(({ name }) => name),
      names.map(({ after }) => after),
      names.map(({ before }) => before),
    ],
  )
  return rows
}

function begins({ link }: Tracked, action: string): boolean {
  return action === 'baseline' || (link ? action === 'linked' || action === 'permission_granted' : action === 'create')
}

function ends({ link }: Tracked, action: string): boolean {
  return link ? action === 'unlinked' || action === 'permission_revoked' : action === 'delete'
}

/** A row whose entries are gone through, newest first, until each column's last value is found. */
interface Open {
  readonly row: CurrentRow
  readonly found: Map<Column, { readonly entry: ObjectEntry; readonly logged: string }>
  lookups: readonly Lookup[]
  newest: ObjectEntry | undefined
  left: ObjectEntry | undefined
  ended: ObjectEntry | undefined
}

async function compareRows(database: Database, table: Comparison, rows: readonly CurrentRow[]): Promise<void> {
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

function lookupsOf({ link }: Tracked, { key, link_from, link_to }: CurrentRow): Lookup[] {
  const own = { key, related: null, before: NEWEST }
  return link && link_from !== null && link_to !== null
    ? [{ key: link_from, related: link_to, before: NEWEST }, own]
    : [own]
}

/** Takes from entries, newest first, what they say last of the row's columns, and says where to go on. */
function followEntries(table: Comparison, open: Open, entries: readonly ObjectEntry[]): void {
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

/** A value that is not what the log says, unless it is the same otherwise written. */
interface Doubt {
  readonly open: Open
  readonly place: number
  readonly column: Column
  readonly entry: ObjectEntry
  readonly logged: string
}

async function judge(database: Database, table: Comparison, all: readonly Open[]): Promise<void> {
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

function isOlder({ transaction_id }: { readonly transaction_id: string }, since: string): boolean {
  return BigInt(transaction_id) < BigInt(since)
}

function grouped<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): [Key, Item[]][] {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return [...groups]
}

function nameOf({ tracked }: Comparison, { key, link_from, link_to }: CurrentRow): string {
  return tracked.link ? `${link_from} → ${link_to}` : key
}

/** The capture was paused, ended or narrower after an entry. */
function isInGap({ gaps, tracked }: Comparison, { id }: ObjectEntry): boolean {
  return gaps.some(
    (gap) => !gap.truncated && !tracked.partitions.includes(gap.table_name) && BigInt(gap.id) > BigInt(id),
  )
}

function isTruncated({ gaps, tracked }: Comparison, { id }: ObjectEntry, relations: readonly string[]): boolean {
  return gaps.some(
    (gap) =>
      gap.truncated && (!tracked.partitioned || relations.includes(gap.table_name)) && BigInt(gap.id) > BigInt(id),
  )
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

function noteSecretKeys(table: Comparison, rows: readonly CurrentRow[]): void {
  table.columns.forEach(({ name, json_type, masked }, place) => {
    if (json_type === null || masked) return
    for (const { values } of rows) {
      for (const [, key = '', colon] of (values[place] ?? '').matchAll(/"((?:[^"\\]|\\.)*)"(\s*:)?/gs)) {
        if (!colon || !looksSecret(key)) continue
        const keys = table.secretKeys.get(name) ?? new Set()
        table.secretKeys.set(name, keys.add(key))
      }
    }
  })
}

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
async function walkBack(
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

/** Whether the table went by that name at the time. */
function wentBy({ names }: Tracked, { id, table_name }: { readonly id: string; readonly table_name: string | null }) {
  return names.some(
    ({ name, after, before }) => name === table_name && BigInt(id) > BigInt(after) && BigInt(id) < BigInt(before),
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
