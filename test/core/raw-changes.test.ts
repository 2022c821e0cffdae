import { expect, it } from 'vitest'
import { readRawChanges } from '../../src/core/raw-changes.ts'
import fc from '../fast-check.ts'

it('gives each value of a change as the text that stands there', () => {
  const text =
    '{"n":[1.00,1.0], "a \\"b\\":[{":["x\\"]},[", {"k" : [1 , {"k":2}]}],"big":[null,1e400000],"nul":["\\u0000","\\ud800"],"e":[{},[]]}'
  expect([...readRawChanges(text)]).toEqual([
    ['n', ['1.00', '1.0']],
    ['a "b":[{', ['"x\\"]},["', '{"k" : [1 , {"k":2}]}']],
    ['big', ['null', '1e400000']],
    ['nul', ['"\\u0000"', '"\\ud800"']],
    ['e', ['{}', '[]']],
  ])
  expect(readRawChanges('{}').size).toBe(0)
  expect(readRawChanges(' { } ').size).toBe(0)
})

it('reads whatever JSON can hold, with any white space', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.tuple(fc.jsonValue(), fc.jsonValue())),
      fc.constantFrom(undefined, 1, '\t', ' \n'),
      (changes, indent) => {
        const read = readRawChanges(JSON.stringify(changes, null, indent))
        const parsed = [...read].map(([name, pair]) => [name, pair.map((raw) => JSON.parse(raw))])
        expect(parsed).toEqual(JSON.parse(JSON.stringify(Object.entries(changes))))
      },
    ),
  )
})

it('refuses what is no change', () => {
  for (const text of ['', '[]', '{"a":1}', '{"a":[1]}', '{"a":[1,2', '{"a":["x', '{"a":[1,2,3]}']) {
    expect(() => readRawChanges(text), text).toThrow(SyntaxError)
  }
})
