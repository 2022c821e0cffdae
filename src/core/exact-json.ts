import { LosslessNumber, parse, stringify } from 'lossless-json'
import type { ExactNumber, JsonValue } from './entry.ts'

/**
 * JSON text as values. A number that a JavaScript number would write otherwise (2^53 and beyond, `1.00`, `1e400`) stays an
 * {@link ExactNumber}; of a key that comes twice the last one counts, as in `jsonb`.
 *
 * @throws RangeError where arrays or objects are nested some thousands deep; SyntaxError where the text is no JSON.
 */
export function parseExactJson(text: string): JsonValue {
  return parse(text, undefined, { parseNumber, onDuplicateKey: ({ newValue }) => newValue }) as JsonValue
}

/** Values as JSON text; the opposite of {@link parseExactJson}. */
export function writeExactJson(value: unknown, indent?: number): string {
  return stringify(value, undefined, indent) ?? 'null'
}

/** Whether a value is a number kept as its digits. */
export function isExactNumber(value: unknown): value is ExactNumber {
  return value instanceof LosslessNumber || (value as ExactNumber | null)?.isLosslessNumber === true
}

function parseNumber(digits: string): number | LosslessNumber {
  return String(Number(digits)) === digits ? Number(digits) : new LosslessNumber(digits)
}
