import type { Database } from '../../connection/database.ts'
import { DaybookError } from '../../core/errors.ts'
import type { TableOptions, Tables } from '../../core/table.ts'
import { ensureMonths, requireInstalled } from './install.ts'
import { type LockRetryOptions, withLockRetry } from './lock-retry.ts'
import { pinSearchPath } from './pin-search-path.ts'

/** A tracked table as the database has it. */
export interface TrackedTable {
  /** Its number in `daybook.tracked_table`. */
  readonly id: number
  /** Schema and table, quoted where SQL asks for it. */
  readonly table: string
  readonly model: string
  readonly options: TableOptions
  /** The columns that are masked in effect: those that were named and those whose names look like a secret. */
  readonly masked: readonly string[]
  /** Tables and partitions whose triggers are missing or switched off. */
  readonly uncaptured: readonly string[]
  /** Whether the capture was compiled for the columns that the table has now. */
  readonly inStep: boolean
}

/** One line of what {@link sync} does, or would do. */
export interface SyncStep {
  readonly table: string
  /** `unlisted`: tracked, but not in the configuration. It stays tracked unless `prune` is set. */
  readonly step: 'track' | 'change' | 'unchanged' | 'unlisted' | 'untrack'
}

export interface SyncOptions extends LockRetryOptions {
  /** Only tell what would be done. */
  readonly dryRun?: boolean
  /** End the capture of tables that the configuration does not name. Default: leave them. */
  readonly prune?: boolean
}

/** A call of one of the SQL functions that take what is recorded of a table, with named arguments. */
interface TrackCall {
  readonly table: string
  readonly named: Readonly<Record<string, string | readonly string[]>>
}

function trackCall(table: string, options: TableOptions): TrackCall {
  checkOptions(table, options)
  const { label, permission, link } = options
  const named = {
    model: options.model,
    label_columns: typeof label === 'string' ? [label] : label,
    include_columns: options.include,
    exclude_columns: options.exclude,
    mask_columns: options.mask,
    unmask_columns: options.unmask,
    truncate_policy: options.truncate,
    permission_to: permission?.to,
    permission_grants: permission?.grants,
    permission_columns: options.permissionColumns,
    link_from: link?.from,
    link_to: link?.to,
  }
  const given = Object.entries(named).filter(
    (pair): pair is [string, string | readonly string[]] => pair[1] !== undefined,
  )
  return { table, named: Object.fromEntries(given) }
}

/** The call with its values bound, as `select daybook.configure_table($1, model => $2) as id`. */
function boundCall({ table, named }: TrackCall): [text: string, values: unknown[]] {
  const values = Object.values(named)
  const casts = values.map((value) => (typeof value === 'string' ? '' : '::text[]'))
  const list = Object.keys(named).map((argument, place) => `, ${argument} => $${place + 2}${casts[place]}`)
  return [`select daybook.configure_table($1${list.join('')}) as id`, [table, ...values]]
}

const OPTION_NAMES = new Set([
  'model',
  'label',
  'include',
  'exclude',
  'mask',
  'unmask',
  'truncate',
  'permission',
  'link',
  'permissionColumns',
  // How columns are shown is no matter of the capture's.
  'fields',
])

function checkOptions(table: string, options: TableOptions): void {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.has(name))
  if (unknown === undefined) return
  throw new DaybookError(
    'invalid_option',
    `Table ${table} has no option "${unknown}". The options are ${[...OPTION_NAMES].join(', ')}.`,
    { details: { table, option: unknown } },
  )
}

/**
 * Captures every change of a table from now on, or changes how, and gives the table as it is tracked now.
 * Behind a long transaction it waits without holding writers up.
 * @throws DaybookError `unknown_table`, `unknown_column`, `not_trackable`, `invalid_option`, `permission_denied`, `lock_timeout`.
 */
