import type { Person } from '../access.ts'
import type { FieldErrors, Fields } from '../form.ts'
import type { LineFields } from '../invoice-form.ts'
import { Choice, FormErrors, TextArea, TextField } from './fields.tsx'
import { Heading } from './heading.tsx'
import { Page } from './layout.tsx'

interface Product {
  readonly id: number
  readonly name: string
  readonly category: string
}

export interface InvoiceFormProps {
  readonly person: Person
  readonly invoice: { readonly id: number; readonly number: string } | undefined
  readonly fields: Fields
  readonly lines: readonly LineFields[]
  readonly errors: FieldErrors
  readonly customers: readonly { readonly id: number; readonly name: string }[]
  readonly products: readonly Product[]
}

/** The form for a new invoice, or for one that is there. */
export function InvoiceForm({ person, invoice, fields, lines, errors, customers, products }: InvoiceFormProps) {
  const title = invoice ? `Edit invoice ${invoice.number}` : 'New invoice'
  const back = invoice ? `/invoices/${invoice.id}` : '/invoices'
  return (
    <Page title={title} person={person} section="/invoices">
      <Heading title={title} above={[back, invoice ? `Invoice ${invoice.number}` : 'Invoices']} />
      <form method="post" action={back} class="card stack" novalidate>
        {/* The first button is the one that Enter presses. */}
        <button type="submit" hidden />
        <FormErrors errors={errors} />
        <div class="grid three">
          <Choice
            name="customer_id"
            label="Customer"
            fields={fields}
            errors={errors}
            options={[['', 'Choose…'], ...customers.map(({ id, name }) => [String(id), name] as const)]}
          />
          <TextField name="issued_on" label="Issued" type="date" fields={fields} errors={errors} />
          <TextField name="due_on" label="Due" type="date" fields={fields} errors={errors} />
        </div>
        <fieldset class="lines">
          <legend>Lines</legend>
          <p class="hint">
            Description and price that are left empty come from the product. Lines that are left empty are dropped.
          </p>
          {lines.map((line, index) => (
            <Line line={line} index={index} errors={errors} products={products} />
          ))}
          <button type="submit" name="more" value="yes" class="quiet">
            More lines
          </button>
        </fieldset>
        <TextArea name="notes" label="Notes" fields={fields} errors={errors} required={false} />
        <div class="actions">
          <a class="button" href={back}>
            Cancel
          </a>
          <button type="submit" class="main">
            {invoice ? 'Save' : 'Create invoice'}
          </button>
        </div>
      </form>
    </Page>
  )
}

interface LineProps {
  readonly line: LineFields
  readonly index: number
  readonly errors: FieldErrors
  readonly products: readonly Product[]
}

function Line({ line, index, errors, products }: LineProps) {
  const name = (field: keyof LineFields) => `lines.${index}.${field}`
  const wrong = (['description', 'quantity', 'unit_price'] as const).filter((field) => errors[name(field)])
  const invalid = (field: 'description' | 'quantity' | 'unit_price') => ({
    'aria-invalid': errors[name(field)] ? 'true' : undefined,
    'aria-describedby': errors[name(field)] ? `line-${index}-errors` : undefined,
  })
  const of = `, line ${index + 1}`
  return (
    <div class="line">
      <input type="hidden" name={name('id')} value={line.id} />
      <select name={name('product_id')} aria-label={`Product${of}`} class="product">
        <option value="">Product…</option>
        {byCategory(products).map(([category, those]) => (
          <optgroup label={category}>
            {those.map((product) => (
              <option value={product.id} selected={String(product.id) === line.product_id}>
                {product.name}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
      <input
        class="description"
        name={name('description')}
        value={line.description}
        placeholder="Description"
        aria-label={`Description${of}`}
        autocomplete="off"
        {...invalid('description')}
      />
      <input
        class="number"
        name={name('quantity')}
        value={line.quantity}
        placeholder="Quantity"
        inputmode="numeric"
        aria-label={`Quantity${of}`}
        autocomplete="off"
        {...invalid('quantity')}
      />
      <input
        class="number"
        name={name('unit_price')}
        value={line.unit_price}
        placeholder="Price"
        inputmode="decimal"
        aria-label={`Price${of}`}
        autocomplete="off"
        {...invalid('unit_price')}
      />
      {line.id ? (
        <label class="remove">
          <input
            type="checkbox"
            name={name('remove')}
            value="yes"
            checked={line.remove === 'yes'}
            aria-label={`Remove${of}`}
          />
          Remove
        </label>
      ) : (
        <span />
      )}
      {wrong.length > 0 && (
        <p class="error" id={`line-${index}-errors`}>
          {wrong.map((field) => errors[name(field)]).join(' ')}
        </p>
      )}
    </div>
  )
}

function byCategory(products: readonly Product[]): [category: string, products: Product[]][] {
  const categories = new Map<string, Product[]>()
  for (const product of products) {
    categories.set(product.category, [...(categories.get(product.category) ?? []), product])
  }
  return [...categories]
}
