import type { ActorType } from './context.ts'
import type { Outcome } from './event.ts'

/** One entry of a made-up statement; `changes` is JSON text. */
export interface SampleEntry {
  readonly objectId: string | null
  readonly objectLabel: string | null
  readonly relatedId?: string
  readonly relatedLabel?: string
  readonly changes: string | null
  readonly changedFields: readonly string[]
}

/** What one made-up statement, or one event, did. Its entries share everything else. */
export interface SampleStatement {
  readonly recordedAt: Date
  /** Counts the transactions: a request's statements share one. */
  readonly transaction: number
  readonly action: string
  readonly outcome: Outcome
  readonly model: string | null
  readonly tableName: string | null
  readonly relatedModel: string | null
  readonly actor: { readonly type: ActorType; readonly id: string | null; readonly label: string | null }
  readonly ipAddress: string | null
  readonly requestId: string | null
  readonly context: Readonly<Record<string, unknown>>
  readonly entries: readonly SampleEntry[]
}

export interface SampleOptions {
  /** How many entries the statements have together. */
  readonly entries: number
  /** The same seed gives the same entries. */
  readonly seed: number
  /** The newest entry is from shortly before this moment. */
  readonly until: Date
}

interface Person {
  readonly id: string
  readonly email: string
  readonly address: string
  readonly agent: string
  readonly mayApprove: boolean
  readonly roles: Set<number>
}

interface Customer {
  readonly id: number
  readonly name: string
  email: string
  phone: string
}

interface Product {
  readonly id: number
  readonly name: string
  priceCents: number
  stock: number
}

interface Invoice {
  readonly id: number
  readonly number: string
  readonly customer: Customer
  status: string
  totalCents: number
  dueOn: string
}

const HOUR_MS = 3_600_000
/** A log is spread over so many days that a day has about this many entries, a year at most. */
const ENTRIES_A_DAY = 120
const MAX_DAYS = 365
/** Objects that are still being worked on; older ones are left as they are. */
const MAX_OPEN = 300

const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
]
const NAMES = 'ada grace linus margaret alan barbara edsger hedy donald radia tim katherine ken sophie'.split(' ')
const FIRMS = 'Alder Birch Cedar Dune Ember Fjord Gable Harbour Iris Juniper Kestrel Lark Meadow North Orchard'.split(
  ' ',
)
const TRADES = 'Bakery Books Bikes Brewery Cafe Carpentry Clinic Design Dental Farms Florist Foods Garden Hotel'.split(
  ' ',
)
const THINGS = 'Lamp Desk Chair Shelf Kettle Mug Rug Clock Vase Mirror Stool Basket Blanket Candle Frame'.split(' ')
const LOOKS = 'Oak Walnut Linen Brass Slate Ivory Amber Cobalt'.split(' ')
const ROLES = ['viewer', 'clerk', 'accountant', 'manager', 'admin']
const TRIED_NAMES = ['admin', 'root', 'test', 'administrator', 'info@example.com']

/** How busy each hour of a working day is, UTC, from midnight on. */
const WORKDAY = [0.2, 0.2, 25, 0.2, 0.2, 0.3, 1.5, 3, 9, 12, 13, 11, 6, 9, 12, 11, 8, 4, 1.5, 0.8, 0.5, 0.4, 0.3, 0.2]
const WEEKEND = [
  0.2, 0.2, 0.2, 0.2, 0.1, 0.1, 0.3, 0.3, 0.6, 0.8, 0.8, 0.6, 0.5, 0.6, 0.6, 0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.2, 0.2,
  0.2,
]

/**
 * The log of a made-up back office: people who sign in in the morning, write invoices and change them, nightly jobs, imports,
 * sign-ins that fail. In the order of time; every old value is the one that the object had.
 */
export function* sampleStatements({ entries, seed, until }: SampleOptions): Generator<SampleStatement> {
  const office = new Office(seed)
  const days = sampleDays(entries)
  const end = Math.floor(until.getTime() / HOUR_MS) * HOUR_MS
  const hours = Array.from({ length: days * 24 }, (_, hour) => end - (days * 24 - hour) * HOUR_MS)
  const weights = hours.map(busyness)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let weightSoFar = 0
  let done = 0
  for (const [place, start] of hours.entries()) {
    weightSoFar += weights[place] ?? 0
    // What an hour did too much, because a statement is not cut, the next ones do less.
    for (const statement of office.workAnHour(start, Math.round((entries * weightSoFar) / total) - done)) {
      const part = statement.entries.slice(0, entries - done)
      if (part.length > 0) yield { ...statement, entries: part }
      done += part.length
    }
  }
}

