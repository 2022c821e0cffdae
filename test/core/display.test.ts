import { describe, expect, test } from 'vitest'
import { fieldChanges } from '../../src/core/changes.ts'
import { checkConfig } from '../../src/core/config.ts'
import { createDisplay, type Display, referenceKey } from '../../src/core/display.ts'
import type { Entry, JsonValue } from '../../src/core/entry.ts'
import { parseExactJson } from '../../src/core/exact-json.ts'
import { describeEntry, describeStatement, sentenceText } from '../../src/core/sentence.ts'
import type { Tables } from '../../src/core/table.ts'
import fc from '../fast-check.ts'
import { testEntry } from './entry.ts'

const TABLES: Tables = {
  invoice: {
    label: 'number',
    fields: {
      status: { label: 'Status', choices: { o: 'Open', p: 'Paid', '': 'None given' } },
      is_sent: { choices: { true: 'yes', false: 'no' } },
      priority: { choices: { 1: 'High', 2: 'Low' } },
      customer_id: { label: 'Customer', references: 'Customer' },
    },
  },
}

const display = createDisplay(TABLES)
const say = (parts: Partial<Entry>, how: Display = display) => sentenceText(describeEntry(testEntry(parts), how))
const value = (field: string, recorded: JsonValue | undefined, how = display) => how.value(testEntry(), field, recorded)

function knowing(labels: Readonly<Record<string, string | null>>, entry = testEntry()): Display {
  const pairs = Object.entries(labels).map(
    ([id, label]) => [referenceKey({ model: 'Customer', id, entry }), label] as const,
  )
  return display.withLabels(new Map(pairs))
}

describe('B21 a field and its codes', () => {
  test('B21 are shown by their names, and the code stands beside', () => {
    expect(say({ changes: { status: ['o', 'p'] } })).toBe(
      'ada@example.com changed Status from Open to Paid on Invoice 2024-0117',
    )
    expect(value('status', 'p')).toEqual({ kind: 'text', text: 'Paid', recorded: 'p' })
    expect(value('priority', 1)).toEqual({ kind: 'text', text: 'High', recorded: '1' })
    expect(value('priority', parseExactJson('2') as JsonValue)).toMatchObject({ text: 'Low' })
    expect(value('is_sent', true)).toEqual({ kind: 'text', text: 'yes', recorded: 'true' })
    expect(value('status', '')).toEqual({ kind: 'text', text: 'None given', recorded: '' })
  })

  test('B21 that are not listed, or are no codes, are shown as they are recorded', () => {
    for (const recorded of ['x', 'toString', '__proto__', null, { $daybook: 'masked' }, ['p'], { p: 1 }, undefined]) {
      expect(value('status', recorded as JsonValue | undefined)).toEqual(
        createDisplay().value(testEntry(), 'status', recorded as JsonValue | undefined),
      )
    }
    expect(say({ changes: { status: [null, 'p'] } })).toContain('from null to Paid')
    expect(value('is_sent', '')).toEqual({ kind: 'empty', text: 'empty' })
  })

  test('B21 are told in what a statement did to many', () => {
    const entries = [1, 2, 3].map((n) => testEntry({ objectId: String(n), changes: { status: ['o', 'p'] } }))
    expect(sentenceText(describeStatement(entries as never, '3', display) ?? [])).toBe(
      'ada@example.com changed Status on 3 Invoices',
    )
  })

  test('B21 are one value each, also where their names are several words', () => {
    const long = createDisplay({
      invoice: { fields: { status: { choices: { 'a b': 'One two', 'a c': 'One three' } } } },
    })
    expect(fieldChanges(testEntry({ changes: { status: ['a b', 'a c'] } }), long)).toMatchObject([
      { kind: 'value', before: { text: 'One two' }, after: { text: 'One three' } },
    ])
  })
})

