import type { Database } from '../connection/database.ts'
import { DaybookError } from '../core/errors.ts'
import { loadConfig } from './load-config.ts'
import { type OpenOptions, openDatabase } from './open-database.ts'
import type { Terminal } from './terminal.ts'

/** The options that every command has. */
export interface GlobalOptions {
  readonly databaseUrl?: string
  readonly config?: string
  readonly json?: true
}

/**
 * Runs `work` on the database that `--database-url`, `DATABASE_URL` or the configuration names, in this order, and closes it.
 * With `create`, the folder of an embedded database is made if it is not there.
 *
 * @throws DaybookError `invalid_option` where none of them does.
 */
export async function withDatabase<T>(
  terminal: Terminal,
  options: GlobalOptions,
  work: (database: Database) => Promise<T>,
  open: OpenOptions = {},
): Promise<T> {
  const { database, close } = await openDatabase(await findUrl(terminal, options), terminal.cwd, open)
  try {
    return await work(database)
  } finally {
    await close()
  }
}

async function findUrl({ env, cwd }: Terminal, options: GlobalOptions): Promise<string> {
  const given = options.databaseUrl || env.DATABASE_URL
  // A file that was named is read even where it is not needed for this: if it is not there, that is a mistake.
  if (given && options.config === undefined) return given
  const config = await loadConfig(cwd, options.config)
  const url = given || config.databaseUrl
  if (url) return url
  throw new DaybookError(
    'invalid_option',
    'No database was named. Give --database-url URL, set DATABASE_URL, or put databaseUrl into daybook.config.ts.',
  )
}
