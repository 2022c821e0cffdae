import { expect, test } from 'vitest'
import { requestId } from '../../src/core/request-id.ts'
import fc from '../fast-check.ts'

const MADE = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('B38 an id that came is used', () => {
  expect(requestId('Root=1-67891233-abcdef012345678912345678')).toBe('Root=1-67891233-abcdef012345678912345678')
  expect(requestId('a'.repeat(128))).toBe('a'.repeat(128))
})

test.each([undefined, '', 'a'.repeat(129), 'a b', 'a,b', 'a\nb', '<b>', 'é', '\0', ['a', 'b']])(
  'B38 %j is no id, so one is made',
  (header) => {
    expect(requestId(header)).toMatch(MADE)
  },
)

test('B38 whatever comes, an id is short and plain', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => /^[\w.:/+=@-]{1,128}$/.test(requestId(header))))
})

test('B38 no two made ids are the same', () => {
  expect(new Set(Array.from({ length: 1_000 }, () => requestId())).size).toBe(1_000)
})
