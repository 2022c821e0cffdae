import { describe, expect, test } from 'vitest'
import { isDaybookError } from '../../src/core/errors.ts'
import {
  FILTER_KEYS,
  filterOf,
  narrowedTo,
  needsSearch,
  pinTimes,
  readActor,
  termsOf,
  timesOf,
  withoutTerm,
  withTerm,
} from '../../src/core/filter.ts'
import { parseQuery, printQuery, typingAt } from '../../src/core/query.ts'
import fc from '../fast-check.ts'
import { anyFilter } from './filters.ts'

/** The part of the text that is wrong, and why. */
function fault(text: string): { at: string; character: number; reason: string } {
  try {
    parseQuery(text)
  } catch (error) {
    if (!isDaybookError(error)) throw error
    const { start, end, reason } = error.details as { start: number; end: number; reason: string }
    expect([error.code, error.details.parameter]).toEqual(['invalid_filter', 'q'])
    expect(start).toBeGreaterThanOrEqual(0)
    expect(end).toBeGreaterThan(start)
    expect(end).toBeLessThanOrEqual(text.length)
    const character = Number(/at character (\d+): /.exec(error.message)?.[1])
    expect(character).toBe([...text.slice(0, start)].length + 1)
    return { at: text.slice(start, end), character, reason }
  }
  throw new Error('nothing was refused')
}

describe('a query', () => {
  test('is words of key and value, free text, and what is left out', () => {
    expect(
      parseQuery(
        'actor:user:7 model:Invoice action:update ACTION:delete -action:login -overdue at:2026-11 "Aalto Oy" 0117',
      ),
    ).toEqual({
      actor: ['user:7'],
      model: ['Invoice'],
      action: ['delete', 'update'],
      at: ['2026-11'],
      text: ['0117', 'Aalto Oy'],
      not: { action: ['login'], text: ['overdue'] },
    })
    expect(parseQuery('  \t\n ')).toEqual({})
  })

  test('has one text: order, repeated values, spaces, addresses and times are brought to it', () => {
    const text =
      ' at:2026-11-23T16:30:00.50+02:00..  -ip:203.0.113.9/24 ip:203.0.113.77/24 ip:203.0.113.1/24 ip:::ffff:198.51.100.1 actor:" ada " "plain" -text'
    expect(printQuery(parseQuery(text))).toBe(
      'actor:ada ip:198.51.100.1 ip:203.0.113.0/24 -ip:203.0.113.0/24 at:2026-11-23T14:30:00.5Z.. plain -text',
    )
  })

  test.each([
    ['"Aalto Oy"', ['Aalto Oy']],
    ['"a \\"b\\" \\\\ c"', ['a "b" \\ c']],
    ['"two\\nlines\\u0021"', ['two\nlines!']],
    ['5"pipe', ['5"pipe']],
    ['10:30', ['10:30']],
    ['"http://x"', ['http://x']],
    ['"-5"', ['-5']],
    ['\\', ['\\']],
    ["' or 1=1", ["'", '1=1', 'or']],
  ])('%s is free text', (text, values) => {
    expect(parseQuery(text)).toEqual({ text: values })
  })

  test('writes in quotation marks what would be read as something else, or not be seen', () => {
    const values = ['a b', '"', '-5', 'actor:x', 'two\nlines', '\u202Eabc', 'a\u00a0b', '\ufeff', '👩‍👩‍👧']
    const filter = filterOf(values.map((value) => ({ key: 'text', value, excluded: false })))
    const text = printQuery(filter)
    expect(text).toBe('"\\"" "-5" "a b" "actor:x" "a\\u00a0b" "two\\nlines" "\\u202eabc" 👩‍👩‍👧 "\\ufeff"')
    // What a text field keeps of it is all of it.
    expect(text).toMatch(/^[^\p{Cc}\u202e\ufeff]*$/u)
    expect(parseQuery(text.replace(' "\\ufeff"', ''))).toEqual({
      text: filter.text?.filter((value) => value !== '\ufeff'),
    })
  })

  test('B47 any filter is the same again after it was written and read, and any text has one form', () => {
    fc.assert(
      fc.property(anyFilter(), (filter) => {
        const text = printQuery(filter)
        expect(parseQuery(text)).toEqual(filter)
        expect(printQuery(parseQuery(text))).toBe(text)
      }),
    )
  })

  test('any text at all is a filter, or is refused with the place where it is wrong', () => {
    const names = fc.constantFrom(...FILTER_KEYS.map(({ name }) => name), 'acton', 'Text', 'http')
    const values = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '0000',
        '9999..',
        '<0001',
        '>9999-12-31',
        '2026-02-30',
        '9999-12-31T23:59',
        '-1h..-2h',
        '..',
        '1..2..3',
      ),
      fc.constantFrom(
        '',
        '"',
        '"a',
        '"a"b',
        '"\\x"',
        '\ud800',
        '::1%eth0',
        '1.2.3.4/33',
        'user:',
        '.*',
        `${10n ** 30n}`,
      ),
    )
    const word = fc
      .tuple(fc.constantFrom('', '-', '--'), fc.option(names), values)
      .map(([sign, name, value]) => `${sign}${name === null ? '' : `${name}:`}${value}`)
    const text = fc.oneof(
      fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(text, fc.nat(60), (text, place) => {
        expect(typingAt(text, place).start).toBeLessThanOrEqual(place)
        let filter: ReturnType<typeof parseQuery>
        try {
          filter = parseQuery(text)
        } catch (error) {
          if (!isDaybookError(error)) throw error
          expect(fault(text).reason).not.toBe('')
          return
        }
        for (const { from, to } of timesOf(filter, new Date())) expect(from ?? to).toBeTypeOf('string')
        expect(parseQuery(printQuery(filter))).toEqual(filter)
      }),
      { numRuns: 3000 },
    )
  })

  test.each([
    ['actor:ada acton:login', 'acton:', 11],
    ['see http://x', 'http:', 5],
    ['-acton:x', 'acton:', 2],
    ['model:', 'model:', 1],
    ['actor: ada', 'actor:', 1],
    ['actor:" "', '" "', 7],
    ['a - b', '-', 3],
    ['"Aalto Oy', '"', 1],
    ['"a"b', 'b', 4],
    ['"a\\x"', '\\x', 3],
    ['"a\\', '\\', 3],
    ['😀 ip:999.1.1.1', '999.1.1.1', 6],
    ['ip:203.0.113.0/33', '203.0.113.0/33', 4],
    ['outcome:maybe', 'maybe', 9],
    ['action:DROP', 'DROP', 8],
    ['action:a.*.b', 'a.*.b', 8],
    ['transaction:1e5', '1e5', 13],
    ['statement:9223372036854775808', '9223372036854775808', 11],
    ['at:yesterday', 'yesterday', 4],
    ['at:2026-11-01..soon', 'soon', 16],
    ['at:>=2026-13', '2026-13', 6],
    ['at:2026-11-07..2026-11-01', '2026-11-01', 16],
    ['at:-1h..-2h', '-2h', 9],
    ['at:2026-11-23T10:00..2026-11-23T10:00', '2026-11-23T10:00', 22],
    ['at:..', '..', 4],
    ['at:<0001-01-01', '0001-01-01', 5],
    ['at:2026-02-30', '2026-02-30', 4],
    ['at:0000-01-01', '0000-01-01', 4],
    ['at:2026-11-23T25:00', '2026-11-23T25:00', 4],
    ['at:>=2026-11-01 at:<2026-11-07', 'at:<2026-11-07', 17],
    ['actor:\ud800', '\ud800', 7],
  ])('%s is wrong where it is wrong', (text, at, character) => {
    expect(fault(text)).toMatchObject({ at, character })
  })

  test('has so many values of one key and no more', () => {
    const words = Array.from({ length: 51 }, (_, n) => `model:m${n}`)
    expect(parseQuery(words.slice(1).join(' ')).model).toHaveLength(50)
    expect(parseQuery(`${words.slice(1).join(' ')} ${words[1]}`).model).toHaveLength(50)
    expect(fault(words.join(' ')).at).toBe('model:m50')
    expect(fault(`x "${'y'.repeat(2049)}"`).character).toBe(3)
  })
})

