import { fileURLToPath } from 'node:url'
import { DaybookError } from 'daybook'

/** What the environment says. */
export interface Settings {
  readonly port: number
  /** A real server's URL, of the role that migrates; without it the embedded database is used. */
  readonly databaseUrl: string | undefined
  /** Where secrets and the embedded database are kept. */
  readonly dataFolder: string
}

/** Reads PORT, DATABASE_URL and BACKOFFICE_DATA. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const { PORT = '4000', DATABASE_URL, BACKOFFICE_DATA } = environment
  if (!/^\d{1,5}$/.test(PORT) || Number(PORT) > 65_535) {
    throw new DaybookError('invalid_option', 'PORT must be a number from 0 to 65535, such as 4000.')
  }
  if (DATABASE_URL && !/^postgres(ql)?:$/.test(URL.canParse(DATABASE_URL) ? new URL(DATABASE_URL).protocol : '')) {
    throw new DaybookError(
      'invalid_option',
      'DATABASE_URL must be the URL of a PostgreSQL database, such as postgres://postgres@127.0.0.1:5432/backoffice. Leave it out to use the embedded database.',
    )
  }
  return {
    port: Number(PORT),
    databaseUrl: DATABASE_URL || undefined,
    dataFolder: BACKOFFICE_DATA || fileURLToPath(new URL('../../.data/backoffice', import.meta.url)),
  }
}