/** Over how many days so many entries are spread. */
export function sampleDays(entries: number): number {
  return Math.min(MAX_DAYS, Math.max(1, Math.ceil(entries / ENTRIES_A_DAY)))
}

function busyness(start: number): number {
  const moment = new Date(start)
  const isWeekend = moment.getUTCDay() % 6 === 0
  return (isWeekend ? WEEKEND : WORKDAY)[moment.getUTCHours()] ?? 0
}

/** What a statement did, before it is known when and by whom. */
type Deed = Pick<SampleStatement, 'action' | 'model' | 'entries'> &
  Partial<Pick<SampleStatement, 'outcome' | 'tableName' | 'relatedModel'>> & {
    readonly context?: Readonly<Record<string, unknown>>
  }

/** Who does it, and from where. */
type Origin = Pick<SampleStatement, 'actor' | 'ipAddress' | 'requestId' | 'context'>

class Office {
  readonly #random: () => number
  readonly #people: Person[]
  readonly #products: Product[] = []
  readonly #customers: Customer[] = []
  readonly #invoices: Invoice[] = []
  readonly #signedIn = new Set<Person>()
  #transactions = 0
  #customerCount = 0
  #invoiceCount = 0
  #lineCount = 0
  #now = 0
  /** Rows that a bulk change may have: as many as the hour is to have entries, so that none takes away those of the days after. */
  #mostRows = 0

