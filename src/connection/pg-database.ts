import { DaybookError } from '../core/errors.ts'
import type { Database, QueryResult } from './database.ts'
import { unreachable } from './database-unreachable.ts'

interface PgResult {
  readonly rows: unknown[]
  readonly rowCount: number | null
  readonly command?: string
}

/** What is called of a client of `pg`. */
export interface PgClient {
  query(text: string, values?: unknown[]): Promise<PgResult>
  release(error?: Error | boolean): void
  on(event: 'error', listener: (error: Error) => void): unknown
  removeListener(event: 'error', listener: (error: Error) => void): unknown
}

/** What is called of a pool of `pg`. */
export interface PgPool {
  connect(): Promise<PgClient>
  readonly options?: object
}

/**
 * The {@link Database} of a `pg` pool, Daybook's or any other. What is written through it has an actor only if the pool
 * carries the context. A transaction inside a transaction is a savepoint.
 *
 * @throws DaybookError `database_unreachable` where no connection can be had; `transaction_failed` where `work` returned
 * although a statement had failed in it, so that nothing of it was kept.
 */
export function fromPgPool(pool: PgPool): Database {
  return {
    query: (text, values) => withClient(pool, (client) => run(client, text, values)),
    transaction: (work) => withClient(pool, (client) => runTransaction(client, work)),
  }
}

async function withClient<T>(pool: PgPool, work: (client: PgClient) => Promise<T>): Promise<T> {
  let client: PgClient
  try {
    client = await pool.connect()
  } catch (error) {
    throw unreachable(error, pool.options)
  }
  // A connection that breaks between two statements says so by an event, which would end the process if nobody listened.
  let broken: Error | undefined
  const onError = (error: Error) => {
    broken = error
  }
  client.on('error', onError)
  try {
    return await work(client)
  } catch (error) {
    if (error instanceof RollbackFailed) {
      broken = error
      throw error.cause
    }
    throw error
  } finally {
    client.removeListener('error', onError)
    client.release(broken)
  }
}

/** The client is in an unknown state and must not go back to its pool; `cause` is what made the rollback needed. */
class RollbackFailed extends Error {}

async function run<Row>(client: PgClient, text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
  const result: PgResult | PgResult[] = await client.query(text, values && [...values])
  // pg gives a list where the text held several statements: the last one's result stands for all.
  const last = Array.isArray(result) ? (result as PgResult[]).at(-1) : result
  return { rows: (last?.rows ?? []) as Row[], rowCount: last?.rowCount ?? 0 }
}

async function runTransaction<T>(client: PgClient, work: (database: Database) => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    const result = await work(insideTransaction(client, 1))
    const { command } = await client.query('commit')
    if (command === 'ROLLBACK') {
      throw new DaybookError(
        'transaction_failed',
        'The transaction was rolled back: a statement in it failed and its error was caught. Let the error through, or put the statement into a transaction of its own inside.',
      )
    }
    return result
  } catch (error) {
    await undo(client, 'rollback', error)
    throw error
  }
}

function insideTransaction(client: PgClient, depth: number): Database {
  return {
    query: (text, values) => run(client, text, values),
    async transaction(work) {
      const savepoint = `daybook_${depth}`
      await client.query(`savepoint ${savepoint}`)
      try {
        const result = await work(insideTransaction(client, depth + 1))
        await client.query(`release savepoint ${savepoint}`)
        return result
      } catch (error) {
        await undo(client, `rollback to savepoint ${savepoint}`, error)
        throw error
      }
    },
  }
}

async function undo(client: PgClient, rollback: string, cause: unknown): Promise<void> {
  if (cause instanceof RollbackFailed) throw cause
  try {
    await client.query(rollback)
  } catch {
    throw new RollbackFailed('The transaction could not be rolled back.', { cause })
  }
}