describe('B21 a key of another object', () => {
  test('B21 is shown by the label that the object had, with the key beside it and the way to it', () => {
    expect(say({ changes: { customer_id: [7, 9] } }, knowing({ 7: 'Aalto', 9: 'Nordlicht' }))).toBe(
      'ada@example.com changed Customer from Aalto to Nordlicht on Invoice 2024-0117',
    )
    expect(value('customer_id', 7, knowing({ 7: 'Aalto' }))).toEqual({
      kind: 'text',
      text: 'Aalto',
      recorded: '7',
      reference: { model: 'Customer', id: '7' },
    })
  })

  test('B21 by which the log knows nothing is shown as the key, and said to be missing', () => {
    expect(say({ changes: { customer_id: [7, 9] } }, knowing({ 7: null, 9: 'Nordlicht' }))).toBe(
      'ada@example.com changed Customer from 7 (not in the log) to Nordlicht on Invoice 2024-0117',
    )
    expect(value('customer_id', 7, knowing({ 7: null }))).toMatchObject({ kind: 'number', text: '7', isMissing: true })
  })

  test('B21 that was not looked up is shown as the key, and nothing is said of it', () => {
    expect(say({ changes: { customer_id: [7, 9] } })).toContain('from 7 to 9 on')
  })

  test('B21 is asked for by the text that the log has for it, null and masked values not at all', () => {
    const big = parseExactJson('9007199254740993') as JsonValue
    const changes = { customer_id: [big, 7], status: ['o', 'p'] } as Entry['changes']
    expect(display.references(testEntry({ changes })).map(({ model, id }) => [model, id])).toEqual([
      ['Customer', '9007199254740993'],
      ['Customer', '7'],
    ])
    const none = { customer_id: [null, { $daybook: 'masked' }] } as Entry['changes']
    expect(display.references(testEntry({ changes: none }))).toEqual([])
  })

  test('B21 as it was at another entry is another label', () => {
    const then = knowing({ 7: 'Aalto' }, testEntry({ id: '1' }))
    const both = then.withLabels(
      new Map([[referenceKey({ model: 'Customer', id: '7', entry: testEntry() }), 'Aalto Oy']]),
    )
    expect(both.value(testEntry({ id: '1' }), 'customer_id', 7).text).toBe('Aalto')
    expect(both.value(testEntry(), 'customer_id', 7).text).toBe('Aalto Oy')
  })

  test('B21 is known by a foreign key of the database without being configured', () => {
    const learned = createDisplay({ 'public.invoice': { fields: { customer_id: { label: 'Customer' } } } }, [
      { table: 'public.invoice', column: 'customer_id', references: 'Client' },
      { table: 'public.other', column: 'x', references: 'Y' },
    ])
    const entry = testEntry({ changes: { customer_id: [7, null] } })
    expect(learned.references(entry)).toMatchObject([{ model: 'Client', id: '7' }])
    expect(learned.field(entry, 'customer_id')).toBe('Customer')
    const said = createDisplay({ 'public.invoice': { fields: { customer_id: { references: 'Firm' } } } }, [
      { table: 'public.invoice', column: 'customer_id', references: 'Client' },
    ])
    expect(said.references(entry)).toMatchObject([{ model: 'Firm' }])
  })
})

describe('B21 which table an entry is of', () => {
  const field = (tables: Tables, entry: Partial<Entry>) => createDisplay(tables).field(testEntry(entry), 'a')
  const named = (label: string) => ({ fields: { a: { label } } })

  test.each<[configured: string, recorded: string]>([
    ['invoice', 'public.invoice'],
    ['public.invoice', 'public.invoice'],
    ['sales.Invoice', 'sales."Invoice"'],
    ['sales."Invoice"', 'sales."Invoice"'],
    ['sales.in"voice', 'sales."in""voice"'],
    ['sales.order.line', 'sales."order.line"'],
  ])('B21 %s is the one that the log calls %s', (configured, recorded) => {
    expect(field({ [configured]: named('A'), other: named('B') }, { tableName: recorded, model: 'X' })).toBe('A')
    expect(field({ [configured]: named('A') }, { tableName: `${recorded}2`, model: 'X' })).toBe('a')
  })

  test('B21 an event, and a table that had another name, is known by its model', () => {
    const tables: Tables = { order_line: named('A'), shop: { ...named('B'), model: 'Store' } }
    expect(field(tables, { tableName: null, model: 'OrderLine' })).toBe('A')
    expect(field(tables, { tableName: 'public.line_of_order', model: 'OrderLine' })).toBe('A')
    expect(field(tables, { tableName: null, model: 'Store' })).toBe('B')
    expect(field(tables, { tableName: null, model: 'Shop' })).toBe('a')
    expect(field(tables, { tableName: null, model: null })).toBe('a')
  })

  test('B21 a link is shown by what is said of its own table, not of the object that it is an entry of', () => {
    const link = { action: 'linked', tableName: 'public.order_tag', model: 'Order', relatedModel: 'Tag' }
    expect(field({ order: named('A') }, link)).toBe('a')
    expect(field({ order: named('A'), order_tag: named('B') }, link)).toBe('B')
  })
})

test('B21 whatever is configured and recorded, something is shown', () => {
  const options = fc.record({
    label: fc.option(fc.string({ unit: 'binary', minLength: 1 }), { nil: undefined as never }),
    choices: fc.dictionary(fc.string(), fc.string({ unit: 'binary', minLength: 1 })),
    references: fc.string(),
  })
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), options),
      fc.dictionary(fc.string(), fc.tuple(fc.jsonValue(), fc.jsonValue())),
      (fields, changes) => {
        const entry = testEntry({ changes: changes as Entry['changes'] })
        const how = createDisplay({ invoice: { fields } })
        const known = how.withLabels(
          new Map(how.references(entry).map((reference, n) => [referenceKey(reference), n % 2 ? null : `<b>${n}`])),
        )
        expect(sentenceText(describeEntry(entry, known)).length).toBeLessThan(1200)
        expect(fieldChanges(entry, known)).toHaveLength(Object.keys(entry.changes).length)
      },
    ),
  )
})

describe('the configuration of fields', () => {
  const check = (fields: unknown) => () =>
    checkConfig({ tables: { 'public.invoice': { fields } } }, 'daybook.config.ts')

  test('is taken as it is documented', () => {
    expect(check(TABLES.invoice?.fields)).not.toThrow()
  })

  test.each<[fields: unknown, message: RegExp]>([
    [
      { status: { choice: {} } },
      /fields\.status: there is no option "choice"\. The options are label, choices, references/,
    ],
    [{ status: { choices: { o: 1 } } }, /fields\.status\.choices\.o: expected string/],
    [{ status: { label: '' } }, /fields\.status\.label/],
    [{ status: 'Status' }, /fields\.status: expected object/],
    [['status'], /fields: expected record/],
  ])('%j is refused by name', (fields, message) => {
    expect(check(fields)).toThrow(message)
  })
})
