import { LosslessNumber, parse, stringify } from 'lossless-json'
import type { ExactNumber, JsonValue } from './entry.ts'

/**
 * JSON text as values. A number that a JavaScript number would write otherwise (2^53 and beyond, `1.00`, `1e400`) stays an
 * {@link ExactNumber}; of a key that comes twice the last one counts, as in `jsonb`.
 *
 * @throws RangeError where arrays or objects are nested more than 500 deep; SyntaxError where the text is no JSON.
 */
export function parseExactJson(text: string): JsonValue {
  const value = MAY_BE_INEXACT.test(text)
    ? parse(text, undefined, { parseNumber, onDuplicateKey: ({ newValue }) => newValue })
    : JSON.parse(text)
  if (text.split(/[[{]/, MAX_DEPTH + 2).length > MAX_DEPTH + 1) refuseDepth(value)
  return value as JsonValue
}

/** Whoever walks a value does so by calling itself, for which there is room some thousand times. */
function refuseDepth(value: unknown): void {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) throw new RangeError(`The JSON is nested more than ${MAX_DEPTH} deep.`)
    level = level.flatMap((inner) => (typeof inner === 'object' && inner !== null ? Object.values(inner) : []))
  }
}

/** Values as JSON text; the opposite of {@link parseExactJson}. */
export function writeExactJson(value: unknown, indent?: number): string {
  return stringify(value, undefined, indent) ?? 'null'
}

/** Whether a value is a number kept as its digits. */
export function isExactNumber(value: unknown): value is ExactNumber {
  return value instanceof LosslessNumber || (value as ExactNumber | null)?.isLosslessNumber === true
}

const MAX_DEPTH = 500

/**
 * What a number looks like that JavaScript would write otherwise: 16 digits and more, an exponent, a zero at the end of a fraction,
 * minus zero, or less than a millionth. A text may look like one too: that only costs the slower way.
 */
const MAY_BE_INEXACT = /\d{16}|[\d.]{17}|\d[eE][+-]?\d|\.\d*0(?!\d)|(?<!\d)-0(?!\.)|0\.00000/

function parseNumber(digits: string): number | LosslessNumber {
  return String(Number(digits)) === digits ? Number(digits) : new LosslessNumber(digits)
}
