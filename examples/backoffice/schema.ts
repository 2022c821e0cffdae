import type { ColumnType, Generated } from 'kysely'

/** Money and dates travel as text: PostgreSQL's `numeric` and `date` have no exact equal in JavaScript. */
type Money = ColumnType<string, string | number, string | number>

export type InvoiceStatus = 'draft' | 'sent' | 'paid' | 'void'

/** The tables of schema `backoffice`, as `migrations/` makes them. */
export interface Schema {
  customer: {
    id: Generated<number>
    name: string
    contact_name: string
    email: string
    phone: string | null
    city: string
    country: string
    vat_number: string | null
    iban: string | null
    notes: string | null
    created_at: Generated<Date>
  }
  product: {
    id: Generated<number>
    sku: string
    name: string
    category: string
    price: Money
    stock: Generated<number>
    is_active: Generated<boolean>
  }
  invoice: {
    id: Generated<number>
    number: string
    customer_id: number
    status: InvoiceStatus
    issued_on: string
    due_on: string
    notes: string | null
  }
  invoice_line: {
    id: Generated<number>
    invoice_id: number
    product_id: number | null
    description: string
    quantity: number
    unit_price: Money
  }
  user: {
    id: Generated<number>
    name: string
    email: string
    email_verified: Generated<boolean>
    image: string | null
    is_active: Generated<boolean>
    created_at: Generated<Date>
    updated_at: Generated<Date>
  }
  session: {
    id: Generated<number>
    user_id: number
    token: string
    expires_at: Date
    ip_address: string | null
    user_agent: string | null
    created_at: Generated<Date>
    updated_at: Generated<Date>
  }
  account: {
    id: Generated<number>
    user_id: number
    account_id: string
    provider_id: string
    password: string | null
    created_at: Generated<Date>
    updated_at: Generated<Date>
  }
  role: { id: Generated<number>; name: string; description: string }
  user_role: { user_id: number; role_id: number }
}
