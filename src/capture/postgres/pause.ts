import type { Database } from '../../connection/database.ts'
import { advisePermission, captureError } from './capture-error.ts'
import { requireInstalled } from './install.ts'

export interface PauseOptions {
  /** Why these changes need not be in the log; 1,000 characters at most. It is. */
  readonly reason: string
  /** The tables to pause, by the names that they are tracked by. Default: all that are tracked. */
  readonly tables?: readonly string[]
}

/**
 * Runs `work` in a transaction in which changes are not captured, such as a bulk load. All that is written through the `Database` that
 * it is given goes unrecorded; whatever else is written meanwhile is captured as ever. The beginning and the end are entries of each
 * table (`capture.paused`, `capture.resumed`), with who, why, how long and how many rows; if `work` throws, nothing of it is kept and
 * the capture is on. TRUNCATE is recorded, or refused, all the same.
 *
 * Needs a member of `daybook_owner`, which the application's role must not be.
 * @throws DaybookError `invalid_option` without a reason, or where the transaction is paused already; `unknown_table`, `not_tracked`,
 * `permission_denied`.
 */
export async function pause<T>(
  database: Database,
  { reason, tables }: PauseOptions,
  work: (transaction: Database) => Promise<T>,
): Promise<T> {
  await told(requireInstalled(database))
  return database.transaction(async (transaction) => {
    await told(transaction.query('select daybook.pause($1, $2::text[])', [reason, tables ?? null]))
    const result = await work(transaction)
    await told(transaction.query('select daybook.resume()'))
    return result
  })
}

/** Only what Daybook itself does is told in its own words; errors of the work go through as they are. */
async function told(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    throw advisePermission(captureError(error), ADVICE)
  }
}

const ADVICE = 'Only a member of daybook_owner, or a superuser, pauses the capture.'