  constructor(seed: number) {
    this.#random = createRandom(seed)
    this.#people = NAMES.map((name, index) => ({
      id: String(index + 1),
      email: `${name}@example.com`,
      address: `198.51.100.${20 + index * 7}`,
      agent: this.#pick(AGENTS),
      mayApprove: index % 3 === 0,
      roles: new Set<number>(),
    }))
    for (const look of LOOKS) {
      for (const thing of THINGS) {
        const id = this.#products.length + 1
        this.#products.push({
          id,
          name: `${look} ${thing}`,
          priceCents: this.#whole(500, 40_000),
          stock: this.#whole(0, 400),
        })
      }
    }
    for (let count = 0; count < 40; count += 1) this.#customers.push(this.#newCustomer())
  }

  /** Does about `quota` entries' worth of work in the hour that begins at `start`. */
  *workAnHour(start: number, quota: number): Generator<SampleStatement> {
    const hour = new Date(start).getUTCHours()
    if (hour === 0) this.#signedIn.clear()
    this.#mostRows = Math.max(3, quota)
    for (let left = quota; left > 0; ) {
      const passed = (quota - left + this.#random()) / quota
      this.#now = Math.max(this.#now + 1, start + Math.floor(passed * HOUR_MS))
      for (const statement of this.#request(hour)) {
        left -= statement.entries.length
        yield statement
      }
    }
  }

  /** The statements of one request, job or sign-in. */
  *#request(hour: number): Generator<SampleStatement> {
    this.#transactions += 1
    const dice = this.#random()
    if (hour === 2) {
      yield* this.#by(job('nightly-prices'), [this.#changePrices()])
    } else if (hour === 6 && dice < 0.7) {
      yield* this.#by(service('stock-import'), [this.#importStock()])
    } else if (hour === 3 || dice < 0.01) {
      yield* this.#by(job('overdue-invoices'), [this.#markOverdue()])
    } else if (dice < 0.025) {
      yield* this.#by(this.#stranger(), [failedSignIn(this.#pick(TRIED_NAMES), 'no such account')])
    } else if (dice < 0.028) {
      yield* this.#by(psql(), [this.#correctStock()])
    } else {
      yield* this.#personsRequest(hour)
    }
  }

  *#personsRequest(hour: number): Generator<SampleStatement> {
    const person = this.#pick(this.#people)
    if (!this.#signedIn.has(person)) {
      if (this.#random() < 0.12) {
        const { ipAddress, requestId, context } = this.#person(person, 'POST /sign-in')
        const actor = { type: 'anonymous', id: null, label: null } as const
        yield* this.#by({ actor, ipAddress, requestId, context }, [failedSignIn(person.email, 'wrong password')])
      } else {
        this.#signedIn.add(person)
        yield* this.#by(this.#person(person, 'POST /sign-in'), [event('login', 'User', person.id, person.email)])
      }
      return
    }
    if (hour >= 16 && this.#random() < 0.3) {
      this.#signedIn.delete(person)
      yield* this.#by(this.#person(person, 'POST /sign-out'), [event('logout', 'User', person.id, person.email)])
      return
    }
    const [route, deeds] = this.#work(person)
    yield* this.#by(this.#person(person, route), deeds)
  }

  #work(person: Person): [route: string, deeds: Deed[]] {
    const dice = this.#random()
    if (dice < 0.2) return ['POST /invoices', this.#writeInvoice()]
    if (dice < 0.52) return ['PATCH /invoices/:id', [this.#moveInvoice()]]
    if (dice < 0.6) return ['POST /invoices/:id/approve', [this.#approve(person)]]
    if (dice < 0.63) return ['DELETE /invoices/:id', [this.#deleteInvoice()]]
    if (dice < 0.69) return ['POST /customers', [this.#addCustomer()]]
    if (dice < 0.82) return ['PATCH /customers/:id', [this.#changeCustomer()]]
    if (dice < 0.93) return ['PATCH /products/:id', [this.#changeStock()]]
    if (dice < 0.96) return ['POST /users/:id/roles', [this.#changeRole()]]
    if (dice < 0.98) return ['GET /reports/invoices.csv', [this.#exportReport()]]
    return ['POST /account/password', [event('password_changed', 'User', person.id, person.email)]]
  }

  *#by(origin: Origin, deeds: readonly Deed[]): Generator<SampleStatement> {
    for (const [place, { context, ...deed }] of deeds.entries()) {
      if (place > 0) this.#now += 1
      yield {
        recordedAt: new Date(this.#now),
        transaction: this.#transactions,
        outcome: 'success',
        tableName: null,
        relatedModel: null,
        ...origin,
        ...deed,
        context: { ...origin.context, ...context },
      }
    }
  }

  #writeInvoice(): Deed[] {
    this.#invoiceCount += 1
    const id = this.#invoiceCount
    const number = `${new Date(this.#now).getUTCFullYear()}-${String(id).padStart(4, '0')}`
    const lines = Array.from({ length: this.#whole(1, 4) }, () => ({
      product: this.#pick(this.#products),
      quantity: this.#whole(1, 12),
    }))
    const totalCents = lines.reduce((sum, { product, quantity }) => sum + product.priceCents * quantity, 0)
    const customer = this.#pick(this.#customers)
    const dueOn = this.#day(30)
    const invoice = { id, number, customer, status: 'draft', totalCents, dueOn }
    keep(this.#invoices, invoice)
    return [
      created('Invoice', 'public.invoice', [
        {
          key: id,
          label: number,
          values: { id, number, customer_id: customer.id, status: 'draft', total: money(totalCents), due_on: dueOn },
        },
      ]),
      created(
        'InvoiceLine',
        'public.invoice_line',
        lines.map(({ product, quantity }) => {
          this.#lineCount += 1
          const values = {
            id: this.#lineCount,
            invoice_id: id,
            product_id: product.id,
            quantity,
            unit_price: money(product.priceCents),
          }
          return { key: this.#lineCount, label: product.name, values }
        }),
      ),
    ]
  }

  #invoice(): Invoice {
    if (this.#invoices.length === 0) this.#writeInvoice()
    return this.#pick(this.#invoices)
  }

  #moveInvoice(): Deed {
    const invoice = this.#invoice()
    const before = { ...invoice }
    if (invoice.status === 'draft') invoice.status = 'sent'
    else if (this.#random() < 0.3) invoice.dueOn = this.#day(14)
    else invoice.status = invoice.status === 'paid' ? 'refunded' : invoice.status === 'refunded' ? 'sent' : 'paid'
    if (before.status === 'draft' && this.#random() < 0.4) invoice.totalCents += this.#whole(100, 9_900)
    return updated('Invoice', 'public.invoice', [
      {
        key: invoice.id,
        label: invoice.number,
        changes: {
          status: [before.status, invoice.status],
          total: [money(before.totalCents), money(invoice.totalCents)],
          due_on: [before.dueOn, invoice.dueOn],
        },
      },
    ])
  }

  #approve(person: Person): Deed {
    const invoice = this.#invoice()
    return {
      ...event('invoice.approved', 'Invoice', String(invoice.id), invoice.number),
      outcome: person.mayApprove ? 'success' : 'denied',
    }
  }

  #deleteInvoice(): Deed {
    const invoice = this.#invoice()
    this.#invoices.splice(this.#invoices.indexOf(invoice), 1)
    const { id, number, customer, status, totalCents, dueOn } = invoice
    const values = { id, number, customer_id: customer.id, status, total: money(totalCents), due_on: dueOn }
    return deleted('Invoice', 'public.invoice', [{ key: id, label: number, values }])
  }

  #newCustomer(): Customer {
    this.#customerCount += 1
    const name = `${this.#pick(FIRMS)} ${this.#pick(TRADES)}`
    return { id: this.#customerCount, name, email: this.#mailOf(name), phone: this.#phone() }
  }

  #addCustomer(): Deed {
    const customer = this.#newCustomer()
    keep(this.#customers, customer)
    const { id, name, email, phone } = customer
    return created('Customer', 'public.customer', [
      { key: id, label: name, values: { id, name, email, phone, iban: MASKED } },
    ])
  }

  #changeCustomer(): Deed {
    const customer = this.#pick(this.#customers)
    const before = { ...customer }
    const dice = this.#random()
    if (dice < 0.6) customer.phone = this.#phone()
    if (dice > 0.4) customer.email = this.#mailOf(customer.name)
    const changes = { email: [before.email, customer.email], phone: [before.phone, customer.phone] } as const
    const iban = dice > 0.9 ? ({ iban: [MASKED, MASKED] } as const) : {}
    return updated('Customer', 'public.customer', [
      { key: customer.id, label: customer.name, changes: { ...changes, ...iban } },
    ])
  }

  #changePrices(): Deed {
    const from = this.#whole(0, this.#products.length - 1)
    const products = [...this.#products.slice(from), ...this.#products.slice(0, from)].slice(0, this.#bulk(20, 120))
    return this.#changeProducts(products, (product) => {
      product.priceCents = Math.round(product.priceCents * (0.97 + this.#random() * 0.07)) + 1
    })
  }

  #importStock(): Deed {
    const from = this.#whole(0, this.#products.length - 30)
    return this.#changeProducts(this.#products.slice(from, from + this.#bulk(10, 30)), (product) => {
      product.stock += this.#whole(1, 60)
    })
  }

  #changeStock(): Deed {
    const product = this.#pick(this.#products)
    return this.#changeProducts([product], () => {
      product.stock = Math.max(0, product.stock - this.#whole(1, 20)) + this.#whole(0, 1) * 25
    })
  }

  #correctStock(): Deed {
    const product = this.#pick(this.#products)
    return this.#changeProducts([product], () => {
      product.stock += 1
    })
  }

  #changeProducts(products: readonly Product[], change: (product: Product) => void): Deed {
    const rows = products.map((product) => {
      const before = { ...product }
      change(product)
      const price = [money(before.priceCents), money(product.priceCents)] as const
      return { key: product.id, label: product.name, changes: { price, stock: [before.stock, product.stock] as const } }
    })
    return updated('Product', 'public.product', rows)
  }

  #markOverdue(): Deed {
    const late = this.#invoices.filter(({ status }) => status === 'sent').slice(0, this.#bulk(1, 25))
    if (late.length === 0) return this.#importStock()
    const rows = late.map((invoice) => {
      invoice.status = 'overdue'
      return { key: invoice.id, label: invoice.number, changes: { status: ['sent', 'overdue'] as const } }
    })
    return updated('Invoice', 'public.invoice', rows)
  }

  #changeRole(): Deed {
    const person = this.#pick(this.#people)
    const role = this.#whole(0, ROLES.length - 1)
    const isGranted = !person.roles.delete(role)
    if (isGranted) person.roles.add(role)
    const side = (value: number) => (isGranted ? [null, value] : [value, null]) as [Value, Value]
    return {
      action: isGranted ? 'permission_granted' : 'permission_revoked',
      model: 'User',
      tableName: 'public.user_role',
      relatedModel: 'Role',
      entries: [
        {
          objectId: person.id,
          objectLabel: person.email,
          relatedId: String(role + 1),
          relatedLabel: ROLES[role] ?? '',
          ...recorded({ user_id: side(Number(person.id)), role_id: side(role + 1) }),
        },
      ],
    }
  }

  #exportReport(): Deed {
    const extra = { format: 'csv', count: this.#whole(20, 4_000) }
    return { action: 'export', model: 'Invoice', entries: [noChange(null, null)], context: { extra } }
  }

  #person(person: Person, route: string): Origin {
    return {
      actor: { type: 'user', id: person.id, label: person.email },
      ipAddress: person.address,
      requestId: this.#hex(16),
      context: { user_agent: person.agent, route, database: { application: 'backoffice' } },
    }
  }

  #stranger(): Origin {
    return {
      actor: { type: 'anonymous', id: null, label: null },
      ipAddress: `203.0.113.${this.#whole(1, 254)}`,
      requestId: this.#hex(16),
      context: {
        user_agent: 'python-requests/2.32.3',
        route: 'POST /sign-in',
        database: { application: 'backoffice' },
      },
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T
  }

  #whole(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1))
  }

  #bulk(least: number, most: number): number {
    return Math.min(this.#whole(least, most), this.#mostRows)
  }

  #hex(length: number): string {
    return Array.from({ length: length / 8 }, () => this.#whole(0, 0xffffffff).toString(16).padStart(8, '0')).join('')
  }

  #phone(): string {
    return `+44 20 7946 ${String(this.#whole(0, 999)).padStart(4, '0')}`
  }

  #mailOf(name: string): string {
    const before = this.#pick(['hello', 'office', 'billing', 'accounts', 'team'])
    return `${before}@${name.toLowerCase().replace(' ', '-')}.example`
  }

  #day(later: number): string {
    return new Date(this.#now + later * 24 * HOUR_MS).toISOString().slice(0, 10)
  }
}