export async function track(
  database: Database,
  table: string,
  options: TableOptions = {},
  retry: LockRetryOptions = {},
): Promise<TrackedTable> {
  const call = trackCall(table, options)
  await requireInstalled(database)
  const { id, table: name } = await withLockRetry(
    database,
    async (transaction) => {
      const { rows } = await transaction.query<{ id: number }>(...boundCall(call))
      const configured = await trackedTable(transaction, rows[0]?.id, table)
      await transaction.query('select daybook.set_triggers($1, $2::regclass)', [configured.id, configured.table])
      return configured
    },
    retry,
  )
  await capture(database, id, retry)
  return trackedTable(database, id, name)
}

async function trackedTable(database: Database, id: number | undefined, name: string): Promise<TrackedTable> {
  const tracked = (await trackedTables(database)).find((candidate) => candidate.id === id)
  if (!tracked) throw new DaybookError('not_tracked', `${name} was tracked and is gone again. Try once more.`)
  return tracked
}

/** Puts the triggers where they are missing, each relation in its own transaction: one that waits must not hold up the writers of another. */
export async function capture(database: Database, id: number, retry: LockRetryOptions): Promise<void> {
  const { rows } = await database.query<{ relid: string }>('select relid::oid from daybook.uncaptured_relations($1)', [
    id,
  ])
  for (const { relid } of rows) {
    await withLockRetry(
      database,
      (transaction) => transaction.query('select daybook.set_triggers($1, $2::oid)', [id, relid]),
      retry,
    )
  }
}

/**
 * Ends the capture of a table; its history stays.
 * @throws DaybookError `unknown_table`, `not_tracked`, `permission_denied`, `lock_timeout`.
 */
export async function untrack(database: Database, table: string, retry: LockRetryOptions = {}): Promise<void> {
  await requireInstalled(database)
  const { rows } = await withLockRetry(
    database,
    (transaction) =>
      transaction.query<{ id: number; relid: string }>(
        `select t.id, c.relid::oid from daybook.tracked_table t cross join lateral daybook.captured_relations(t.id) c
          where t.relation = daybook.find_table($1)`,
        [table],
      ),
    retry,
  )
  for (const { id, relid } of rows) {
    await withLockRetry(
      database,
      (transaction) => transaction.query('select daybook.drop_triggers($1, $2::oid)', [id, relid]),
      retry,
    )
  }
  await withLockRetry(database, (transaction) => transaction.query('select daybook.untrack($1)', [table]), retry)
}

/** The tables that are tracked, in the order of their names. */
export async function trackedTables(database: Database): Promise<TrackedTable[]> {
  const { rows } = await pinSearchPath(database).query<{
    id: number
    table_name: string
    model: string
    label_columns: string[]
    include_columns: string[] | null
    exclude_columns: string[]
    mask_columns: string[]
    unmask_columns: string[]
    truncate_policy: 'record' | 'refuse'
    permission_columns: string[]
    link_kind: 'link' | 'permission' | null
    link_from: string | null
    link_to: string | null
    masked: string[]
    uncaptured: string[]
    in_step: boolean
  }>(`select t.*, t.known_shape is not distinct from daybook.shape_of(t.relation) as in_step, format('%I.%I', s.nspname, c.relname) as table_name,
        array(select c.name from daybook.tracked_columns(t) c where c.recorded and c.masked) as masked,
        array(select format('%I.%I', us.nspname, uc.relname) from daybook.uncaptured_relations(t.id) u
          join pg_class uc on uc.oid = u.relid join pg_namespace us on us.oid = uc.relnamespace order by 1) as uncaptured
      from daybook.tracked_table t join pg_class c on c.oid = t.relation join pg_namespace s on s.oid = c.relnamespace
      order by s.nspname, c.relname`)
  return rows.map((row) => ({
    id: row.id,
    table: row.table_name,
    model: row.model,
    masked: row.masked,
    uncaptured: row.uncaptured,
    inStep: row.in_step,
    options: {
      model: row.model,
      label: row.label_columns,
      ...(row.include_columns && { include: row.include_columns }),
      exclude: row.exclude_columns,
      mask: row.mask_columns,
      unmask: row.unmask_columns,
      truncate: row.truncate_policy,
      permissionColumns: row.permission_columns,
      ...(row.link_kind === 'permission' && { permission: { to: row.link_from ?? '', grants: row.link_to ?? '' } }),
      ...(row.link_kind === 'link' && { link: { from: row.link_from ?? '', to: row.link_to ?? '' } }),
    },
  }))
}

