import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../connection/database.ts'
import { DaybookError } from '../../core/errors.ts'
import { captureError } from './capture-error.ts'
import { pinSearchPath } from './pin-search-path.ts'

export interface LockRetryOptions {
  /** How long to go on trying before `lock_timeout` is thrown. Default ten minutes. */
  readonly waitMs?: number
  /** Called once, when the first try has failed: somebody may want to know why it takes long. */
  readonly onWait?: () => void
}

/**
 * Longest wait for a lock in one try. Writers that come while we wait queue up behind us, so this bounds what they feel.
 */
const LOCK_TIMEOUT_MS = 200

/**
 * Autovacuum makes way for a lock that somebody has waited for as long as `deadlock_timeout`, a second by default: too long for us.
 * Only a superuser may say otherwise; others wait until it has gone through the table.
 */
const MAKE_AUTOVACUUM_WAY =
  "select set_config('deadlock_timeout', '100ms', true) where has_parameter_privilege('deadlock_timeout', 'set')"

/** Runs `work` in a transaction of its own that gives up on a lock after 0.2 s, and again until it gets it. */
export async function withLockRetry<T>(
  database: Database,
  work: (database: Database) => Promise<T>,
  { waitMs = 600_000, onWait }: LockRetryOptions = {},
): Promise<T> {
  const deadline = Date.now() + waitMs
  for (let attempt = 1; ; attempt++) {
    try {
      return await pinSearchPath(database).transaction(async (transaction) => {
        await transaction.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
        await transaction.query(MAKE_AUTOVACUUM_WAY)
        return work(transaction)
      })
    } catch (error) {
      const mapped = captureError(error)
      if (!(mapped instanceof DaybookError) || mapped.code !== 'lock_timeout' || Date.now() >= deadline) throw mapped
      if (attempt === 1) onWait?.()
      // Longer than a try, so that writers have the table to themselves most of the time; uneven, so that two callers part.
      await sleep(Math.min(2000, 300 * attempt) * (0.5 + Math.random()))
    }
  }
}