function keep<T>(open: T[], added: T): void {
  open.push(added)
  if (open.length > MAX_OPEN) open.shift()
}

function job(name: string): Origin {
  const context = { database: { application: name } }
  return { actor: { type: 'job', id: name, label: name }, ipAddress: null, requestId: null, context }
}

function service(name: string): Origin {
  return { ...job(name), actor: { type: 'service', id: name, label: name } }
}

function psql(): Origin {
  const context = { database: { application: 'psql', address: '198.51.100.4' } }
  return { actor: { type: 'database', id: 'dba', label: 'dba' }, ipAddress: null, requestId: null, context }
}

function event(action: string, model: string, id: string, label: string): Deed {
  return { action, model, entries: [noChange(id, label)] }
}

function failedSignIn(name: string, reason: string): Deed {
  return {
    action: 'login',
    outcome: 'failure',
    model: 'User',
    entries: [noChange(null, name)],
    context: { extra: { reason } },
  }
}

function noChange(objectId: string | null, objectLabel: string | null): SampleEntry {
  return { objectId, objectLabel, changes: null, changedFields: [] }
}

/** JSON text of a number that is written with its digits, as the capture writes `numeric`. */
interface Digits {
  readonly digits: string
}
type Value = string | number | null | Digits | typeof MASKED
type Values = Readonly<Record<string, Value>>
type Pairs = Readonly<Record<string, readonly [Value, Value]>>

