import { Router } from 'express'
import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import { z } from 'zod'
import { type Person, personIn, requireRight, signedIn } from '../access.ts'
import { email, type FieldErrors, type Fields, fieldsOf, optionalText, readForm, requiredText, rowId } from '../form.ts'
import { count, formatDay, formatMoney } from '../format.ts'
import { FormErrors, TextArea, TextField } from '../pages/fields.tsx'
import { Heading, TimelineLink } from '../pages/heading.tsx'
import { Page } from '../pages/layout.tsx'
import { PAGE_SIZE, Pager, pageNumber } from '../pages/pager.tsx'
import { Status } from '../pages/status.tsx'
import { isUniqueViolation } from '../postgres-error.ts'
import { NotFound } from '../refusal.ts'
import { noticeFrom, render } from '../render.ts'
import type { Schema } from '../schema.ts'
import type { Services } from '../services.ts'

const NOTICES = { created: 'The customer is on file.', saved: 'Saved.', deleted: 'The customer is deleted.' }

const customerForm = z.object({
  name: requiredText('the company’s name'),
  contact_name: requiredText('who to ask for'),
  email,
  phone: optionalText('the phone number', 40),
  city: requiredText('a town'),
  country: requiredText('a country'),
  vat_number: optionalText('the VAT number', 40),
  iban: optionalText('the IBAN', 40),
  notes: optionalText('the notes', 4000),
})

type Customer = Selectable<Schema['customer']>

