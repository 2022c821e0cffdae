import pg from 'pg'
import { install } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { type Context, writeContext } from '../../src/core/context.ts'
import { createStore, type Store } from '../../src/store/index.ts'
import { createTestDatabase } from '../database.ts'

/** A fresh log whose entries are written as they are given, so that a reader can be tried without capturing anything. */
export interface TestLog {
  readonly pool: pg.Pool
  readonly store: Store
  readonly url: string
  /** Writes entries in one transaction, oldest first, and gives their ids. */
  write(...entries: readonly TestEntry[]): Promise<string[]>
  /** Runs SQL with a context, in one transaction. */
  as(context: Context | undefined, ...statements: readonly string[]): Promise<void>
  close(): Promise<void>
}

/** The columns of `daybook.entry`; what is left out has a plain value. */
export type TestEntry = Readonly<Record<string, unknown>>

export async function createTestLog(): Promise<TestLog> {
  const database = await createTestDatabase('store')
  const { pool } = database
  await install(fromPgPool(pool))
  const readers = new pg.Pool({ connectionString: database.url, max: 5, options: '-c role=daybook_reader' })
  readers.on('error', () => {})
  return {
    pool,
    store: createStore(fromPgPool(readers)),
    url: database.url,
    async write(...entries) {
      const ids: string[] = []
      for (const entry of entries) {
        const row: Record<string, unknown> = {
          recorded_at: new Date().toISOString(),
          action: 'update',
          actor_type: 'user',
          database_user: 'app',
          // Not what is seen of the test itself.
          database_address: null,
          ...entry,
        }
        if (typeof row.changes === 'object' && row.changes !== null) row.changes = JSON.stringify(row.changes)
        const names = Object.keys(row)
        const { rows } = await pool.query(
          `insert into daybook.entry (${names.map((name) => pg.escapeIdentifier(name)).join(', ')})
           values (${names.map((_, index) => `$${index + 1}`).join(', ')}) returning id::text`,
          names.map((name) => row[name]),
        )
        ids.push(rows[0].id)
      }
      return ids
    },
    async as(context, ...statements) {
      const client = await pool.connect()
      try {
        await client.query('begin')
        if (context) await client.query("select set_config('daybook.context', $1, true)", [writeContext(context)])
        for (const statement of statements) await client.query(statement)
        await client.query('commit')
      } finally {
        client.release()
      }
    },
    async close() {
      await readers.end()
      await database.close()
    },
  }
}