const MASKED = { $daybook: 'masked' } as const

function money(cents: number): Digits {
  return { digits: (cents / 100).toFixed(2) }
}

interface Row {
  readonly key: number
  readonly label: string
}

function created(model: string, tableName: string, rows: readonly (Row & { values: Values })[]): Deed {
  return wholeRows('create', model, tableName, rows, (value) => [null, value])
}

function deleted(model: string, tableName: string, rows: readonly (Row & { values: Values })[]): Deed {
  return wholeRows('delete', model, tableName, rows, (value) => [value, null])
}

function wholeRows(
  action: string,
  model: string,
  tableName: string,
  rows: readonly (Row & { values: Values })[],
  side: (value: Value) => [Value, Value],
): Deed {
  const entries = rows.map(({ key, label, values }) => {
    const pairs = Object.fromEntries(Object.entries(values).map(([field, value]) => [field, side(value)]))
    return { objectId: String(key), objectLabel: label, ...recorded(pairs) }
  })
  return { action, model, tableName, entries }
}

/** Of the changes only those remain that are any; a masked value may always have changed. */
function updated(model: string, tableName: string, rows: readonly (Row & { changes: Pairs })[]): Deed {
  const entries = rows.map(({ key, label, changes }) => {
    const pairs = Object.entries(changes).filter(
      ([, [before, after]]) => before === MASKED || text(before) !== text(after),
    )
    return { objectId: String(key), objectLabel: label, ...recorded(Object.fromEntries(pairs)) }
  })
  return {
    action: 'update',
    model,
    tableName,
    entries: entries.filter(({ changedFields }) => changedFields.length > 0),
  }
}

function recorded(pairs: Pairs): Pick<SampleEntry, 'changes' | 'changedFields'> {
  const fields = Object.entries(pairs).map(
    ([field, [before, after]]) => `${JSON.stringify(field)}:[${text(before)},${text(after)}]`,
  )
  return { changes: `{${fields.join(',')}}`, changedFields: Object.keys(pairs) }
}

function text(value: Value): string {
  return typeof value === 'object' && value !== null && 'digits' in value ? value.digits : JSON.stringify(value)
}

/** Numbers from 0 to 1 that look like chance, the same for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
