import type { Tables } from './table.ts'

/** What `daybook.config.ts` exports by default. Every part may be left out and given on the command line. */
export interface DaybookConfig {
  /** `postgres://…`, or `pglite:FOLDER` for an embedded database. The environment's `DATABASE_URL` comes before it. */
  readonly databaseUrl?: string
  /** What is captured. `daybook sync` makes the database follow it. */
  readonly tables?: Tables
  /** Roles of the application: `daybook init` lets them record events. They must exist. */
  readonly applicationRoles?: readonly string[]
  /** Roles that may read the log. They must exist. */
  readonly readerRoles?: readonly string[]
}

/** Gives the configuration back as it is; for the editor, which then knows its shape. */
export function defineConfig(config: DaybookConfig): DaybookConfig {
  return config
}
