import pg from 'pg'
import { type InstallResult, install, track } from '../../src/capture/postgres/index.ts'
import type { Database } from '../../src/connection/database.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import type { TableOptions } from '../../src/core/table.ts'
import { createTestDatabase } from '../database.ts'

/** One entry as the view gives it, with `changes` as its text and as it reads. */
export interface CapturedEntry {
  readonly id: string
  readonly statement_id: string
  readonly transaction_id: string
  readonly action: string
  readonly actor_type: string
  readonly actor_id: string | null
  readonly actor_label: string | null
  readonly ip_address: string | null
  readonly request_id: string | null
  readonly tenant_id: string | null
  readonly model: string | null
  readonly table_name: string | null
  readonly object_id: string | null
  readonly object_label: string | null
  readonly previous_object_id: string | null
  readonly related_model: string | null
  readonly related_id: string | null
  readonly related_label: string | null
  readonly changed_fields: readonly string[]
  readonly changes: Readonly<Record<string, readonly [unknown, unknown]>>
  readonly changes_text: string
  readonly database_user: string
  readonly context: Readonly<Record<string, unknown>> | null
}

/** A database with a fresh log, written to with plain `pg` and read as it comes. */
export interface CaptureLog {
  readonly url: string
  readonly pool: pg.Pool
  readonly database: Database
  readonly installed: InstallResult
  urlAs(role: string): string
  /** Runs SQL on a connection of its own, in one transaction if it is several statements. */
  run(text: string, values?: unknown[]): Promise<pg.QueryResult>
  /** Makes a table and tracks it. */
  table(definition: string, name: string, options?: TableOptions): Promise<void>
  /** The entries of changes and events made since this or {@link allEntries} was last called, oldest first. */
  entries(): Promise<CapturedEntry[]>
  /** The same with those of what was tracked and paused. */
  allEntries(): Promise<CapturedEntry[]>
  close(): Promise<void>
}

export async function createCaptureLog(): Promise<CaptureLog> {
  const test = await createTestDatabase('capture')
  const { pool, url } = test
  const database = fromPgPool(pool)
  const installed = await install(database)
  let last = '0'
  async function allEntries() {
    const { rows } = await pool.query<CapturedEntry>(
      'select *, changes::text as changes_text from daybook.entries where id > $1 order by id',
      [last],
    )
    last = rows.at(-1)?.id ?? last
    return rows
  }
  return {
    url,
    pool,
    database,
    installed,
    urlAs: test.urlAs,
    run: (text, values) => pool.query(text, values),
    async table(definition, name, options) {
      await pool.query(definition)
      await track(database, name, options)
    },
    entries: async () => (await allEntries()).filter(({ action }) => !action.startsWith('capture.')),
    allEntries,
    close: () => test.close(),
  }
}

/** What is compared of an entry in most tests. */
export function brief({ action, object_id, changes }: CapturedEntry) {
  return { action, object_id, changes }
}

/** A client of its own on a database, as a role or the superuser. */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  return client
}
