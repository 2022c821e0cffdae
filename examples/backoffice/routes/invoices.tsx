import { type Response, Router } from 'express'
import { raw } from 'hono/html'
import { CompiledQuery, type Kysely, sql, type Transaction } from 'kysely'
import { type Person, personIn, requireRight, signedIn } from '../access.ts'
import { type FieldErrors, type Fields, fieldsOf, rowId } from '../form.ts'
import { addDays, formatDay, formatMoney, today } from '../format.ts'
import {
  type Catalogue,
  type InvoiceValues,
  type LineFields,
  type LineValues,
  linesOf,
  readInvoice,
  withBlanks,
} from '../invoice-form.ts'
import { Heading, TimelineLink } from '../pages/heading.tsx'
import { InvoiceForm } from '../pages/invoice-form.tsx'
import { Page } from '../pages/layout.tsx'
import { PAGE_SIZE, Pager, pageNumber } from '../pages/pager.tsx'
import { Status } from '../pages/status.tsx'
import { NotFound } from '../refusal.ts'
import { noticeFrom, render } from '../render.ts'
import type { InvoiceStatus, Schema } from '../schema.ts'
import type { Services } from '../services.ts'

const NOTICES = {
  created: 'The invoice is written.',
  saved: 'Saved.',
  status: 'The status is changed.',
  reminded: 'The reminder is noted.',
  deleted: 'The invoice is deleted.',
}

/** What an invoice can become, with the words on the button. */
const NEXT_STATUSES: Readonly<Record<InvoiceStatus, readonly (readonly [InvoiceStatus, string])[]>> = {
  draft: [
    ['void', 'Void'],
    ['sent', 'Mark as sent'],
  ],
  sent: [
    ['void', 'Void'],
    ['paid', 'Mark as paid'],
  ],
  paid: [['sent', 'Reopen']],
  void: [['draft', 'Back to draft']],
}

const LIST_FILTERS = ['draft', 'sent', 'overdue', 'paid', 'void'] as const

interface Invoice {
  readonly id: number
  readonly number: string
  readonly customer_id: number
  readonly customer: string
  readonly status: InvoiceStatus
  readonly issued_on: string
  readonly due_on: string
  readonly notes: string | null
}

