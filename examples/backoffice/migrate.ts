import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DaybookError } from 'daybook'
import { install } from 'daybook/capture/postgres'
import type { fromPgPool } from 'daybook/connection/pg'
import pg from 'pg'
import { isConcurrentUpdate } from './postgres-error.ts'

type Database = ReturnType<typeof fromPgPool>

/** The role that the application writes as. It owns nothing. */
export const APPLICATION_ROLE = 'backoffice_app'
/** The role that the log is read as. */
export const AUDITOR_ROLE = 'backoffice_auditor'

/** Passwords of the two roles, where the server asks for them. */
export interface RolePasswords {
  readonly application: string
  readonly auditor: string
}

const FOLDER = fileURLToPath(new URL('./migrations/', import.meta.url))

/**
 * Brings roles, log and tables up to this version in one transaction: all or nothing. Run by the migrating role, which owns
 * what it makes.
 */
export async function migrate(database: Database, passwords: RolePasswords | undefined): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await migrateOnce(database, passwords)
    } catch (error) {
      // Roles are the server's, not a database's: two back offices that start at once on one server may meet there.
      if (attempt === 5 || !isConcurrentUpdate(error)) throw error
    }
  }
}

async function migrateOnce(database: Database, passwords: RolePasswords | undefined): Promise<void> {
  const migrations = readdirSync(FOLDER).sort()
  await database.transaction(async (transaction) => {
    await transaction.query("select pg_advisory_xact_lock(hashtextextended('backoffice.migrate', 0))")
    const installed = await installedVersion(transaction)
    if (installed > migrations.length) {
      throw new DaybookError(
        'schema_newer',
        `The back office in this database has version ${installed}, this one knows only up to ${migrations.length}. Use a newer back office, or another database.`,
      )
    }
    await makeRole(transaction, APPLICATION_ROLE, passwords?.application)
    await makeRole(transaction, AUDITOR_ROLE, passwords?.auditor)
    await install(transaction, { applicationRoles: [APPLICATION_ROLE], readerRoles: [AUDITOR_ROLE] })
    await transaction.query('create schema if not exists backoffice')
    await transaction.query('create table if not exists backoffice.version (version integer primary key)')
    for (const [index, name] of migrations.entries()) {
      if (index < installed) continue
      await transaction.query(readFileSync(`${FOLDER}${name}`, 'utf8'))
      await transaction.query('insert into backoffice.version (version) values ($1)', [index + 1])
    }
  })
}

async function installedVersion(database: Database): Promise<number> {
  const { rows } = await database.query<{ there: boolean }>(
    "select to_regclass('backoffice.version') is not null as there",
  )
  if (!rows[0]?.there) return 0
  const newest = await database.query<{ version: number }>('select max(version) as version from backoffice.version')
  return newest.rows[0]?.version ?? 0
}

async function makeRole(database: Database, role: string, password: string | undefined): Promise<void> {
  const name = pg.escapeIdentifier(role)
  await database.query(
    `do $$ begin create role ${name}; exception when duplicate_object or unique_violation then null; end $$`,
  )
  const secret = password === undefined ? '' : ` password ${pg.escapeLiteral(password)}`
  await database.query(`alter role ${name} login${secret}`)
}
