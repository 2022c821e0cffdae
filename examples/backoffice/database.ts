import { join } from 'node:path'
import { createPool, fromPgPool, type Pool } from 'daybook/connection/pg'
import { openPglite } from 'daybook/connection/pglite'
import pg from 'pg'
import { keptSecret } from './data-folder.ts'
import { APPLICATION_ROLE, AUDITOR_ROLE, type RolePasswords } from './migrate.ts'
import type { Settings } from './settings.ts'

/** The database as the back office sees it: three roles, each with its own connections. */
export interface BackofficeDatabase {
  /** The migrating role, which owns the tables. Used at the start and never for a request. */
  readonly migrator: ReturnType<typeof fromPgPool>
  /** What the two other roles sign in with; undefined where no password is asked for. */
  readonly passwords: RolePasswords | undefined
  /** The role that the application writes as. It connects when it is first used. */
  readonly application: Pool
  /** The role that the log is read as. */
  readonly auditor: Pool
  close(): Promise<void>
}

/** Opens the server of DATABASE_URL, or else the embedded database in the data folder. */
export async function openDatabase({ databaseUrl, dataFolder }: Settings): Promise<BackofficeDatabase> {
  // A day is a day: without this `pg` makes a moment of it, in the machine's time zone.
  pg.types.setTypeParser(pg.types.builtins.DATE, (text) => text)
  return databaseUrl === undefined ? openEmbedded(join(dataFolder, 'database')) : openServer(databaseUrl, dataFolder)
}

async function openEmbedded(folder: string): Promise<BackofficeDatabase> {
  const pglite = await openPglite({ folder })
  return {
    migrator: pglite.database,
    passwords: undefined,
    application: pglite.createPool({ user: APPLICATION_ROLE }),
    auditor: pglite.createPool({ user: AUDITOR_ROLE }),
    close: () => pglite.close(),
  }
}

async function openServer(databaseUrl: string, dataFolder: string): Promise<BackofficeDatabase> {
  const passwords = {
    application: await keptSecret(dataFolder, 'application-role-password'),
    auditor: await keptSecret(dataFolder, 'auditor-role-password'),
  }
  const pools: Pool[] = []
  const open = (connectionString: string, max: number) => {
    const pool = createPool({ connectionString, max, connectionTimeoutMillis: 10_000, application_name: 'backoffice' })
    // A connection that breaks while it is idle: the next request gets another one, and fails by itself if there is none.
    pool.on('error', () => {})
    pools.push(pool)
    return pool
  }
  return {
    migrator: fromPgPool(open(databaseUrl, 2)),
    passwords,
    application: open(urlAs(databaseUrl, APPLICATION_ROLE, passwords.application), 10),
    auditor: open(urlAs(databaseUrl, AUDITOR_ROLE, passwords.auditor), 4),
    async close() {
      await Promise.all(pools.map((pool) => pool.end()))
    },
  }
}

function urlAs(databaseUrl: string, role: string, password: string): string {
  const url = new URL(databaseUrl)
  url.username = role
  url.password = password
  return url.href
}
