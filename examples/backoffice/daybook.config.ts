import { fileURLToPath } from 'node:url'
import type { Tables } from '../../src/core/table.ts'

const dataFolder = process.env.BACKOFFICE_DATA ?? fileURLToPath(new URL('../../.data/backoffice', import.meta.url))

/** Where the log is: the server that DATABASE_URL names, or the embedded database in the data folder. */
const databaseUrl = process.env.DATABASE_URL ?? `pglite:${dataFolder}/database`

/**
 * What is recorded. Not tracked: `session` (signing in and out are events of their own, and each page view touches
 * it) and `verification` (short-lived secrets). The schema's own `version` is no data of anybody's.
 */
export const tables = {
  'backoffice.customer': { label: 'name', mask: ['iban'] },
  'backoffice.product': { label: 'name' },
  'backoffice.invoice': { label: 'number' },
  'backoffice.invoice_line': { label: 'description' },
  'backoffice.user': { label: 'email', exclude: ['updated_at'] },
  // Its password and tokens are masked by their names: that they changed is recorded, what they are is not.
  'backoffice.account': { label: 'provider_id', exclude: ['updated_at'] },
  'backoffice.role': { label: 'name' },
  'backoffice.user_role': { permission: { to: 'user_id', grants: 'role_id' } },
} satisfies Tables

export default { databaseUrl, tables }
