import type { Entry } from '../core/entry.ts'
import { isExactNumber, writeExactJson } from '../core/exact-json.ts'
import { describeEntry } from '../core/sentence.ts'
import type { Line } from './align.ts'
import { ABSENT, isMatcher } from './match.ts'

const MAX_VALUE_LENGTH = 160
/** Lines of one report; of a test that went wrong in ten thousand places some will do. */
const MAX_LINES = 40

/** What was found beside what was expected, as it stands in the message of a failure. */
export function report(lines: readonly Line[], others: 'none' | 'allowed'): string {
  const told = lines.filter(({ kind }) => !(kind === 'besides' && others === 'allowed'))
  const wrong = told.filter(({ kind }) => kind !== 'as expected')
  // What is right around what is wrong helps to find the place; the rest of it is only counted.
  const shown = told.length <= MAX_LINES ? told : wrong.slice(0, MAX_LINES)
  const more = told.length - shown.length
  return [
    `The log is not as expected: ${summary(wrong)}.`,
    '',
    ...shown.flatMap(linesOf),
    ...(more > 0 ? [`    and ${more} more`] : []),
    ...(lines.every(({ kind }) => kind === 'missing') ? ['', NOTHING_THERE] : []),
  ].join('\n')
}

const NOTHING_THERE =
  'There is no entry at all. Is the table tracked in this database? And is the log watched through the connection, or the transaction, in which the test writes?'

function summary(wrong: readonly Line[]): string {
  const count = (kind: Line['kind']) => wrong.filter((line) => line.kind === kind).length
  const parts = [
    [count('differs'), 'differs', 'differ'],
    [count('missing'), 'is missing', 'are missing'],
    [count('besides'), 'was not expected', 'were not expected'],
  ] as const
  return parts
    .filter(([number]) => number > 0)
    .map(([number, one, several]) => `${number} ${number === 1 ? `entry ${one}` : `entries ${several}`}`)
    .join(', ')
}

function linesOf(line: Line): string[] {
  switch (line.kind) {
    case 'as expected':
      return [`    ${sentence(line.actual)}`]
    case 'besides':
      return [`  + ${sentence(line.actual)}`, '      was not expected']
    case 'missing':
      return [`  - ${written(line.expected)}`, '      is missing']
    case 'differs': {
      const width = Math.max(...line.differences.map(({ path }) => path.length))
      return [
        `  ≠ ${sentence(line.actual)}`,
        ...line.differences.flatMap(({ path, expected, actual }) => [
          `      ${path.padEnd(width)}  expected  ${written(expected)}`,
          `      ${''.padEnd(width)}  but is    ${written(actual)}`,
        ]),
      ]
    }
  }
}

/** An entry as a person reads it. */
export function sentence(entry: Entry): string {
  const text = describeEntry(entry)
    .map((part) => part.text)
    .join('')
  return text.replaceAll(/\s+/g, ' ')
}

/** A value as code would write it. */
export function written(value: unknown): string {
  const text = writtenWhole(value)
  return text.length <= MAX_VALUE_LENGTH ? text : `${text.slice(0, MAX_VALUE_LENGTH - 1)}…`
}

function writtenWhole(value: unknown): string {
  if (value === ABSENT) return 'absent'
  if (isMatcher(value)) return nameOfMatcher(value)
  if (isExactNumber(value)) return value.value
  if (value instanceof RegExp) return String(value)
  if (value instanceof Date) return value.toISOString()
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return `[${value.map(writtenWhole).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, member]) => {
      return `${/^[\w$]+$/.test(key) ? key : JSON.stringify(key)}: ${writtenWhole(member)}`
    })
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
  }
  return value === undefined ? 'undefined' : writeExactJson(value)
}

function nameOfMatcher(matcher: object): string {
  const { toAsymmetricMatcher } = matcher as { toAsymmetricMatcher?: () => string }
  return typeof toAsymmetricMatcher === 'function' ? toAsymmetricMatcher.call(matcher) : String(matcher)
}
