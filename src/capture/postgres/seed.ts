import { readFileSync } from 'node:fs'
import type { Database } from '../../connection/database.ts'
import { DaybookError } from '../../core/errors.ts'
import { type SampleOptions, type SampleStatement, sampleDays, sampleStatements } from '../../core/sample-statements.ts'
import { advisePermission, captureError } from './capture-error.ts'
import { requireInstalled } from './install.ts'

export interface SeedOptions extends SampleOptions {
  /** Also into a log that has entries: made-up ones then stand among them. */
  readonly force?: boolean
  /** Told how many entries are written so far. */
  readonly onProgress?: (written: number) => void
}

const ADVICE =
  "Made-up entries are written as the log's owner: run this as a superuser, or as the role that installed the log."
const BATCH = 4000
/** Far from the numbers that a young database gives its own transactions. */
const FIRST_TRANSACTION = 10_000_000_000

const MAKE_MONTHS =
  "select daybook.make_month(month) from generate_series(date_trunc('month', $1::timestamptz, 'UTC'), $2::timestamptz, interval '1 month') month"

/**
 * Fills the log with made-up entries of a small company, up to a moment: all of them, or none. Needs the rights of the log's owner.
 * @throws DaybookError `invalid_option` where the log has entries already, `not_installed`, `permission_denied`.
 */
export async function seed(database: Database, options: SeedOptions): Promise<void> {
  await requireInstalled(database)
  const insert = readFileSync(new URL('./seed.sql', import.meta.url), 'utf8')
  const from = new Date(options.until.getTime() - sampleDays(options.entries) * 86_400_000)
  try {
    // In a transaction of its own: what it locks would keep readers out until the last entry is written.
    await database.transaction(async (transaction) => {
      await beOwner(transaction)
      await refuseFilled(transaction, options)
      await transaction.query(MAKE_MONTHS, [from, options.until])
    })
    await database.transaction(async (transaction) => {
      await beOwner(transaction)
      await refuseFilled(transaction, options)
      let written = 0
      for (const rows of batches(sampleStatements(options))) {
        await transaction.query(insert, [JSON.stringify(rows)])
        written += rows.length
        options.onProgress?.(written)
      }
      await transaction.query('analyze daybook.entry')
    })
  } catch (error) {
    throw advisePermission(captureError(error), ADVICE)
  }
}

async function beOwner(transaction: Database): Promise<void> {
  await transaction.query('set local role daybook_owner')
  await transaction.query("set local timezone = 'UTC'")
  await transaction.query("select pg_advisory_xact_lock(hashtextextended('daybook.seed', 0))")
}

async function refuseFilled(transaction: Database, { force = false }: SeedOptions): Promise<void> {
  const { rows } = await transaction.query('select from daybook.entry limit 1')
  if (force || rows.length === 0) return
  throw new DaybookError(
    'invalid_option',
    'This log has entries, and made-up ones would stand among them for ever. Use another database, or say that you want it: --force',
  )
}

/** Rows of whole statements, a batch at a time. */
function* batches(statements: Iterable<SampleStatement>): Generator<Record<string, unknown>[]> {
  let rows: Record<string, unknown>[] = []
  for (const statement of statements) {
    if (rows.length > 0 && rows.length + statement.entries.length > BATCH) {
      yield rows
      rows = []
    }
    const first = rows.length + 1
    for (const [index, entry] of statement.entries.entries()) {
      const isFirst = index === 0
      rows.push({
        place: first + index,
        first,
        recorded_at: statement.recordedAt,
        ip_address: statement.ipAddress,
        action: statement.action,
        outcome: statement.outcome === 'success' ? null : statement.outcome,
        actor_type: statement.actor.type,
        actor_id: statement.actor.id,
        model: statement.model,
        object_id: entry.objectId,
        object_label: entry.objectLabel,
        related_model: statement.relatedModel,
        related_id: entry.relatedId,
        related_label: entry.relatedLabel,
        changes: entry.changes,
        // As the capture does it: an update has its own fields, the rows of other statements share them.
        changed_fields: isFirst || statement.action === 'update' ? entry.changedFields : null,
        ...(isFirst && sharedBy(statement)),
      })
    }
  }
  if (rows.length > 0) yield rows
}

/** What stands on the first entry of a statement for all of them. */
function sharedBy(statement: SampleStatement): Record<string, unknown> {
  return {
    transaction_id: String(FIRST_TRANSACTION + statement.transaction),
    table_name: statement.tableName,
    actor_label: statement.actor.label,
    request_id: statement.requestId,
    database_user: statement.actor.type === 'database' ? statement.actor.id : 'backoffice',
    context: JSON.stringify(statement.context),
  }
}
