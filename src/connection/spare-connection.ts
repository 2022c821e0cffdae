import type { Database } from './database.ts'
import { createPool, fromPgPool, type PgPool, type Pool, type PoolOptions } from './pg.ts'

/** How long a connection of its own may take. */
const CONNECT_TIMEOUT_MS = 5_000

/** Runs statements that wait for no connection which their caller may hold. */
export interface SpareConnection extends Pick<Database, 'query'> {
  /** Ends the connection of its own, if there is one. */
  close(): void
}

/**
 * Statements on a free connection of the pool and, where there is none, on one beside it: whoever calls from within a transaction
 * holds a connection of the pool, and would wait for itself. The other connection is opened as the pool's are, when it is needed,
 * and closes when it has been idle.
 */
export function createSpareConnection(pool: PgPool & Partial<PoolState>): SpareConnection {
  let beside: Pool | undefined
  return {
    query(text, values) {
      if (!isUsedUp(pool)) return fromPgPool(pool).query(text, values)
      beside ??= openBeside(pool.options as PoolOptions)
      return fromPgPool(beside).query(text, values)
    },
    close() {
      void beside?.end()
      beside = undefined
    },
  }
}

/** What a pool of `pg` tells of itself. */
interface PoolState {
  readonly idleCount: number
  readonly totalCount: number
  readonly waitingCount: number
  readonly options: { readonly max?: number }
}

/** Whether a caller would have to wait until somebody releases a client. */
function isUsedUp({ idleCount, totalCount, waitingCount, options }: Partial<PoolState>): boolean {
  if (idleCount === undefined || totalCount === undefined || waitingCount === undefined) return false
  return waitingCount >= idleCount + Math.max((options?.max ?? 10) - totalCount, 0)
}

function openBeside(options: PoolOptions): Pool {
  const { password } = options
  const pool = createPool({
    ...options,
    // pg hides the password from a copy.
    ...(password !== undefined && { password }),
    ...{ min: 0, max: 1, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, allowExitOnIdle: true },
  })
  // It is idle and gone: the next statement opens another.
  pool.on('error', () => {})
  return pool
}
