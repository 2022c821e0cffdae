import { Router } from 'express'
import { type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { type Person, personIn, requireRight, signedIn } from '../access.ts'
import {
  type FieldErrors,
  type Fields,
  fieldsOf,
  money,
  optionalText,
  readForm,
  requiredText,
  rowId,
  wholeNumber,
} from '../form.ts'
import { count, formatMoney } from '../format.ts'
import { Checkbox, Choice, FormErrors, TextArea, TextField } from '../pages/fields.tsx'
import { Heading, TimelineLink } from '../pages/heading.tsx'
import { Page } from '../pages/layout.tsx'
import { PAGE_SIZE, Pager, pageNumber } from '../pages/pager.tsx'
import { isOutOfRange } from '../postgres-error.ts'
import { NotFound } from '../refusal.ts'
import { noticeFrom, render } from '../render.ts'
import type { Schema } from '../schema.ts'
import type { Services } from '../services.ts'

const productForm = z.object({
  name: requiredText('a name'),
  price: money('a price', 0.01),
  stock: wholeNumber('the stock', 0, 1_000_000),
  is_active: z
    .literal('yes')
    .optional()
    .transform((yes) => yes === 'yes'),
})

const priceForm = z.object({
  category: requiredText('a category'),
  percent: requiredText('a percentage')
    .refine((text) => /^-?\d{1,3}([.,]\d{1,2})?$/.test(text), 'Enter a percentage such as 5 or -2.5.')
    .transform((text) => text.replace(',', '.'))
    .refine(
      (text) => Number(text) !== 0 && Number(text) >= -50 && Number(text) <= 100,
      'Enter a percentage from -50 to 100, but not 0.',
    ),
  reason: optionalText('the reason', 300),
})

type Product = Selectable<Schema['product']>

/** Products: list, edit, and the price change of a whole category. */
export function productRoutes({ db, daybook }: Services): Router {
  const router = Router()
  const editing = [signedIn, requireRight('products')]

  const categories = () =>
    db
      .selectFrom('product')
      .select(['category', sql<number>`count(*)::int`.as('number'), sql<string>`avg(price)`.as('average')])
      .groupBy('category')
      .orderBy('category')
      .execute()

  async function productOf(id: unknown): Promise<Product> {
    const product = await db
      .selectFrom('product')
      .selectAll()
      .where('id', '=', rowId(id) ?? 0)
      .executeTakeFirst()
    if (!product) throw new NotFound()
    return product
  }

  router.get('/products', signedIn, async (req, res) => {
    const person = personIn(res)
    const page = pageNumber(req.query.page)
    const known = await categories()
    const category = known.find(({ category }) => category === req.query.category)?.category
    const changed = rowId(req.query.changed)
    const notice = changed && (
      <>
        {count(changed, 'price')} changed in one go.{' '}
        {person.may('log') && <a href={`/audit?${requestQuery(req.query.request)}`}>See each of them in the log</a>}
      </>
    )
    const found = category ? db.selectFrom('product').where('category', '=', category) : db.selectFrom('product')
    const [products, { total }] = await Promise.all([
      found
        .selectAll()
        .orderBy('category')
        .orderBy('name')
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
        .execute(),
      found.select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow(),
    ])
    await render(
      res,
      <Page
        title="Products"
        person={person}
        section="/products"
        notice={notice || noticeFrom(req.query.notice, { saved: 'Saved.' })}
      >
        <Heading title="Products">
          {person.may('products') && (
            <a class="button main" href={`/products/prices${category ? `?${new URLSearchParams({ category })}` : ''}`}>
              Change prices
            </a>
          )}
        </Heading>
        <nav class="tabs" aria-label="Category">
          <a href="/products" aria-current={category ? undefined : 'page'}>
            all
          </a>
          {known.map((one) => (
            <a
              href={`/products?${new URLSearchParams({ category: one.category })}`}
              aria-current={one.category === category ? 'page' : undefined}
            >
              {one.category}
            </a>
          ))}
        </nav>
        <div class="card table">
          <table>
            <thead>
              <tr>
                <th>Product</th>
                <th class="wide">Category</th>
                <th class="number">In stock</th>
                <th class="number">Price</th>
              </tr>
            </thead>
            <tbody>
              {products.map((product) => (
                <tr>
                  <td>
                    <a class="row-link" href={`/products/${product.id}`}>
                      {product.name}
                    </a>
                    <small>
                      {product.sku}
                      {!product.is_active && ' · not sold any more'}
                    </small>
                  </td>
                  <td class="wide">{product.category}</td>
                  <td class="number">{product.stock}</td>
                  <td class="number">{formatMoney(product.price)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <Pager total={total} word="product" page={page} path="/products" filters={category ? { category } : {}} />
      </Page>,
    )
  })

  router.get('/products/prices', ...editing, async (req, res) => {
    const category = typeof req.query.category === 'string' ? req.query.category : ''
    await render(res, await priceChange(personIn(res), { category }, {}))
  })

  router.post('/products/prices', ...editing, async (req, res) => {
    const person = personIn(res)
    const fields = fieldsOf(req.body)
    const again = async (errors: FieldErrors) => render(res, await priceChange(person, fields, errors), 422)
    const form = readForm(priceForm, fields)
    if (!form.ok) return again(form.errors)
    const { category, percent, reason } = form.values
    try {
      const { numUpdatedRows } = await daybook.run(reason ? { reason } : {}, () =>
        db
          .updateTable('product')
          .set({ price: sql`round(price * (1 + ${percent}::numeric / 100), 2)` })
          .where('category', '=', category)
          .executeTakeFirst(),
      )
      if (numUpdatedRows === 0n) return again({ category: 'Choose a category.' })
      const request = daybook.currentContext()?.requestId ?? ''
      res.redirect(303, `/products?${new URLSearchParams({ category, changed: String(numUpdatedRows), request })}`)
    } catch (error) {
      if (isOutOfRange(error))
        return again({ percent: 'That would leave a product without a price that can be charged.' })
      throw error
    }
  })

  router.get('/products/:id', signedIn, async (req, res) => {
    const product = await productOf(req.params.id)
    await render(res, <ProductPage person={personIn(res)} product={product} fields={fieldsFrom(product)} errors={{}} />)
  })

  router.post('/products/:id', ...editing, async (req, res) => {
    const product = await productOf(req.params.id)
    const fields = fieldsOf(req.body)
    const form = readForm(productForm, fields)
    if (!form.ok) {
      return render(
        res,
        <ProductPage person={personIn(res)} product={product} fields={fields} errors={form.errors} />,
        422,
      )
    }
    await db.updateTable('product').set(form.values).where('id', '=', product.id).execute()
    res.redirect(303, '/products?notice=saved')
  })

  async function priceChange(person: Person, fields: Fields, errors: FieldErrors) {
    const known = await categories()
    return (
      <Page title="Change prices" person={person} section="/products">
        <Heading
          title="Change prices"
          above={['/products', 'Products']}
          about="Raises or lowers the price of every product of a category, at once."
        />
        <form method="post" action="/products/prices" class="card stack" novalidate>
          <FormErrors errors={errors} />
          <div class="grid">
            <Choice
              name="category"
              label="Category"
              fields={fields}
              errors={errors}
              options={[
                ['', 'Choose…'],
                ...known.map(
                  ({ category, number, average }) =>
                    [category, `${category}: ${count(number, 'product')}, ${formatMoney(average)} on average`] as const,
                ),
              ]}
            />
            <TextField
              name="percent"
              label="By how many per cent"
              inputmode="decimal"
              fields={fields}
              errors={errors}
              hint="5 raises by five per cent, -2.5 lowers by two and a half."
            />
          </div>
          <TextArea
            name="reason"
            label="Reason"
            rows={2}
            fields={fields}
            errors={errors}
            required={false}
            hint="Stands beside every change in the log."
          />
          <div class="actions">
            <a class="button" href="/products">
              Cancel
            </a>
            <button type="submit" class="main">
              Change the prices
            </button>
          </div>
        </form>
      </Page>
    )
  }

  return router
}

/** The query of the log for what one request did. */
function requestQuery(request: unknown): URLSearchParams {
  return new URLSearchParams({ q: typeof request === 'string' && request ? `request:${request}` : 'model:Product' })
}

function fieldsFrom({ name, price, stock, is_active }: Product): Fields {
  return { name, price, stock: String(stock), is_active: is_active ? 'yes' : '' }
}

interface ProductPageProps {
  readonly person: Person
  readonly product: Product
  readonly fields: Fields
  readonly errors: FieldErrors
}

function ProductPage({ person, product, fields, errors }: ProductPageProps) {
  return (
    <Page title={product.name} person={person} section="/products">
      <Heading title={product.name} above={['/products', 'Products']} about={`${product.sku} · ${product.category}`}>
        <TimelineLink person={person} model="Product" id={product.id} />
      </Heading>
      {person.may('products') ? (
        <form method="post" action={`/products/${product.id}`} class="card stack" novalidate>
          <FormErrors errors={errors} />
          <TextField name="name" label="Name" fields={fields} errors={errors} />
          <div class="grid">
            <TextField name="price" label="Price in euros" inputmode="decimal" fields={fields} errors={errors} />
            <TextField name="stock" label="In stock" inputmode="numeric" fields={fields} errors={errors} />
          </div>
          <Checkbox
            name="is_active"
            label="On sale"
            fields={fields}
            hint="Off sale, it can’t be chosen for new invoices."
          />
          <div class="actions">
            <a class="button" href="/products">
              Cancel
            </a>
            <button type="submit" class="main">
              Save
            </button>
          </div>
        </form>
      ) : (
        <section class="card" aria-label="Details">
          <dl class="facts">
            <div>
              <dt>Price</dt>
              <dd>{formatMoney(product.price)}</dd>
            </div>
            <div>
              <dt>In stock</dt>
              <dd>{product.stock}</dd>
            </div>
            <div>
              <dt>On sale</dt>
              <dd>{product.is_active ? 'yes' : 'no'}</dd>
            </div>
          </dl>
        </section>
      )}
    </Page>
  )
}
