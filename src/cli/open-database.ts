import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Database } from '../connection/database.ts'
import { createPool, fromPgPool } from '../connection/pg.ts'
import { DaybookError } from '../core/errors.ts'

/** A database that the command line has opened; `close` ends what `openDatabase` began. */
export interface OpenDatabase {
  readonly database: Database
  close(): Promise<void>
}

export interface OpenOptions {
  /** Whether the folder of an embedded database is made if it is not there. */
  readonly create?: boolean
  /** Connections at most, of a server. Default 2. */
  readonly connections?: number
}

const CONNECT_TIMEOUT_MS = 10_000

/**
 * Opens the database of a URL: `postgres://…`, or `pglite:FOLDER`, whose folder is made only where `create` is set.
 * Where another process has the folder open, it is reached through that one.
 *
 * @throws DaybookError `invalid_option` for another URL, which is not repeated, for it may hold a password; `not_found` for a folder.
 */
export async function openDatabase(
  url: string,
  cwd: string,
  { create = false, connections = 2 }: OpenOptions = {},
): Promise<OpenDatabase> {
  const [, scheme = ''] = /^([a-z][a-z0-9+.-]*):/i.exec(url) ?? []
  if (scheme === 'postgres' || scheme === 'postgresql') return openPostgres(url, connections)
  if (scheme === 'pglite') return openFolder(url.slice('pglite:'.length), cwd, create)
  throw new DaybookError(
    'invalid_option',
    `The database URL ${scheme ? `begins with "${scheme}:"` : 'has no scheme'}: it must be postgres://USER@HOST:PORT/NAME or pglite:FOLDER.`,
  )
}

async function openPostgres(url: string, connections: number): Promise<OpenDatabase> {
  if (!isParseable(url)) {
    throw new DaybookError(
      'invalid_option',
      "The database URL can't be read: it must be postgres://USER:PASSWORD@HOST:PORT/NAME, with characters such as @ or / in the password written as %40 or %2F.",
    )
  }
  const pool = createPool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'daybook',
  })
  // A connection that breaks while it is idle: the statement that needs it next says so.
  pool.on('error', () => {})
  return { database: fromPgPool(pool), close: () => pool.end() }
}

async function openFolder(folder: string, cwd: string, create: boolean): Promise<OpenDatabase> {
  if (folder === '') {
    throw new DaybookError('invalid_option', 'The database URL names no folder: write it as pglite:FOLDER.')
  }
  const path = resolve(cwd, folder)
  if (!create && !existsSync(join(path, 'PG_VERSION'))) {
    throw new DaybookError(
      'not_found',
      `There is no embedded database in ${path}. Correct the folder, or make it with: daybook init`,
    )
  }
  // Loaded only here: the package that it needs is optional.
  const { connectPglite } = await import('../connection/pglite.ts')
  return connectPglite({ folder: path })
}

function isParseable(url: string): boolean {
  try {
    const { username, password, pathname } = new URL(url)
    for (const part of [username, password, pathname]) decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}