/**
 * Makes the tracked tables those of the configuration, and the next months' partitions. The whole configuration is checked before
 * anything is captured differently; triggers are then put on one table after the other.
 * @throws DaybookError as {@link track}.
 */
export async function sync(database: Database, tables: Tables, options: SyncOptions = {}): Promise<SyncStep[]> {
  await requireInstalled(database)
  const calls = inOrder(tables).map(([table, tableOptions]) => trackCall(table, tableOptions))
  const before = await trackedTables(database)
  const configured = await configureTables(database, calls, before, options)
  if (!options.dryRun) {
    await ensureMonths(database)
    for (const { id } of configured) await capture(database, id, options)
  }
  const steps: SyncStep[] = configured.map(({ table, step }) => ({ table, step }))
  const listed = new Set(configured.map(({ table }) => table))
  for (const { table } of before.filter((tracked) => !listed.has(tracked.table))) {
    if (options.prune && !options.dryRun) await untrack(database, table, options)
    steps.push({ table, step: options.prune ? 'untrack' : 'unlisted' })
  }
  return steps
}

interface Configured extends SyncStep {
  readonly id: number
}

async function configureTables(
  database: Database,
  calls: readonly TrackCall[],
  before: readonly TrackedTable[],
  options: SyncOptions,
): Promise<readonly Configured[]> {
  let configured: Configured[] = []
  try {
    await withLockRetry(
      database,
      async (transaction) => {
        // Without event triggers this is when the capture learns of columns and tables that changed.
        await transaction.query('select daybook.follow_changes()')
        const ids = new Set<number | undefined>()
        for (const call of calls) {
          const { rows } = await transaction.query<{ id: number }>(...boundCall(call))
          ids.add(rows[0]?.id)
        }
        const now = (await trackedTables(transaction)).filter(({ id }) => ids.has(id))
        configured = now.map((tracked) => ({
          id: tracked.id,
          table: tracked.table,
          step: stepOf(
            before.find(({ id }) => id === tracked.id),
            tracked,
          ),
        }))
        if (options.dryRun) throw new DryRunDone()
      },
      options,
    )
  } catch (error) {
    if (!(error instanceof DryRunDone)) throw error
  }
  return configured
}

/** A table of links names its objects through others, which must be known before it. */
function inOrder(tables: Tables): [string, TableOptions][] {
  const isLink = ({ permission, link }: TableOptions) => Number(Boolean(permission ?? link))
  return Object.entries(tables).sort(([, a], [, b]) => isLink(a) - isLink(b))
}

/**
 * What {@link sync} does to the tables of the configuration, as SQL for those who keep migrations. Tables that it does not name are left.
 * @throws DaybookError `invalid_option`.
 */
export function syncSql(tables: Tables): string {
  const calls = inOrder(tables).map(([table, options]) => trackSql(table, options))
  return [...calls, 'select daybook.ensure_months();', ''].join('\n')
}

/**
 * What {@link track} does, as one SQL statement.
 * @throws DaybookError `invalid_option`.
 */
export function trackSql(table: string, options: TableOptions = {}): string {
  const { named } = trackCall(table, options)
  const given = Object.entries(named).map(([name, value]) => `${name} => ${literal(value)}`)
  return `select daybook.track(${[literal(table), ...given].join(', ')});`
}

function literal(value: string | readonly string[]): string {
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  return `array[${value.map(literal).join(', ')}]::text[]`
}

/** Thrown inside the transaction of a dry run, so that it is rolled back. */
class DryRunDone extends Error {}

function stepOf(before: TrackedTable | undefined, now: TrackedTable | undefined): SyncStep['step'] {
  if (!before) return 'track'
  const same = JSON.stringify(before.options) === JSON.stringify(now?.options)
  return same && before.inStep && before.uncaptured.length === 0 ? 'unchanged' : 'change'
}
