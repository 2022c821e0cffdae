import type { Database } from '../../connection/database.ts'
import { DaybookError } from '../../core/errors.ts'
import type { TableOptions, Tables } from '../../core/table.ts'
import { captureError } from './capture-error.ts'
import { ensureMonths, requireInstalled } from './install.ts'
import { type LockRetryOptions, withLockRetry } from './lock-retry.ts'

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

const ARGUMENTS = '($1, $2, $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8, $9, $10)'

function argumentsOf(table: string, options: TableOptions): unknown[] {
  checkOptions(table, options)
  return [
    table,
    options.model ?? null,
    typeof options.label === 'string' ? [options.label] : (options.label ?? []),
    options.include ?? null,
    options.exclude ?? [],
    options.mask ?? [],
    options.unmask ?? [],
    options.truncate ?? 'record',
    options.permission?.to ?? null,
    options.permission?.grants ?? null,
  ]
}

const OPTION_NAMES = new Set(['model', 'label', 'include', 'exclude', 'mask', 'unmask', 'truncate', 'permission'])

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
 * Captures every change of a table from now on, or changes how, and gives the table as it is tracked now. Behind a long transaction it waits without holding writers up.
 * @throws DaybookError `unknown_table`, `unknown_column`, `not_trackable`, `invalid_option`, `permission_denied`, `lock_timeout`.
 */
export async function track(
  database: Database,
  table: string,
  options: TableOptions = {},
  retry: LockRetryOptions = {},
): Promise<TrackedTable> {
  const values = argumentsOf(table, options)
  await requireInstalled(database)
  return withLockRetry(
    database,
    async (transaction) => {
      const { rows } = await transaction.query<{ id: number }>(`select daybook.track${ARGUMENTS} as id`, values)
      const tracked = (await trackedTables(transaction)).find(({ id }) => id === rows[0]?.id)
      if (!tracked)
        throw new DaybookError('not_tracked', `${table} is not tracked: it was dropped or untracked meanwhile.`)
      return tracked
    },
    retry,
  )
}

/**
 * Ends the capture of a table; its history stays.
 * @throws DaybookError `unknown_table`, `not_tracked`, `permission_denied`, `lock_timeout`.
 */
export async function untrack(database: Database, table: string, retry: LockRetryOptions = {}): Promise<void> {
  await requireInstalled(database)
  await withLockRetry(database, (transaction) => transaction.query('select daybook.untrack($1)', [table]), retry)
}

/** The tables that are tracked, in the order of their names. */
export async function trackedTables(database: Database): Promise<TrackedTable[]> {
  const { rows } = await database.query<{
    id: number
    table_name: string
    model: string
    label_columns: string[]
    include_columns: string[] | null
    exclude_columns: string[]
    mask_columns: string[]
    unmask_columns: string[]
    truncate_policy: 'record' | 'refuse'
    permission_to: string | null
    permission_grants: string | null
    masked: string[]
    uncaptured: string[]
  }>(`select t.*, format('%I.%I', s.nspname, c.relname) as table_name,
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
    options: {
      model: row.model,
      label: row.label_columns,
      ...(row.include_columns && { include: row.include_columns }),
      exclude: row.exclude_columns,
      mask: row.mask_columns,
      unmask: row.unmask_columns,
      truncate: row.truncate_policy,
      ...(row.permission_to !== null &&
        row.permission_grants !== null && { permission: { to: row.permission_to, grants: row.permission_grants } }),
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
  const calls = inOrder(tables).map(([table, tableOptions]) => argumentsOf(table, tableOptions))
  const before = await trackedTables(database)
  const configured: { id: number; table: string; step: SyncStep['step'] }[] = []
  try {
    await database.transaction(async (transaction) => {
      const ids: number[] = []
      for (const values of calls) {
        const { rows } = await transaction.query<{ id: number }>(
          `select daybook.configure_table${ARGUMENTS} as id`,
          values,
        )
        if (rows[0]) ids.push(rows[0].id)
      }
      const after = await transaction.query<{ id: number; table_name: string }>(
        `select t.id, format('%I.%I', s.nspname, c.relname) as table_name
         from daybook.tracked_table t join pg_class c on c.oid = t.relation join pg_namespace s on s.oid = c.relnamespace
         where t.id = any ($1::int[]) order by s.nspname, c.relname`,
        [ids],
      )
      const now = new Map((await trackedTables(transaction)).map((tracked) => [tracked.table, tracked]))
      for (const { id, table_name: table } of after.rows) {
        configured.push({
          id,
          table,
          step: stepOf(
            before.find((tracked) => tracked.table === table),
            now.get(table),
          ),
        })
      }
      if (options.dryRun) throw new DryRunDone()
    })
  } catch (error) {
    if (!(error instanceof DryRunDone)) throw captureError(error)
  }
  if (!options.dryRun) {
    await ensureMonths(database)
    for (const { id } of configured) {
      await withLockRetry(
        database,
        (transaction) => transaction.query('select daybook.set_triggers($1)', [id]),
        options,
      )
    }
  }
  const steps: SyncStep[] = configured.map(({ table, step }) => ({ table, step }))
  const listed = new Set(configured.map(({ table }) => table))
  for (const { table } of before.filter((tracked) => !listed.has(tracked.table))) {
    if (options.prune && !options.dryRun) await untrack(database, table, options)
    steps.push({ table, step: options.prune ? 'untrack' : 'unlisted' })
  }
  return steps
}

/** A table that gives permissions names its objects through others, which must be known before it. */
function inOrder(tables: Tables): [string, TableOptions][] {
  return Object.entries(tables).sort(([, a], [, b]) => Number(Boolean(a.permission)) - Number(Boolean(b.permission)))
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
  checkOptions(table, options)
  const { label, permission } = options
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
  }
  const given = Object.entries(named).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} => ${literal(value)}`],
  )
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
  const same = JSON.stringify(before.options) === JSON.stringify(now?.options) && before.uncaptured.length === 0
  return same ? 'unchanged' : 'change'
}
