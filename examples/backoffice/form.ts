import { z } from 'zod'

/** The fields of a posted form, as text. */
export type Fields = Readonly<Record<string, string>>

/** What is wrong with a form, by field; `form` stands for the form as a whole. */
export type FieldErrors = Readonly<Record<string, string>>

/** A form that was read: its values, or what was typed together with what is wrong with it. */
export type Submission<T> =
  | { readonly ok: true; readonly values: T }
  | { readonly ok: false; readonly errors: FieldErrors }

/** The body of a form post as plain text fields; of a field that came twice the last counts. */
export function fieldsOf(body: unknown): Fields {
  if (typeof body !== 'object' || body === null) return {}
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name, String(Array.isArray(value) ? value.at(-1) : value)]),
  )
}

/** Reads a form by its schema; the first complaint about each field is kept. */
export function readForm<T>(schema: z.ZodType<T>, fields: unknown): Submission<T> {
  const result = schema.safeParse(fields)
  if (result.success) return { ok: true, values: result.data }
  const errors: Record<string, string> = {}
  for (const issue of result.error.issues) errors[issue.path.join('.') || 'form'] ??= issue.message
  return { ok: false, errors }
}

/** Text that must be there. */
export function requiredText(what: string, maximum = 200) {
  return z
    .string({ error: `Enter ${what}.` })
    .trim()
    .min(1, `Enter ${what}.`)
    .max(maximum, `Keep ${what} to ${maximum} characters.`)
    .refine(isStorable, `Remove the invisible characters from ${what}.`)
}

/** Text that may be left out, which is null. */
export function optionalText(what: string, maximum = 200) {
  return z
    .string()
    .trim()
    .max(maximum, `Keep ${what} to ${maximum} characters.`)
    .refine(isStorable, `Remove the invisible characters from ${what}.`)
    .optional()
    .transform((text) => (text ? text : null))
}

function isStorable(text: string): boolean {
  return !text.includes('\0')
}

export const email = requiredText('an e-mail address', 254)
  .toLowerCase()
  .refine((text) => z.email().safeParse(text).success, 'Enter an e-mail address such as name@example.com.')

/** An amount of money above or equal to `minimum`, kept as text with two decimals. */
export function money(what: string, minimum: number) {
  return requiredText(what)
    .refine((text) => /^\d{1,8}([.,]\d{1,2})?$/.test(text), `Enter ${what} as a number such as 12.50.`)
    .transform((text) => Number(text.replace(',', '.')).toFixed(2))
    .refine((text) => Number(text) >= minimum, `Enter ${what} of at least ${minimum.toFixed(2)}.`)
}

/** A whole number within bounds. */
export function wholeNumber(what: string, minimum: number, maximum: number) {
  return requiredText(what)
    .refine((text) => /^-?\d{1,9}$/.test(text), `Enter ${what} as a whole number.`)
    .transform(Number)
    .refine((n) => n >= minimum && n <= maximum, `Enter ${what} from ${minimum} to ${maximum}.`)
}

/** A calendar day, kept as `YYYY-MM-DD`. */
export function day(what: string) {
  return requiredText(what).refine((text) => z.iso.date().safeParse(text).success, `Enter ${what} as year-month-day.`)
}

/** The number in a page's address, or `undefined` where it can't be one of a row. */
export function rowId(text: unknown): number | undefined {
  return typeof text === 'string' && /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined
}