describe('a time', () => {
  const now = new Date('2026-11-23T14:00:00.250Z')
  const times = (text: string) => timesOf(parseQuery(`at:${text}`), now).map(({ from, to }) => [from, to])

  test.each([
    ['2026', '2026', '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['2026-12', '2026-12', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['2026-11-23', '2026-11-23', '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z'],
    ['2026-11-23..2026-11-23', '2026-11-23', '2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z'],
    ['2026-11-01..2026-11-07', '2026-11-01..2026-11-07', '2026-11-01T00:00:00Z', '2026-11-08T00:00:00Z'],
    ['2026-11-01..2026-12', '2026-11-01..2026-12', '2026-11-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['2026-11-23T14:30', '2026-11-23T14:30:00Z..2026-11-23T14:31:00Z', '2026-11-23T14:30:00Z', '2026-11-23T14:31:00Z'],
    [
      '"2026-11-23 14:30:59 +02:00"',
      '2026-11-23T12:30:59Z..2026-11-23T12:31:00Z',
      '2026-11-23T12:30:59Z',
      '2026-11-23T12:31:00Z',
    ],
    [
      '2026-11-23T14:30:00.99Z',
      '2026-11-23T14:30:00.99Z..2026-11-23T14:30:01Z',
      '2026-11-23T14:30:00.99Z',
      '2026-11-23T14:30:01Z',
    ],
    ['>=2026-11-23', '2026-11-23..', '2026-11-23T00:00:00Z', undefined],
    ['>2026-11-30', '2026-12-01..', '2026-12-01T00:00:00Z', undefined],
    ['<2026-12-01', '..2026-11-30', undefined, '2026-12-01T00:00:00Z'],
    ['<=2026-11-30', '..2026-11-30', undefined, '2026-12-01T00:00:00Z'],
    ['<2026-01', '..2025-12', undefined, '2026-01-01T00:00:00Z'],
    ['<2026-11-23T10:00', '..2026-11-23T10:00:00Z', undefined, '2026-11-23T10:00:00Z'],
    ['<=2026-11-23T10:00', '..2026-11-23T10:00:00.000001Z', undefined, '2026-11-23T10:00:00.000001Z'],
    ['>2026-11-23T10:00:00.999999', '2026-11-23T10:00:01Z..', '2026-11-23T10:00:01Z', undefined],
    ['-24h', '-24h..', '2026-11-22T14:00:00.250Z', undefined],
    ['>-30m', '-30m..', '2026-11-23T13:30:00.250Z', undefined],
    ['-2w..-1d', '-2w..-1d', '2026-11-09T14:00:00.250Z', '2026-11-22T14:00:00.250Z'],
    ['2026-11-01..-1h', '2026-11-01..-1h', '2026-11-01T00:00:00Z', '2026-11-23T13:00:00.250Z'],
    ['-999999w..', '-999999w..', '0001-01-01T00:00:00.000Z', undefined],
    ['0001-01-01..9999-12-31', '0001-01-01..9999-12-31', '0001-01-01T00:00:00Z', 'infinity'],
    ['9999-12-31T23:59', '9999-12-31T23:59:00Z..', '9999-12-31T23:59:00Z', undefined],
  ])('%s is from its beginning to before its end', (text, form, from, to) => {
    expect(printQuery(parseQuery(`at:${text}`))).toBe(`at:${form}`)
    expect(times(text)).toEqual([[from, to]])
  })

  test('that is relative can be pinned, and then says later what it said', () => {
    const pinned = pinTimes(parseQuery('at:-24h..-1h at:2026-10 -at:-1d.. x'), now)
    expect(printQuery(pinned)).toBe(
      'at:2026-10 at:2026-11-22T14:00:00.25Z..2026-11-23T13:00:00.25Z -at:2026-11-22T14:00:00.25Z.. x',
    )
    expect(parseQuery(printQuery(pinned))).toEqual(pinned)
  })
})

describe('a filter', () => {
  const filter = parseQuery('actor:user:7 action:create action:update -action:login open')

  test('takes one value more, narrows to one, and drops one', () => {
    expect(printQuery(withTerm(filter, { key: 'action', value: 'delete', excluded: false }))).toBe(
      'actor:user:7 action:create action:delete action:update -action:login open',
    )
    expect(printQuery(withTerm(filter, { key: 'action', value: 'create', excluded: true }))).toBe(
      'actor:user:7 action:update -action:create -action:login open',
    )
    expect(printQuery(narrowedTo(filter, { key: 'action', value: 'login', excluded: false }))).toBe(
      'actor:user:7 action:login open',
    )
    expect(printQuery(narrowedTo(filter, { key: 'text', value: 'x', excluded: false }))).toBe(`${printQuery(filter)} x`)
    expect(printQuery(termsOf(filter).reduce(withoutTerm, filter))).toBe('')
  })

  test('needs a search where no index answers it', () => {
    const searched = ['x', 'object:7', 'field:a', 'tenant:t', 'actor:ada', 'actor:anonymous', '-model:A', '-at:2026']
    const indexed = ['', 'actor:user:7', 'model:A object-id:1', 'action:a.* outcome:denied', 'ip:10.0.0.0/8', 'at:-1h']
    expect(searched.filter((text) => !needsSearch(parseQuery(text)))).toEqual([])
    expect(indexed.filter((text) => needsSearch(parseQuery(text)))).toEqual([])
  })

  test('tells an exact actor from an id or label', () => {
    expect(readActor('user:7')).toEqual({ type: 'user', id: '7' })
    expect(readActor('job:a:b')).toEqual({ type: 'job', id: 'a:b' })
    expect(readActor('anonymous')).toEqual({ type: 'anonymous' })
    expect(readActor('ada@example.com')).toEqual({ idOrLabel: 'ada@example.com' })
    expect(readActor('http://x')).toEqual({ idOrLabel: 'http://x' })
  })
})

describe('what is being typed', () => {
  const typing = (text: string) => {
    const place = text.indexOf('|')
    const { start, end, excluded, rule, typed } = typingAt(text.replace('|', ''), place)
    return [text.replace('|', '').slice(start, end), excluded, rule?.name, typed]
  }

  test.each([
    ['|', ['', false, undefined, '']],
    ['actor:ada |', ['', false, undefined, '']],
    ['act|', ['act', false, undefined, 'act']],
    ['-act|', ['-act', true, undefined, 'act']],
    ['actor:|', ['actor:', false, 'actor', '']],
    ['x actor:ad|a y', ['actor:ada', false, 'actor', 'ad']],
    ['-actor:ad|', ['-actor:ad', true, 'actor', 'ad']],
    ['actor:"Ada L|', ['actor:"Ada L', false, 'actor', 'Ada L']],
    ['act|or:ada', ['actor:', false, undefined, 'act']],
    ['acton:lo|', ['acton:lo', false, undefined, 'acton:lo']],
  ])('in %s', (text, expected) => {
    expect(typing(text)).toEqual(expected)
  })
})
