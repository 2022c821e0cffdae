import { expect, test } from 'vitest'
import { parseExactJson } from '../../src/core/exact-json.ts'
import { align, type ExpectOptions } from '../../src/testing/align.ts'
import { compare, type ExpectedEntry } from '../../src/testing/match.ts'
import { testEntry } from '../core/entry.ts'
import fc from '../fast-check.ts'

const word = fc.constantFrom('a', 'b', 'c')
const entries = fc.array(fc.record({ action: word, objectId: word }).map(testEntry), { maxLength: 5 })
const patterns = fc.array(fc.record({ action: word, objectId: word }, { requiredKeys: [] }), { maxLength: 5 })

function passes(expected: readonly ExpectedEntry[], actual: Parameters<typeof align>[1], options: ExpectOptions) {
  return align(expected, actual, options).every(
    ({ kind }) => kind === 'as expected' || (kind === 'besides' && options.others === 'allowed'),
  )
}

const fits = (expected: ExpectedEntry | undefined, actual: unknown) =>
  compare(expected, actual).differences.length === 0

/** Whether there is any way to give each pattern an entry of its own, tried one after the other. */
function isThere(
  expected: readonly ExpectedEntry[],
  actual: readonly unknown[],
  { order = 'as-given', others = 'none' }: ExpectOptions,
): boolean {
  const [first, ...rest] = expected
  if (first === undefined) return others === 'allowed' || actual.length === 0
  return actual.some((entry, place) => {
    if (!fits(first, entry)) return false
    if (order === 'any') return isThere(rest, actual.toSpliced(place, 1), { order, others })
    return (others === 'allowed' || place === 0) && isThere(rest, actual.slice(place + 1), { order, others })
  })
}

test.each([[{}], [{ others: 'allowed' }], [{ order: 'any' }], [{ order: 'any', others: 'allowed' }]] as const)(
  'entries pass, with %j, exactly where each pattern can have one of its own',
  (options) => {
    fc.assert(
      fc.property(patterns, entries, (expected, actual) => {
        expect(passes(expected, actual, options)).toBe(isThere(expected, actual, options))
      }),
      { numRuns: 500 },
    )
  },
)

test('each entry and each pattern is told once, whatever differs', () => {
  fc.assert(
    fc.property(patterns, entries, fc.constantFrom('any', 'as-given'), (expected, actual, order) => {
      const lines = align(expected, actual, { order: order as 'any' })
      expect(lines.flatMap((line) => ('actual' in line ? [line.actual] : []))).toEqual(actual)
      const told = lines.flatMap((line) => ('expected' in line ? [line.expected] : []))
      expect(told).toHaveLength(expected.length)
      if (order === 'as-given') expect(told).toEqual(expected)
    }),
  )
})

test('an entry that is missing does not make those after it differ', () => {
  const actual = ['1', '2', '4', '5'].map((objectId) => testEntry({ objectId }))
  const lines = align(
    ['1', '2', '3', '4', '5'].map((objectId) => ({ objectId, action: 'update' })),
    actual,
    {},
  )
  expect(lines.filter(({ kind }) => kind !== 'as expected')).toEqual([
    { kind: 'missing', expected: { objectId: '3', action: 'update' } },
  ])
})

test('ten thousand entries are held against as many without taking long', () => {
  const actual = Array.from({ length: 10_000 }, (_, id) => testEntry({ objectId: String(id) }))
  const expected = actual.map(({ objectId }) => ({ objectId }))
  expect(passes(expected, actual, {})).toBe(true)
  expect(passes([{ objectId: 'other' }, ...expected.slice(1)], actual, {})).toBe(false)
})

test.each([
  ['a number that the log has with more digits', 12.5, '12.50', true],
  ['another number', 12.5, '12.51', false],
  ['a whole number beyond 2^53', 9007199254740993n, '9007199254740993', true],
  ['its neighbour', 9007199254740992n, '9007199254740993', false],
  ['null for what is there', null, '0', false],
  ['a text for a number', '7', '7', false],
  ['a list that goes on', [1], '[1, 2]', false],
  ['an object that holds more', { a: { b: 1 } }, '{"a": {"b": 1, "c": 2}, "d": 3}', true],
  ['an object for a list', { 0: 1 }, '[1]', false],
  ['a pattern', /^IN/, '"INV"', true],
  ['a pattern for a number', /7/, '7', false],
  ['an undefined member that is absent', { a: undefined }, '{}', true],
  ['a member that is inherited', { toString: expect.anything() }, '{}', false],
])('%s', (_what, expected, actual, same) => {
  expect(compare(expected, parseExactJson(actual)).differences.length === 0).toBe(same)
})
