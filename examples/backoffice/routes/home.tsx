import { Router } from 'express'
import { sql } from 'kysely'
import { personIn, signedIn } from '../access.ts'
import { count, formatDay, formatMoney, today } from '../format.ts'
import { Heading } from '../pages/heading.tsx'
import { Page } from '../pages/layout.tsx'
import { Status } from '../pages/status.tsx'
import { render } from '../render.ts'
import type { Services } from '../services.ts'

/** The overview: what is owed, what is late, what was written last. */
export function homeRoutes({ db }: Services): Router {
  const router = Router()

  router.get('/', signedIn, async (_req, res) => {
    const person = personIn(res)
    const withTotal = db
      .selectFrom('invoice')
      .innerJoin('customer', 'customer.id', 'invoice.customer_id')
      .leftJoin('invoice_line as line', 'line.invoice_id', 'invoice.id')
      .groupBy(['invoice.id', 'customer.name'])
      .select([
        'invoice.id',
        'invoice.number',
        'invoice.status',
        'invoice.issued_on',
        'invoice.due_on',
        'customer.name as customer',
        sql<string>`coalesce(sum(line.quantity * line.unit_price), 0)`.as('total'),
      ])
    const [sums, latest, late] = await Promise.all([
      db
        .with('one', () => withTotal)
        .selectFrom('one')
        .select([
          sql<string>`coalesce(sum(total) filter (where status = 'sent'), 0)`.as('outstanding'),
          sql<number>`count(*) filter (where status = 'sent')::int`.as('outstanding_count'),
          sql<string>`coalesce(sum(total) filter (where status = 'sent' and due_on < ${today()}), 0)`.as('overdue'),
          sql<number>`count(*) filter (where status = 'sent' and due_on < ${today()})::int`.as('overdue_count'),
          sql<string>`coalesce(sum(total) filter (where status = 'paid'), 0)`.as('paid'),
          sql<number>`count(*) filter (where status = 'paid')::int`.as('paid_count'),
          sql<number>`count(*) filter (where status = 'draft')::int`.as('draft_count'),
          sql<string>`coalesce(sum(total) filter (where status = 'draft'), 0)`.as('draft'),
        ])
        .executeTakeFirstOrThrow(),
      withTotal.orderBy('invoice.issued_on', 'desc').orderBy('invoice.id', 'desc').limit(8).execute(),
      withTotal
        .where('invoice.status', '=', 'sent')
        .where('invoice.due_on', '<', today())
        .orderBy('invoice.due_on')
        .limit(8)
        .execute(),
    ])
    const tiles = [
      { name: 'Outstanding', amount: sums.outstanding, number: sums.outstanding_count, to: 'sent', mark: 'sent' },
      { name: 'Overdue', amount: sums.overdue, number: sums.overdue_count, to: 'overdue', mark: 'overdue' },
      { name: 'Paid', amount: sums.paid, number: sums.paid_count, to: 'paid', mark: 'paid' },
      { name: 'In draft', amount: sums.draft, number: sums.draft_count, to: 'draft', mark: 'draft' },
    ]
    await render(
      res,
      <Page title="Overview" person={person} section="/">
        <Heading title={`Good day, ${person.name.split(' ')[0]}`} about="How the shop stands today.">
          {person.may('invoices') && (
            <a class="button main" href="/invoices/new">
              New invoice
            </a>
          )}
        </Heading>
        <ul class="tiles">
          {tiles.map(({ name, amount, number, to, mark }) => (
            <li>
              <a href={`/invoices?status=${to}`} class={`tile ${mark}`}>
                <span class="tile-name">{name}</span>
                <b>{formatMoney(amount)}</b>
                <span class="tile-count">{count(number, 'invoice')}</span>
              </a>
            </li>
          ))}
        </ul>
        <div class="two">
          <section class="card" aria-labelledby="late">
            <h2 id="late">Longest overdue</h2>
            <ShortList invoices={late} day={(invoice) => `due ${formatDay(invoice.due_on)}`} none="Nothing is late." />
          </section>
          <section class="card" aria-labelledby="latest">
            <h2 id="latest">Latest invoices</h2>
            <ShortList invoices={latest} day={(invoice) => formatDay(invoice.issued_on)} none="No invoices yet." />
          </section>
        </div>
      </Page>,
    )
  })

  return router
}

type Listed = Parameters<typeof Status>[0]['invoice'] & {
  readonly id: number
  readonly number: string
  readonly customer: string
  readonly issued_on: string
  readonly total: string
}

interface ShortListProps {
  readonly invoices: readonly Listed[]
  readonly day: (invoice: Listed) => string
  readonly none: string
}

function ShortList({ invoices, day, none }: ShortListProps) {
  if (invoices.length === 0) return <p class="none">{none}</p>
  return (
    <ul class="short">
      {invoices.map((invoice) => (
        <li>
          <a href={`/invoices/${invoice.id}`}>
            <span class="what">
              <b>{invoice.customer}</b>
              <small>
                {invoice.number} · {day(invoice)}
              </small>
            </span>
            <span class="sum">
              {formatMoney(invoice.total)}
              <Status invoice={invoice} />
            </span>
          </a>
        </li>
      ))}
    </ul>
  )
}
