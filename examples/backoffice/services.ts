import type { Daybook } from 'daybook'
import type { Kysely } from 'kysely'
import type { Auth } from './auth.ts'
import type { Schema } from './schema.ts'

/** What every route works with. */
export interface Services {
  readonly db: Kysely<Schema>
  readonly auth: Auth
  readonly daybook: Daybook
}
