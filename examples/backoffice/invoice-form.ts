import { z } from 'zod'
import {
  day,
  type Fields,
  money,
  optionalText,
  readForm,
  requiredText,
  rowId,
  type Submission,
  wholeNumber,
} from './form.ts'

/** More lines than anybody writes by hand; a form with more is refused. */
const MAX_LINES = 50

const invoiceForm = z
  .object({
    customer_id: z
      .string({ error: 'Choose a customer.' })
      .refine((id) => rowId(id) !== undefined, 'Choose a customer.')
      .transform(Number),
    issued_on: day('the day of issue'),
    due_on: day('the day when it is due'),
    notes: optionalText('the notes', 4000),
  })
  .refine(({ issued_on, due_on }) => due_on >= issued_on, {
    path: ['due_on'],
    message: 'Choose a day on or after the day of issue.',
  })

/** One line as the form holds it; `id` is empty for a line that is not kept yet. */
export interface LineFields {
  readonly id: string
  readonly product_id: string
  readonly description: string
  readonly quantity: string
  readonly unit_price: string
  readonly remove: string
}

const BLANK: LineFields = { id: '', product_id: '', description: '', quantity: '', unit_price: '', remove: '' }

/** A line that was read: which one it is, and what it says. */
export interface LineValues {
  readonly id: number | undefined
  readonly product_id: number | null
  readonly description: string
  readonly quantity: number
  readonly unit_price: string
}

export interface InvoiceValues extends z.output<typeof invoiceForm> {
  readonly lines: readonly LineValues[]
  /** The lines that were there and are to go. */
  readonly dropped: readonly number[]
}

/** What the choice of products holds, by id. */
export type Catalogue = ReadonlyMap<number, { readonly name: string; readonly price: string }>

/** The lines of a posted form, in their order: fields are named `lines.0.quantity`. */
export function linesOf(fields: Fields): LineFields[] {
  const lines: LineFields[] = []
  for (let index = 0; index < MAX_LINES && `lines.${index}.quantity` in fields; index++) {
    const names = Object.keys(BLANK) as (keyof LineFields)[]
    lines.push(
      Object.fromEntries(names.map((name) => [name, fields[`lines.${index}.${name}`] ?? ''])) as unknown as LineFields,
    )
  }
  return lines
}

/** Lines with empty ones at the end, to write in. */
export function withBlanks(lines: readonly LineFields[], blanks: number): LineFields[] {
  return [...lines, ...Array<LineFields>(blanks).fill(BLANK)]
}

function isWritten({ product_id, description, quantity, unit_price, remove }: LineFields): boolean {
  return remove === '' && [product_id, description, quantity, unit_price].some((text) => text.trim() !== '')
}

/** Reads the invoice and its lines. What a line leaves out of description and price comes from its product. */
export function readInvoice(
  fields: Fields,
  lines: readonly LineFields[],
  catalogue: Catalogue,
): Submission<InvoiceValues> {
  const invoice = readForm(invoiceForm, fields)
  const errors: Record<string, string> = invoice.ok ? {} : { ...invoice.errors }
  const values: LineValues[] = []
  const dropped: number[] = []
  for (const [index, line] of lines.entries()) {
    if (!isWritten(line)) {
      dropped.push(...(rowId(line.id) ? [Number(line.id)] : []))
      continue
    }
    const product = catalogue.get(Number(line.product_id))
    const form = readForm(lineForm, {
      ...line,
      description: line.description.trim() || (product?.name ?? ''),
      unit_price: line.unit_price.trim() || (product?.price ?? ''),
    })
    if (form.ok) values.push({ ...form.values, product_id: product ? Number(line.product_id) : null })
    else for (const [name, message] of Object.entries(form.errors)) errors[`lines.${index}.${name}`] = message
  }
  if (values.length === 0 && Object.keys(errors).length === 0) errors.form = 'An invoice needs at least one line.'
  return invoice.ok && Object.keys(errors).length === 0
    ? { ok: true, values: { ...invoice.values, lines: values, dropped } }
    : { ok: false, errors }
}

const lineForm = z.object({
  id: z
    .string()
    .refine((text) => /^([1-9]\d{0,8})?$/.test(text))
    .transform((text) => (text ? Number(text) : undefined)),
  description: requiredText('what is sold'),
  quantity: wholeNumber('a quantity', 1, 100_000),
  unit_price: money('a price', 0),
})
