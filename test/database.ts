import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'

/** A fresh, empty database on the run's server. */
export interface TestDatabase {
  /** Connects as the superuser. */
  readonly url: string
  /** A plain pool of the superuser, without Daybook. */
  readonly pool: pg.Pool
  /** The same database as another role. The role must exist and be able to sign in with its own name as the password. */
  urlAs(role: string): string
  /** Ends the pool and drops the database. */
  close(): Promise<void>
}

function serverUrl(): string {
  const url = process.env.DAYBOOK_TEST_SERVER
  if (!url) throw new Error('DAYBOOK_TEST_SERVER is not set: run the tests with npm test')
  return url
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client(`${serverUrl()}/postgres`)
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** A pool says that it has ended while its sockets still close: a database that is dropped then would end them with an error. */
async function connectionsClosed(database: string): Promise<void> {
  const client = new pg.Client(`${serverUrl()}/postgres`)
  await client.connect()
  try {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const { rows } = await client.query('select from pg_stat_activity where datname = $1', [database])
      if (rows.length === 0) return
      await setTimeout(20)
    }
  } finally {
    await client.end()
  }
}

/** Makes a database; `prefix` helps to tell whose it was. */
export async function createTestDatabase(prefix = 'test'): Promise<TestDatabase> {
  const name = `${prefix}_${randomBytes(6).toString('hex')}`
  await onServer(`create database "${name}" template template0 encoding 'UTF8'`)
  const url = `${serverUrl()}/${name}`
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  // A database that is dropped under an idle client is no failure of the test.
  pool.on('error', () => {})
  return {
    url,
    pool,
    urlAs(role) {
      const other = new URL(url)
      other.username = role
      other.password = role
      return other.href
    },
    async close() {
      await pool.end()
      await connectionsClosed(name)
      await onServer(`drop database if exists "${name}" with (force)`)
    },
  }
}

/** Makes a role that can sign in with its own name as the password, if it is not there yet. Roles are the server's, not a database's. */
export async function createLoginRole(pool: pg.Pool, role: string): Promise<void> {
  const name = pg.escapeIdentifier(role)
  await pool.query(
    `do $$ begin create role ${name} login password ${pg.escapeLiteral(role)}; exception when duplicate_object or unique_violation then null; end $$`,
  )
}
