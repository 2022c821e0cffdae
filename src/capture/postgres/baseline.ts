import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../connection/database.ts'
import { DaybookError } from '../../core/errors.ts'
import { advisePermission } from './capture-error.ts'
import { requireInstalled } from './install.ts'
import { type LockRetryOptions, withLockRetry } from './lock-retry.ts'

/** How far a baseline has come. */
export interface BaselineProgress {
  /** Rows that were looked at. */
  readonly seen: number
  /** Those that had no entry and have one now. */
  readonly written: number
}

export interface BaselineOptions extends LockRetryOptions {
  /** Rows of one transaction, whose writers wait while it runs. Default 1,000; from 1 to 100,000. */
  readonly batchRows?: number
  /** Told after each batch. */
  readonly onProgress?: (progress: BaselineProgress) => void
  /** Stops after the batch that is being written. */
  readonly signal?: AbortSignal
}

interface Batch {
  readonly seen: number
  readonly written: number
  readonly last: string | null
  readonly held: string
}

/** A row that moves to another partition while it is locked fails the batch, and so does any change of it in a stricter isolation. */
const SERIALIZATION_FAILURE = '40001'

/**
 * Gives the rows of a tracked table that have no entry one that says what they hold now (action `baseline`), in batches, each in a
 * transaction of its own. Stopped or failed, it goes on where it was when it is run again. Writers of a row wait for its batch at most.
 *
 * `waitMs` is how long to go on trying for rows and tables that another transaction holds; default ten minutes. Needs the table's owner
 * who is also a member of `daybook_owner`, or a superuser.
 * @throws DaybookError `unknown_table`, `not_tracked`, `not_trackable` where rows have no key, `invalid_option`, `permission_denied`,
 * `lock_timeout`.
 */
export async function baseline(
  database: Database,
  table: string,
  { batchRows = 1000, onProgress, signal, waitMs = 600_000, onWait }: BaselineOptions = {},
): Promise<BaselineProgress> {
  await requireInstalled(database)
  let seen = 0
  let written = 0
  let after: string | null = null
  let waited = false
  const noteWait = () => {
    if (!waited) onWait?.()
    waited = true
  }
  for (;;) {
    const deadline = Date.now() + waitMs
    const batch = await write(after, null, deadline)
    seen += batch.seen
    written += batch.written
    let { held } = batch
    for (let attempt = 1; held !== '[]'; attempt++) {
      if (Date.now() >= deadline) {
        throw new DaybookError(
          'lock_timeout',
          `Rows of ${table} are held by another transaction. Run it again when that has ended: rows that have their entry are not written twice.`,
          { details: { table, seen, written } },
        )
      }
      noteWait()
      await sleep(Math.min(1000, 50 * attempt))
      signal?.throwIfAborted()
      const again = await write(null, held, deadline)
      written += again.written
      held = again.held
    }
    onProgress?.({ seen, written })
    if (batch.seen < batchRows) return { seen, written }
    after = batch.last
    signal?.throwIfAborted()
  }

  async function write(afterKey: string | null, onlyKeys: string | null, deadline: number): Promise<Batch> {
    for (;;) {
      try {
        return await withLockRetry(
          database,
          (transaction) => writeBatch(transaction, table, batchRows, afterKey, onlyKeys),
          {
            waitMs: Math.max(0, deadline - Date.now()),
            ...(onWait && { onWait }),
          },
        )
      } catch (error) {
        const { code } = error as { readonly code?: unknown }
        if (code !== SERIALIZATION_FAILURE || Date.now() >= deadline) throw advisePermission(error, ADVICE)
        await sleep(100 * Math.random())
      }
    }
  }
}

const ADVICE = 'Run this as the role that owns the table and is a member of daybook_owner, or as a superuser.'

async function writeBatch(
  transaction: Database,
  table: string,
  batchRows: number,
  after: string | null,
  onlyKeys: string | null,
): Promise<Batch> {
  // As text: numbers in a key are texts in it, but nothing says that a driver reads them so.
  const { rows } = await transaction.query<Batch>(
    'select seen, written, last::text as last, held::text as held from daybook.baseline($1, $2::int, $3::json, $4::json)',
    [table, batchRows, after, onlyKeys],
  )
  return rows[0] as Batch
}
