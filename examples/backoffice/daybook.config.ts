import { fileURLToPath } from 'node:url'
import type { Tables } from '../../src/core/table.ts'

const dataFolder = process.env.BACKOFFICE_DATA ?? fileURLToPath(new URL('../../.data/backoffice', import.meta.url))

/** Where the log is: the server that DATABASE_URL names, or the embedded database in the data folder. */
const databaseUrl = process.env.DATABASE_URL ?? `pglite:${dataFolder}/database`

const YES_OR_NO = { true: 'yes', false: 'no' }

/**
 * What is recorded, and what people call it in the log's pages; whom a foreign key leads to is known without being said. Not tracked:
 * `session` (signing in and out are events of their own, and each page view touches it) and `verification` (short-lived secrets). The
 * schema's own `version` is no data of anybody's.
 */
export const tables = {
  'backoffice.customer': {
    label: 'name',
    mask: ['iban'],
    fields: { contact_name: { label: 'Contact' }, city: { label: 'Town' }, vat_number: { label: 'VAT number' } },
  },
  'backoffice.product': { label: 'name', fields: { is_active: { label: 'On sale', choices: YES_OR_NO } } },
  'backoffice.invoice': {
    label: 'number',
    fields: {
      customer_id: { label: 'Customer' },
      status: { label: 'Status', choices: { draft: 'Draft', sent: 'Sent', paid: 'Paid', void: 'Void' } },
      issued_on: { label: 'Issued' },
      due_on: { label: 'Due' },
    },
  },
  'backoffice.invoice_line': {
    label: 'description',
    fields: { invoice_id: { label: 'Invoice' }, product_id: { label: 'Product' }, unit_price: { label: 'Price' } },
  },
  'backoffice.user': {
    label: 'email',
    exclude: ['updated_at'],
    fields: { is_active: { label: 'May sign in', choices: YES_OR_NO } },
  },
  // Its password and tokens are masked by their names: that they changed is recorded, what they are is not.
  'backoffice.account': { label: 'provider_id', exclude: ['updated_at'] },
  'backoffice.role': { label: 'name' },
  'backoffice.user_role': { permission: { to: 'user_id', grants: 'role_id' } },
} satisfies Tables

export default { databaseUrl, tables }