/** Customers: list, page, create, edit, delete. */
export function customerRoutes({ db }: Services): Router {
  const router = Router()
  const editing = [signedIn, requireRight('customers')]

  async function customerOf(id: unknown): Promise<Customer> {
    const customer = await db
      .selectFrom('customer')
      .selectAll()
      .where('id', '=', rowId(id) ?? 0)
      .executeTakeFirst()
    if (!customer) throw new NotFound()
    return customer
  }

  router.get('/customers', signedIn, async (req, res) => {
    const person = personIn(res)
    const search = typeof req.query.q === 'string' ? req.query.q.trim().replaceAll('\0', '') : ''
    const page = pageNumber(req.query.page)
    let found = db.selectFrom('customer')
    if (search) {
      const pattern = `%${search.replace(/[\\%_]/g, '\\$&')}%`
      found = found.where((where) =>
        where.or([
          where('name', 'ilike', pattern),
          where('city', 'ilike', pattern),
          where('contact_name', 'ilike', pattern),
        ]),
      )
    }
    const [customers, { total }] = await Promise.all([
      found
        .select(['id', 'name', 'contact_name', 'email', 'city', 'country'])
        .orderBy('name')
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
        .execute(),
      found.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow(),
    ])
    await render(
      res,
      <Page title="Customers" person={person} section="/customers" notice={noticeFrom(req.query.notice, NOTICES)}>
        <Heading title="Customers">
          {person.may('customers') && (
            <a class="button main" href="/customers/new">
              New customer
            </a>
          )}
        </Heading>
        <form class="find" method="get" action="/customers">
          <input
            type="search"
            name="q"
            value={search}
            aria-label="Search customers"
            placeholder="Name, contact or town"
          />
          <button type="submit">Search</button>
          {search && <a href="/customers">Show all</a>}
        </form>
        <div class="card table">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th class="wide">Contact</th>
                <th>Town</th>
              </tr>
            </thead>
            <tbody>
              {customers.map((customer) => (
                <tr>
                  <td>
                    <a class="row-link" href={`/customers/${customer.id}`}>
                      {customer.name}
                    </a>
                    <small class="narrow-only">{customer.contact_name}</small>
                  </td>
                  <td class="wide">
                    {customer.contact_name}
                    <small>{customer.email}</small>
                  </td>
                  <td>
                    {customer.city}
                    <small>{customer.country}</small>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {customers.length === 0 && <p class="none">No customer matches “{search}”.</p>}
        </div>
        <Pager total={total} word="customer" page={page} path="/customers" filters={search ? { q: search } : {}} />
      </Page>,
    )
  })

  router.get('/customers/new', ...editing, (_req, res) =>
    render(res, <CustomerForm person={personIn(res)} fields={{}} errors={{}} />),
  )

  router.post('/customers', ...editing, async (req, res) => {
    const fields = fieldsOf(req.body)
    const form = readForm(customerForm, fields)
    const again = (errors: FieldErrors) =>
      render(res, <CustomerForm person={personIn(res)} fields={fields} errors={errors} />, 422)
    if (!form.ok) return again(form.errors)
    try {
      const { id } = await db.insertInto('customer').values(form.values).returning('id').executeTakeFirstOrThrow()
      res.redirect(303, `/customers/${id}?notice=created`)
    } catch (error) {
      if (isUniqueViolation(error)) return again({ name: 'There is a customer of this name already.' })
      throw error
    }
  })

  router.get('/customers/:id', signedIn, async (req, res) => {
    const person = personIn(res)
    const customer = await customerOf(req.params.id)
    const invoices = await db
      .selectFrom('invoice')
      .leftJoin('invoice_line as line', 'line.invoice_id', 'invoice.id')
      .select(['invoice.id', 'number', 'status', 'issued_on', 'due_on'])
      .select(sql<string>`coalesce(sum(line.quantity * line.unit_price), 0)`.as('total'))
      .where('customer_id', '=', customer.id)
      .groupBy('invoice.id')
      .orderBy('issued_on', 'desc')
      .orderBy('invoice.id', 'desc')
      .execute()
    const facts = [
      ['Contact', customer.contact_name],
      ['E-mail', customer.email],
      ['Phone', customer.phone],
      ['Town', `${customer.city}, ${customer.country}`],
      ['VAT number', customer.vat_number],
      ['IBAN', customer.iban],
      ['Customer since', formatDay(customer.created_at)],
    ] as const
    await render(
      res,
      <Page title={customer.name} person={person} section="/customers" notice={noticeFrom(req.query.notice, NOTICES)}>
        <Heading title={customer.name} above={['/customers', 'Customers']}>
          <TimelineLink person={person} model="Customer" id={customer.id} />
          {person.may('customers') && (
            <>
              <a class="button" href={`/customers/${customer.id}/delete`}>
                Delete
              </a>
              <a class="button main" href={`/customers/${customer.id}/edit`}>
                Edit
              </a>
            </>
          )}
        </Heading>
        <div class="side">
          <section class="card table" aria-labelledby="invoices">
            <h2 id="invoices">{count(invoices.length, 'invoice')}</h2>
            {invoices.length > 0 && (
              <table>
                <thead>
                  <tr>
                    <th>Number</th>
                    <th class="wide">Issued</th>
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
                      </td>
                      <td class="wide">{formatDay(invoice.issued_on)}</td>
                      <td>
                        <Status invoice={invoice} />
                      </td>
                      <td class="number">{formatMoney(invoice.total)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </section>
          <section class="card" aria-label="Details">
            <dl class="facts">
              {facts
                .filter(([, value]) => value !== null)
                .map(([name, value]) => (
                  <div>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                  </div>
                ))}
            </dl>
            {customer.notes && <p class="notes">{customer.notes}</p>}
          </section>
        </div>
      </Page>,
    )
  })

  router.get('/customers/:id/edit', ...editing, async (req, res) => {
    const customer = await customerOf(req.params.id)
    await render(
      res,
      <CustomerForm person={personIn(res)} customer={customer} fields={fieldsFrom(customer)} errors={{}} />,
    )
  })

  router.post('/customers/:id', ...editing, async (req, res) => {
    const customer = await customerOf(req.params.id)
    const fields = fieldsOf(req.body)
    const form = readForm(customerForm, fields)
    const again = (errors: FieldErrors) =>
      render(res, <CustomerForm person={personIn(res)} customer={customer} fields={fields} errors={errors} />, 422)
    if (!form.ok) return again(form.errors)
    try {
      await db.updateTable('customer').set(form.values).where('id', '=', customer.id).execute()
      res.redirect(303, `/customers/${customer.id}?notice=saved`)
    } catch (error) {
      if (isUniqueViolation(error)) return again({ name: 'There is a customer of this name already.' })
      throw error
    }
  })

  router.get('/customers/:id/delete', ...editing, async (req, res) => {
    const customer = await customerOf(req.params.id)
    const person = personIn(res)
    const { invoices } = await db
      .selectFrom('invoice')
      .select(sql<number>`count(*)::int`.as('invoices'))
      .where('customer_id', '=', customer.id)
      .executeTakeFirstOrThrow()
    await render(
      res,
      <Page title={`Delete ${customer.name}`} person={person} section="/customers">
        <Heading title={`Delete ${customer.name}?`} above={[`/customers/${customer.id}`, customer.name]} />
        {invoices > 0 ? (
          <div class="card stack">
            <p>
              {customer.name} has {count(invoices, 'invoice')}. A customer can be deleted once there are none; the books
              need them until then.
            </p>
            <div class="actions">
              <a class="button" href={`/customers/${customer.id}`}>
                Back
              </a>
            </div>
          </div>
        ) : (
          <form method="post" action={`/customers/${customer.id}/delete`} class="card stack">
            <p>This can’t be undone.</p>
            <div class="actions">
              <a class="button" href={`/customers/${customer.id}`}>
                Keep it
              </a>
              <button type="submit" class="danger">
                Delete the customer
              </button>
            </div>
          </form>
        )}
      </Page>,
    )
  })

  router.post('/customers/:id/delete', ...editing, async (req, res) => {
    const customer = await customerOf(req.params.id)
    const { numDeletedRows } = await db
      .deleteFrom('customer')
      .where('id', '=', customer.id)
      .where((where) =>
        where.not(where.exists(where.selectFrom('invoice').select('id').where('customer_id', '=', customer.id))),
      )
      .executeTakeFirst()
    if (numDeletedRows === 0n) return res.redirect(303, `/customers/${customer.id}/delete`)
    res.redirect(303, '/customers?notice=deleted')
  })

  return router
}

function fieldsFrom(customer: Customer): Fields {
  return Object.fromEntries(
    Object.keys(customerForm.shape).map((name) => [name, customer[name as keyof Customer]?.toString() ?? '']),
  )
}

interface CustomerFormProps {
  readonly person: Person
  readonly customer?: Customer
  readonly fields: Fields
  readonly errors: FieldErrors
}

function CustomerForm({ person, customer, fields, errors }: CustomerFormProps) {
  const title = customer ? `Edit ${customer.name}` : 'New customer'
  const back = customer ? `/customers/${customer.id}` : '/customers'
  return (
    <Page title={title} person={person} section="/customers">
      <Heading title={title} above={[back, customer?.name ?? 'Customers']} />
      <form method="post" action={back} class="card stack" novalidate>
        <FormErrors errors={errors} />
        <div class="grid">
          <TextField name="name" label="Company" fields={fields} errors={errors} />
          <TextField name="contact_name" label="Contact" fields={fields} errors={errors} />
          <TextField name="email" label="E-mail" type="email" fields={fields} errors={errors} />
          <TextField name="phone" label="Phone" type="tel" fields={fields} errors={errors} required={false} />
          <TextField name="city" label="Town" fields={fields} errors={errors} />
          <TextField name="country" label="Country" fields={fields} errors={errors} />
          <TextField name="vat_number" label="VAT number" fields={fields} errors={errors} required={false} />
          <TextField
            name="iban"
            label="IBAN"
            fields={fields}
            errors={errors}
            required={false}
            hint="The log records that it changed, never the number."
          />
        </div>
        <TextArea name="notes" label="Notes" fields={fields} errors={errors} required={false} />
        <div class="actions">
          <a class="button" href={back}>
            Cancel
          </a>
          <button type="submit" class="main">
            {customer ? 'Save' : 'Create customer'}
          </button>
        </div>
      </form>
    </Page>
  )
}
