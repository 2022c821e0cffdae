import { faker } from '@faker-js/faker'
import type { Kysely, Transaction } from 'kysely'
import { addDays } from './format.ts'
import { PRODUCTS } from './products.ts'
import type { InvoiceStatus, Schema } from './schema.ts'

/** The accounts that the demonstration is made for. */
export const ACCOUNTS = [
  { email: 'admin@example.com', name: 'Ada Lindqvist', roles: ['superuser'] },
  { email: 'staff@example.com', name: 'Samir Haddad', roles: ['accountant', 'auditor'] },
  { email: 'clerk@example.com', name: 'Clara Ortiz', roles: ['clerk'] },
] as const

/** The password of each of the {@link ACCOUNTS}. */
export const PASSWORD = 'daybook-demo'

const ROLES = [
  { name: 'superuser', description: 'Does everything, users and roles included' },
  { name: 'accountant', description: 'Writes invoices, keeps customers, products and prices' },
  { name: 'clerk', description: 'Writes invoices and keeps customers' },
  { name: 'auditor', description: 'Reads the audit log' },
]

const CUSTOMERS = 40
const INVOICES = 120

/** The day that the books were opened with; everything is dated before it, so that every start gives the same. */
const BOOKS_OPENED = '2026-11-20'

/**
 * Fills an empty back office in one transaction, the same every time. Whoever finds it filled does nothing.
 * @param hash makes what is kept of a password.
 */
export async function seed(db: Kysely<Schema>, hash: (password: string) => Promise<string>): Promise<void> {
  const password = await hash(PASSWORD)
  faker.seed(20_261_120)
  faker.setDefaultRefDate(`${BOOKS_OPENED}T09:00:00Z`)
  await db.transaction().execute(async (trx) => {
    await seedPeople(trx, password)
    const customers = await seedCustomers(trx)
    const products = await trx
      .insertInto('product')
      .values(PRODUCTS.map((product) => ({ ...product, stock: faker.number.int({ min: 0, max: 480 }) })))
      .returning(['id', 'name', 'price'])
      .execute()
    await seedInvoices(trx, customers, products)
  })
}

/** Whether the back office has its people already. */
export async function isSeeded(db: Kysely<Schema>): Promise<boolean> {
  return (await db.selectFrom('role').select('id').limit(1).executeTakeFirst()) !== undefined
}

async function seedPeople(trx: Transaction<Schema>, password: string): Promise<void> {
  const roles = await trx.insertInto('role').values(ROLES).returning(['id', 'name']).execute()
  const roleIds = new Map(roles.map(({ id, name }) => [name, id]))
  // Colleagues who have not signed in yet: they have no password.
  const colleagues = Array.from({ length: 7 }, () => {
    const [firstName, lastName] = [faker.person.firstName(), faker.person.lastName()]
    const email = faker.internet.email({ firstName, lastName, provider: 'larkfield.example' }).toLowerCase()
    return { name: `${firstName} ${lastName}`, email, roles: [faker.helpers.arrayElement(['accountant', 'clerk'])] }
  })
  const people = [...ACCOUNTS, ...colleagues]
  const users = await trx
    .insertInto('user')
    .values(people.map(({ name, email }) => ({ name, email, image: null, email_verified: true })))
    .returning(['id', 'email'])
    .execute()
  const userIds = new Map(users.map(({ id, email }) => [email, id]))
  const idOf = (email: string) => userIds.get(email) ?? 0
  await trx
    .insertInto('account')
    .values(
      ACCOUNTS.map(({ email }) => ({
        user_id: idOf(email),
        account_id: String(idOf(email)),
        provider_id: 'credential',
        password,
      })),
    )
    .execute()
  await trx
    .insertInto('user_role')
    .values(
      people.flatMap(({ email, roles }) =>
        roles.map((role) => ({ user_id: idOf(email), role_id: roleIds.get(role) ?? 0 })),
      ),
    )
    .execute()
}

