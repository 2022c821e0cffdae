import type { Entry, ExactNumber } from '../core/entry.ts'
import { isExactNumber } from '../core/exact-json.ts'

/**
 * What of an entry is asked for: only the fields that are given are looked at. Objects hold what is given and may hold more; lists are the
 * same from end to end. A pattern (`/^INV-/`) stands for text, and matchers of vitest and jest (`expect.any(String)`) for anything.
 */
export type ExpectedEntry = { readonly [Field in keyof Entry]?: unknown }

/** One place where a value is not what was asked for. */
export interface Difference {
  /** Such as `changes.status`. */
  readonly path: string
  readonly expected: unknown
  /** {@link ABSENT} where there is nothing. */
  readonly actual: unknown
}

export const ABSENT = Symbol('absent')

/** How a value differs from what was asked for, and of how many looked-at places: 0 of any is a match. */
export interface Comparison {
  readonly differences: readonly Difference[]
  readonly places: number
}

export function compare(expected: unknown, actual: unknown, path = ''): Comparison {
  if (isMatcher(expected)) return leaf(expected.asymmetricMatch(actual), { path, expected, actual })
  if (expected instanceof RegExp) {
    return leaf(typeof actual === 'string' && expected.test(actual), { path, expected, actual })
  }
  if (isNumber(expected)) return leaf(isNumber(actual) && sameNumber(expected, actual), { path, expected, actual })
  if (expected instanceof Date) {
    const same = actual instanceof Date && actual.getTime() === expected.getTime()
    return leaf(same, { path, expected, actual })
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return leaf(false, { path, expected, actual })
    return whole(expected.map((item, place) => compare(item, actual[place], `${path}[${place}]`)))
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) {
      return leaf(false, { path, expected, actual })
    }
    return whole(
      Object.entries(expected).map(([key, value]) => {
        const at = path === '' ? key : `${path}.${key}`
        if (Object.hasOwn(actual, key)) return compare(value, (actual as Readonly<Record<string, unknown>>)[key], at)
        return leaf(value === undefined, { path: at, expected: value, actual: ABSENT })
      }),
    )
  }
  return leaf(Object.is(expected, actual), { path, expected, actual })
}

function whole(parts: readonly Comparison[]): Comparison {
  return {
    differences: parts.flatMap(({ differences }) => differences),
    places: parts.reduce((sum, { places }) => sum + places, 0),
  }
}

function leaf(same: boolean, difference: Difference): Comparison {
  return { differences: same ? [] : [difference], places: 1 }
}

/** What vitest, jest and others call an asymmetric matcher. */
interface Matcher {
  asymmetricMatch(actual: unknown): boolean
}

export function isMatcher(value: unknown): value is Matcher {
  return typeof (value as Partial<Matcher> | null)?.asymmetricMatch === 'function'
}

function isNumber(value: unknown): value is number | bigint | ExactNumber {
  return typeof value === 'number' || typeof value === 'bigint' || isExactNumber(value)
}

/** Two that are both written out are compared as written; else `12.5` is what the log has as `12.50`. */
function sameNumber(expected: number | bigint | ExactNumber, actual: number | bigint | ExactNumber): boolean {
  if (isExactNumber(expected)) return expected.value === (isExactNumber(actual) ? actual.value : String(actual))
  if (typeof expected === 'bigint') return String(expected) === (isExactNumber(actual) ? actual.value : String(actual))
  return Object.is(expected, isExactNumber(actual) ? Number(actual.value) : actual)
}