/** Invoices: list, page with lines, create, edit, change status, remind, delete. */
export function invoiceRoutes({ db, daybook }: Services): Router {
  const router = Router()
  const editing = [signedIn, requireRight('invoices')]

  async function invoiceOf(id: unknown): Promise<Invoice> {
    const invoice = await db
      .selectFrom('invoice')
      .innerJoin('customer', 'customer.id', 'invoice.customer_id')
      .selectAll('invoice')
      .select('customer.name as customer')
      .where('invoice.id', '=', rowId(id) ?? 0)
      .executeTakeFirst()
    if (!invoice) throw new NotFound()
    return invoice
  }

  const linesOfInvoice = (id: number) =>
    db.selectFrom('invoice_line').selectAll().where('invoice_id', '=', id).orderBy('id').execute()

  router.get('/invoices', signedIn, async (req, res) => {
    const person = personIn(res)
    const status = LIST_FILTERS.find((filter) => filter === req.query.status)
    const page = pageNumber(req.query.page)
    let found = db.selectFrom('invoice').innerJoin('customer', 'customer.id', 'invoice.customer_id')
    if (status === 'overdue') found = found.where('status', '=', 'sent').where('due_on', '<', today())
    else if (status) found = found.where('status', '=', status)
    const [invoices, { total }] = await Promise.all([
      found
        .select(['invoice.id', 'number', 'status', 'issued_on', 'due_on', 'customer.name as customer'])
        .select((where) =>
          where
            .selectFrom('invoice_line')
            .select(sql<string>`coalesce(sum(quantity * unit_price), 0)`.as('total'))
            .whereRef('invoice_id', '=', 'invoice.id')
            .as('total'),
        )
        .orderBy('issued_on', 'desc')
        .orderBy('invoice.id', 'desc')
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
        .execute(),
      found.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow(),
    ])
    await render(
      res,
      <Page title="Invoices" person={person} section="/invoices" notice={noticeFrom(req.query.notice, NOTICES)}>
        <Heading title="Invoices">
          {person.may('invoices') && (
            <a class="button main" href="/invoices/new">
              New invoice
            </a>
          )}
        </Heading>
        <nav class="tabs" aria-label="Status">
          <a href="/invoices" aria-current={status ? undefined : 'page'}>
            all
          </a>
          {LIST_FILTERS.map((filter) => (
            <a href={`/invoices?status=${filter}`} aria-current={status === filter ? 'page' : undefined}>
              {filter}
            </a>
          ))}
        </nav>
        <div class="card table">
          <table>
            <thead>
              <tr>
                <th>Number</th>
                <th class="wide">Customer</th>
                <th class="wide">Issued</th>
                <th class="wide">Due</th>
                <th>Status</th>
                <th class="number">Total</th>
              </tr>
            </thead>
            <tbody>
              {invoices.map((invoice) => (
                <tr>
                  <td>
                    <a class="row-link" href={`/invoices/${invoice.id}`}>
                      {invoice.number}
                    </a>
                    <small class="narrow-only">{invoice.customer}</small>
                  </td>
                  <td class="wide">{invoice.customer}</td>
                  <td class="wide">{formatDay(invoice.issued_on)}</td>
                  <td class="wide">{formatDay(invoice.due_on)}</td>
                  <td>
                    <Status invoice={invoice} />
                  </td>
                  <td class="number">{formatMoney(invoice.total ?? 0)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {invoices.length === 0 && <p class="none">No invoice is {status ?? 'here yet'}.</p>}
        </div>
        <Pager total={total} word="invoice" page={page} path="/invoices" filters={status ? { status } : {}} />
      </Page>,
    )
  })

  router.get('/invoices/new', ...editing, async (req, res) => {
    const fields = {
      customer_id: typeof req.query.customer === 'string' ? req.query.customer : '',
      issued_on: today(),
      due_on: addDays(today(), 30),
    }
    await form(res, undefined, fields, withBlanks([], 4), {})
  })

  router.post('/invoices', ...editing, (req, res) => save(req.body, res, undefined))

  router.get('/invoices/:id', signedIn, async (req, res) => {
    const person = personIn(res)
    const invoice = await invoiceOf(req.params.id)
    const lines = await linesOfInvoice(invoice.id)
    const total = lines.reduce((sum, line) => sum + Math.round(Number(line.unit_price) * 100) * line.quantity, 0) / 100
    const history = person.may('log') && (await historyOf(person, invoice))
    await render(
      res,
      <Page
        title={`Invoice ${invoice.number}`}
        person={person}
        section="/invoices"
        notice={noticeFrom(req.query.notice, NOTICES)}
      >
        <Heading
          title={
            <>
              Invoice {invoice.number} <Status invoice={invoice} />
            </>
          }
          above={['/invoices', 'Invoices']}
        >
          <TimelineLink person={person} model="Invoice" id={invoice.id} />
          {person.may('invoices') && (
            <>
              <a class="button" href={`/invoices/${invoice.id}/delete`}>
                Delete
              </a>
              <a class="button main" href={`/invoices/${invoice.id}/edit`}>
                Edit
              </a>
            </>
          )}
        </Heading>
        <div class="side">
          <section class="card table" aria-label="Lines">
            <table>
              <thead>
                <tr>
                  <th>Article</th>
                  <th class="number wide">Quantity</th>
                  <th class="number wide">Price</th>
                  <th class="number">Amount</th>
                </tr>
              </thead>
              <tbody>
                {lines.map((line) => (
                  <tr>
                    <td>
                      {line.description}
                      <small class="narrow-only">
                        {line.quantity} × {formatMoney(line.unit_price)}
                      </small>
                    </td>
                    <td class="number wide">{line.quantity}</td>
                    <td class="number wide">{formatMoney(line.unit_price)}</td>
                    <td class="number">{formatMoney(line.quantity * Number(line.unit_price))}</td>
                  </tr>
                ))}
              </tbody>
              <tfoot>
                <tr>
                  <th>Total</th>
                  <td class="wide" />
                  <td class="wide" />
                  <td class="number">
                    <b>{formatMoney(total)}</b>
                  </td>
                </tr>
              </tfoot>
            </table>
          </section>
          <section class="card" aria-label="Details">
            <dl class="facts">
              <div>
                <dt>Customer</dt>
                <dd>
                  <a href={`/customers/${invoice.customer_id}`}>{invoice.customer}</a>
                </dd>
              </div>
              <div>
                <dt>Issued</dt>
                <dd>{formatDay(invoice.issued_on)}</dd>
              </div>
              <div>
                <dt>Due</dt>
                <dd>{formatDay(invoice.due_on)}</dd>
              </div>
            </dl>
            {invoice.notes && <p class="notes">{invoice.notes}</p>}
            {person.may('invoices') && (
              <div class="actions">
                {invoice.status === 'sent' && (
                  <form method="post" action={`/invoices/${invoice.id}/remind`}>
                    <button type="submit">Note a reminder</button>
                  </form>
                )}
                {NEXT_STATUSES[invoice.status].map(([status, words]) => (
                  <form method="post" action={`/invoices/${invoice.id}/status`}>
                    <input type="hidden" name="status" value={status} />
                    <button type="submit">{words}</button>
                  </form>
                ))}
              </div>
            )}
          </section>
        </div>
        {history && (
          <section class="card history" aria-labelledby="history">
            <h2 id="history">What happened lately</h2>
            {raw(history)}
          </section>
        )}
      </Page>,
    )
  })

  router.get('/invoices/:id/edit', ...editing, async (req, res) => {
    const invoice = await invoiceOf(req.params.id)
    const lines = (await linesOfInvoice(invoice.id)).map((line) => ({
      id: String(line.id),
      product_id: String(line.product_id ?? ''),
      description: line.description,
      quantity: String(line.quantity),
      unit_price: line.unit_price,
      remove: '',
    }))
    const fields = {
      customer_id: String(invoice.customer_id),
      issued_on: invoice.issued_on,
      due_on: invoice.due_on,
      notes: invoice.notes ?? '',
    }
    await form(res, invoice, fields, withBlanks(lines, 1), {})
  })

  router.post('/invoices/:id', ...editing, async (req, res) => save(req.body, res, await invoiceOf(req.params.id)))

  router.post('/invoices/:id/status', ...editing, async (req, res) => {
    const invoice = await invoiceOf(req.params.id)
    const wanted = fieldsOf(req.body).status
    const next = NEXT_STATUSES[invoice.status].find(([status]) => status === wanted)
    if (next) {
      const [status] = next
      await db
        .updateTable('invoice')
        .set({ status })
        .where('id', '=', invoice.id)
        .where('status', '=', invoice.status)
        .execute()
    }
    res.redirect(303, `/invoices/${invoice.id}${next ? '?notice=status' : ''}`)
  })

  // Nothing in the tables changes here: the event itself is what is worth keeping.
  router.post('/invoices/:id/remind', ...editing, async (req, res) => {
    const invoice = await invoiceOf(req.params.id)
    await daybook.record({
      action: 'invoice.reminded',
      object: { model: 'Invoice', id: String(invoice.id), label: invoice.number },
      related: { model: 'Customer', id: String(invoice.customer_id), label: invoice.customer },
    })
    res.redirect(303, `/invoices/${invoice.id}?notice=reminded`)
  })

  router.get('/invoices/:id/delete', ...editing, async (req, res) => {
    const invoice = await invoiceOf(req.params.id)
    await render(
      res,
      <Page title={`Delete ${invoice.number}`} person={personIn(res)} section="/invoices">
        <Heading
          title={`Delete invoice ${invoice.number}?`}
          above={[`/invoices/${invoice.id}`, `Invoice ${invoice.number}`]}
        />
        <form method="post" action={`/invoices/${invoice.id}/delete`} class="card stack">
          <p>
            The invoice for {invoice.customer} and its lines go. This can’t be undone; void it instead to keep it in the
            books.
          </p>
          <div class="actions">
            <a class="button" href={`/invoices/${invoice.id}`}>
              Keep it
            </a>
            <button type="submit" class="danger">
              Delete the invoice
            </button>
          </div>
        </form>
      </Page>,
    )
  })

  router.post('/invoices/:id/delete', ...editing, async (req, res) => {
    const invoice = await invoiceOf(req.params.id)
    await db.deleteFrom('invoice').where('id', '=', invoice.id).execute()
    res.redirect(303, '/invoices?notice=deleted')
  })

  /** The newest entries of the log about an invoice, as the log shows them. */
  function historyOf(person: Person, invoice: Invoice): Promise<string> {
    const viewer = { id: String(person.id), label: person.email }
    return daybook.timeline({ model: 'Invoice', id: String(invoice.id), limit: 5, basePath: '/audit', viewer })
  }

  async function form(
    res: Response,
    invoice: Invoice | undefined,
    fields: Fields,
    lines: readonly LineFields[],
    errors: FieldErrors,
  ): Promise<void> {
    const [customers, products] = await Promise.all([
      db.selectFrom('customer').select(['id', 'name']).orderBy('name').execute(),
      db
        .selectFrom('product')
        .select(['id', 'name', 'category'])
        .where((where) => where.or([where('is_active', '=', true), where('id', 'in', idsOf(lines))]))
        .orderBy('category')
        .orderBy('name')
        .execute(),
    ])
    const status = Object.keys(errors).length > 0 ? 422 : 200
    await render(
      res,
      <InvoiceForm
        person={personIn(res)}
        invoice={invoice}
        fields={fields}
        lines={lines}
        errors={errors}
        customers={customers}
        products={products}
      />,
      status,
    )
  }

  async function save(body: unknown, res: Response, invoice: Invoice | undefined): Promise<void> {
    const fields = fieldsOf(body)
    const lines = linesOf(fields)
    if (fields.more) return form(res, invoice, fields, withBlanks(lines, 4), {})
    const read = readInvoice(fields, lines, await catalogueOf(db, lines))
    if (!read.ok) return form(res, invoice, fields, lines, read.errors)
    const customer = await db
      .selectFrom('customer')
      .select('id')
      .where('id', '=', read.values.customer_id)
      .executeTakeFirst()
    if (!customer) return form(res, invoice, fields, lines, { customer_id: 'Choose a customer.' })
    const id = await db.transaction().execute((trx) => keep(trx, invoice?.id, read.values))
    res.redirect(303, `/invoices/${id}?notice=${invoice ? 'saved' : 'created'}`)
  }

  return router
}

/** The products of the lines; never empty, for SQL knows no empty list. */
function idsOf(lines: readonly LineFields[]): number[] {
  return [0, ...lines.map(({ product_id }) => rowId(product_id) ?? 0)]
}

async function catalogueOf(db: Kysely<Schema>, lines: readonly LineFields[]): Promise<Catalogue> {
  const products = await db
    .selectFrom('product')
    .select(['id', 'name', 'price'])
    .where('id', 'in', idsOf(lines))
    .execute()
  return new Map(products.map(({ id, name, price }) => [id, { name, price }]))
}

/** Writes an invoice with its lines. */
async function keep(trx: Transaction<Schema>, known: number | undefined, values: InvoiceValues): Promise<number> {
  const { lines, dropped, ...invoice } = values
  const id = known ?? (await insertInvoice(trx, invoice))
  if (known) await trx.updateTable('invoice').set(invoice).where('id', '=', id).execute()
  if (dropped.length > 0) {
    await trx.deleteFrom('invoice_line').where('invoice_id', '=', id).where('id', 'in', dropped).execute()
  }
  for (const line of lines) await keepLine(trx, id, line)
  return id
}

async function keepLine(trx: Transaction<Schema>, invoiceId: number, { id, ...line }: LineValues): Promise<void> {
  if (id === undefined)
    await trx
      .insertInto('invoice_line')
      .values({ ...line, invoice_id: invoiceId })
      .execute()
  else
    await trx.updateTable('invoice_line').set(line).where('id', '=', id).where('invoice_id', '=', invoiceId).execute()
}

async function insertInvoice(
  trx: Transaction<Schema>,
  invoice: Omit<InvoiceValues, 'lines' | 'dropped'>,
): Promise<number> {
  // Numbers run without a gap, so two people who write at once take turns.
  await trx.executeQuery(
    CompiledQuery.raw("select pg_advisory_xact_lock(hashtextextended('backoffice.invoice.number', 0))"),
  )
  const year = invoice.issued_on.slice(0, 4)
  const { last } = await trx
    .selectFrom('invoice')
    .select(sql<number>`coalesce(max(split_part(number, '-', 2)::int), 0)`.as('last'))
    .where('number', 'like', `${year}-%`)
    .executeTakeFirstOrThrow()
  const { id } = await trx
    .insertInto('invoice')
    .values({ ...invoice, number: `${year}-${String(last + 1).padStart(4, '0')}`, status: 'draft' })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}