/** Where Larkfield delivers: town, country and the country's code. */
const PLACES = [
  ['Helsinki', 'Finland', 'FI'],
  ['Turku', 'Finland', 'FI'],
  ['Tampere', 'Finland', 'FI'],
  ['Uppsala', 'Sweden', 'SE'],
  ['Gothenburg', 'Sweden', 'SE'],
  ['Leipzig', 'Germany', 'DE'],
  ['Hamburg', 'Germany', 'DE'],
  ['Freiburg', 'Germany', 'DE'],
  ['Graz', 'Austria', 'AT'],
  ['Linz', 'Austria', 'AT'],
  ['Galway', 'Ireland', 'IE'],
  ['Cork', 'Ireland', 'IE'],
  ['Utrecht', 'Netherlands', 'NL'],
  ['Groningen', 'Netherlands', 'NL'],
  ['Ghent', 'Belgium', 'BE'],
  ['Lyon', 'France', 'FR'],
] as const

const NOTES = [
  'Deliver to the back door, mornings only.',
  'Wants one collected invoice at the end of the month.',
  'Calls before each order; ask for the new catalogue number.',
  'Pays by transfer, usually a week late.',
  'Pallets must not be stacked.',
]

async function seedCustomers(trx: Transaction<Schema>): Promise<{ id: number }[]> {
  const names = faker.helpers.uniqueArray(() => faker.company.name(), CUSTOMERS)
  return trx
    .insertInto('customer')
    .values(
      names.map((name) => {
        const [firstName, lastName] = [faker.person.firstName(), faker.person.lastName()]
        const [city, country, countryCode] = faker.helpers.arrayElement(PLACES)
        return {
          name,
          contact_name: `${firstName} ${lastName}`,
          email: faker.internet.email({ firstName, lastName, provider: 'example.net' }).toLowerCase(),
          phone: faker.phone.number({ style: 'international' }),
          city,
          country,
          vat_number: `${countryCode}${faker.string.numeric(9)}`,
          iban: faker.finance.iban({ countryCode }),
          notes: faker.helpers.maybe(() => faker.helpers.arrayElement(NOTES), { probability: 0.3 }) ?? null,
        }
      }),
    )
    .returning('id')
    .execute()
}

async function seedInvoices(
  trx: Transaction<Schema>,
  customers: readonly { id: number }[],
  products: readonly { id: number; name: string; price: string }[],
): Promise<void> {
  const days = faker.helpers
    .multiple(() => addDays(BOOKS_OPENED, -faker.number.int({ min: 0, max: 240 })), { count: INVOICES })
    .sort()
  const invoices = await trx
    .insertInto('invoice')
    .values(
      days.map((issued_on, index) => ({
        number: `${issued_on.slice(0, 4)}-${String(index + 1).padStart(4, '0')}`,
        customer_id: faker.helpers.arrayElement(customers).id,
        status: statusOf(issued_on),
        issued_on,
        due_on: addDays(issued_on, 30),
        notes: null,
      })),
    )
    .returning('id')
    .execute()
  const lines = invoices.flatMap(({ id }) =>
    faker.helpers.arrayElements(products, { min: 1, max: 5 }).map((product) => ({
      invoice_id: id,
      product_id: product.id,
      description: product.name,
      quantity: faker.number.int({ min: 1, max: 24 }),
      unit_price: product.price,
    })),
  )
  await trx.insertInto('invoice_line').values(lines).execute()
}

/** Old invoices are mostly paid, young ones still open. */
function statusOf(issuedOn: string): InvoiceStatus {
  if (issuedOn > addDays(BOOKS_OPENED, -6)) return faker.helpers.arrayElement(['draft', 'sent'])
  if (issuedOn > addDays(BOOKS_OPENED, -35)) return faker.helpers.arrayElement(['sent', 'sent', 'paid'])
  return faker.helpers.weightedArrayElement([
    { value: 'paid', weight: 90 },
    { value: 'sent', weight: 7 },
    { value: 'void', weight: 3 },
  ])
}
