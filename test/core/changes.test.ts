import { describe, expect, test } from 'vitest'
import { cutAroundDifference, cutText, elideSegments, fieldChanges } from '../../src/core/changes.ts'
import type { Changes } from '../../src/core/entry.ts'
import { parseExactJson, writeExactJson } from '../../src/core/exact-json.ts'
import { showValue } from '../../src/core/shown-value.ts'
import fc from '../fast-check.ts'
import { testEntry } from './entry.ts'

const changesOf = (changes: Changes, action = 'update') => fieldChanges(testEntry({ action, changes }))

describe('a shown value', () => {
  test('B20 tells null, the empty string, blanks, the text null and what is absent apart', () => {
    expect([null, '', '  ', 'null', undefined].map(showValue)).toEqual([
      { kind: 'null', text: 'null' },
      { kind: 'empty', text: 'empty' },
      { kind: 'text', text: '"  "' },
      { kind: 'text', text: 'null' },
      { kind: 'absent', text: 'absent' },
    ])
  })

  test('keeps the digits of a number', () => {
    expect(showValue(parseExactJson('9007199254740993')).text).toBe('9007199254740993')
    expect(showValue(parseExactJson('1.00')).text).toBe('1.00')
    expect(showValue(parseExactJson('{"a":1.00}')).text).toBe('{"a":1.00}')
  })

  test('says of a masked or capped one that it is', () => {
    expect(showValue({ $daybook: 'masked' })).toEqual({ kind: 'masked', text: 'masked' })
    expect(showValue({ $daybook: 'capped', bytes: 2_000_000 }).text).toBe('too large to keep (2,000,000 bytes)')
  })
})

describe('a changed field', () => {
  test('of a new row had no value before, of a deleted one has none after', () => {
    expect(changesOf({ name: [null, 'Ada'], note: [null, null] }, 'create')).toEqual([
      { field: 'name', kind: 'value', before: showValue(undefined), after: showValue('Ada') },
      { field: 'note', kind: 'value', before: showValue(undefined), after: showValue(null) },
    ])
    expect(changesOf({ name: ['Ada', null] }, 'delete')[0]).toMatchObject({ after: { kind: 'absent' } })
    expect(changesOf({ name: [null, 'Ada'] })[0]).toMatchObject({ before: { kind: 'null' } })
  })

  test('of several words shows the words that differ', () => {
    expect(changesOf({ notes: ['Due on receipt, call first', 'Due on receipt, paid by transfer'] })[0]).toMatchObject({
      kind: 'text',
      before: [
        { text: 'Due on receipt, ', changed: false },
        { text: 'call', changed: true },
        { text: ' ', changed: false },
        { text: 'first', changed: true },
      ],
    })
  })

  test('B20 of JSON shows the path of each key that changed, and nothing for keys in another order', () => {
    const before = { city: 'Oslo', lines: [{ price: 1 }, { price: 2 }], 'odd key': null }
    const after = { 'odd key': '', lines: [{ price: 1 }, { price: 3 }, 4], city: 'Oslo', zip: null }
    expect(changesOf({ data: [before, after] })[0]).toMatchObject({
      kind: 'json',
      more: 0,
      paths: [
        { path: 'lines[1].price', before: { text: '2' }, after: { text: '3' } },
        { path: 'lines[2]', before: { kind: 'absent' }, after: { text: '4' } },
        { path: '["odd key"]', before: { kind: 'null' }, after: { kind: 'empty' } },
        { path: 'zip', before: { kind: 'absent' }, after: { kind: 'null' } },
      ],
    })
    expect(
      changesOf({
        data: [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
      })[0]?.kind,
    ).toBe('value')
    expect(changesOf({ data: [[1], { 0: 1 }] })[0]?.kind).toBe('value')
  })

  test('of JSON lists a bounded number of places and says how many more there are', () => {
    const list = (add: number) => Array.from({ length: 150 }, (_, n) => n + add)
    expect(changesOf({ data: [list(0), list(1)] })[0]).toMatchObject({ kind: 'json', more: 50 })
  })

  test('shows each side whole, whatever the texts are', () => {
    const word = fc.constantFrom('a', 'b', ' ', '\n', 'é', '😀', '<b>', '\ud800')
    const text = fc.array(word, { maxLength: 30 }).map((words) => words.join(''))
    fc.assert(
      fc.property(text, text, (before, after) => {
        const [change] = changesOf({ f: [before, after] })
        if (change?.kind !== 'text') return
        expect(change.before.map((segment) => segment.text).join('')).toBe(before)
        expect(change.after.map((segment) => segment.text).join('')).toBe(after)
      }),
    )
  })

  test('of very long texts is found without comparing every word', () => {
    const long = 'lorem ipsum '.repeat(20_000)
    const [change] = changesOf({ f: [`${long}old end`, `${long}new end`] })
    expect(change).toMatchObject({ kind: 'text' })
    if (change?.kind === 'text') {
      expect(change.before.filter((segment) => segment.changed).map((segment) => segment.text)).toEqual(['old'])
      expect(elideSegments(change.before).reduce((sum, segment) => sum + segment.text.length, 0)).toBeLessThan(200)
    }
  })
})

describe('a long text', () => {
  test('B22 is cut around the first difference, so that it shows in both', () => {
    const start = 'The quick brown fox jumps over the lazy dog and then '
    const [before, after] = cutAroundDifference(`${start}sleeps all day`, `${start}eats all day long`, 30)
    expect(before).toContain('sleeps')
    expect(after).toContain('eats')
    expect(before.startsWith('…')).toBe(true)
    expect(cutAroundDifference('open', 'paid', 30)).toEqual(['open', 'paid'])
  })

  test('is never cut inside a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-composite', maxLength: 60 }), fc.nat(40), (text, length) => {
        expect(() => encodeURIComponent(cutText(text, length + 1))).not.toThrow()
        expect(cutText(text, length + 1).length).toBeLessThanOrEqual(length + 1)
      }),
    )
  })
})

describe('JSON text', () => {
  test('is written as it was read, to the digit', () => {
    for (const json of ['{"a":1.00,"b":[9007199254740993,-0,1e400]}', '"\\ud800"', '{"__proto__":{"x":1}}', 'null']) {
      expect(writeExactJson(parseExactJson(json))).toBe(json)
    }
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,19})(\.\d{1,19})?([eE][+-]?\d{1,3})?$/)
    fc.assert(
      fc.property(fc.array(digits), (numbers) => {
        const json = `{"n":[${numbers.join(',')}]}`
        expect(writeExactJson(parseExactJson(json))).toBe(json)
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(writeExactJson(parseExactJson(JSON.stringify(value))))).toEqual(
          JSON.parse(JSON.stringify(value)),
        )
      }),
    )
  })
})
