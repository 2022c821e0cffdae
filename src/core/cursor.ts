import { DaybookError } from './errors.ts'

const LARGEST_ID = 2n ** 63n - 1n

/** Whether a text is the id of an entry: decimal digits of a positive 64-bit number, without leading zeros. */
export function isEntryId(text: string): boolean {
  return /^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= LARGEST_ID
}

/** Where a page of the log begins: `before` an entry (older ones) or `after` it (newer ones); neither for the newest. */
export interface Cursor {
  readonly before?: string
  readonly after?: string
}

/**
 * The cursor that `before` or `after` of a URL or of flags gives.
 * @throws DaybookError `invalid_cursor` for what is no id of an entry, and for both at once.
 */
export function parseCursor(params: URLSearchParams): Cursor {
  const before = cursorParameter(params, 'before')
  const after = cursorParameter(params, 'after')
  if (before !== undefined && after !== undefined) {
    throw invalidCursor('after', 'A page begins before an entry or after one, not both: leave out "before" or "after".')
  }
  if (before !== undefined) return { before }
  return after === undefined ? {} : { after }
}

function cursorParameter(params: URLSearchParams, name: 'before' | 'after'): string | undefined {
  const values = params.getAll(name).filter((value) => value !== '')
  if (values.length === 0) return undefined
  const [value] = values
  if (values.length > 1 || value === undefined || !isEntryId(value)) {
    throw invalidCursor(name, `"${name}" must be the id of one entry, such as 48213: follow the links of the list.`)
  }
  return value
}

function invalidCursor(parameter: string, message: string): DaybookError {
  return new DaybookError('invalid_cursor', message, { details: { parameter, reason: message } })
}
