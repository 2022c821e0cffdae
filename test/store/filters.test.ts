import ipaddr from 'ipaddr.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Entry } from '../../src/core/entry.ts'
import { type Filter, type FilterKey, readActor, timesOf } from '../../src/core/filter.ts'
import { printQuery } from '../../src/core/query.ts'
import type { Page } from '../../src/store/index.ts'
import { anyFilter, type ValuesOf } from '../core/filters.ts'
import fc from '../fast-check.ts'
import { createTestLog, type TestEntry, type TestLog } from './log.ts'

const DAYS = ['2026-10-31T23:59:59.999999Z', '2026-11-01T00:00:00Z', '2026-11-07T12:00:00Z', '2026-11-08T00:00:00Z']
const FIELDS = ['status', 'to "tal"', 'né']
const LABELS = ['Aalto Oy 100%', 'aalto', 'Invoice_7', null]

/** What all entries of a statement have in common, and what each has of its own. */
const statement = fc.record({
  recorded_at: fc.constantFrom(...DAYS),
  action: fc.constantFrom('create', 'update', 'delete', 'invoice.approved', 'invoice.paid', 'invoices'),
  outcome: fc.constantFrom(null, null, 'failure', 'denied'),
  actor_type: fc.constantFrom('user', 'job', 'anonymous'),
  actor_id: fc.constantFrom('7', '8', null),
  actor_label: fc.constantFrom('Ada@example.com', 'aalto', null),
  ip_address: fc.constantFrom('203.0.113.9', '203.0.113.200', '2001:db8::1', null),
  tenant_id: fc.constantFrom('acme', 'umbrella', null),
  request_id: fc.constantFrom('r1', 'r2', null),
  transaction_id: fc.constantFrom('900', '901'),
  model: fc.constantFrom('Invoice', 'User', null),
  form: fc.constantFrom('object', 'values', 'pairs', 'none'),
  entries: fc.array(
    fc.record({
      object_id: fc.constantFrom('7', '8', null),
      object_label: fc.constantFrom(...LABELS),
      related_label: fc.constantFrom(...LABELS),
      fields: fc.subarray(FIELDS),
    }),
    { minLength: 1, maxLength: 4 },
  ),
})

const VALUES: Required<ValuesOf> = {
  actor: fc.constantFrom('user:7', 'job:7', 'user', 'anonymous', '7', 'ADA@example.com', 'aalto', 'nobody'),
  model: fc.constantFrom('Invoice', 'User', 'invoice'),
  object: fc.constantFrom('7', 'aalto', '%', '_', 'OY 1'),
  objectId: fc.constantFrom('7', '8', '9'),
  action: fc.constantFrom('create', 'update', 'invoice.*', 'invoice.paid', 'invoices'),
  outcome: fc.constantFrom('success', 'failure', 'denied'),
  field: fc.constantFrom(...FIELDS, 'tal', 'open'),
  ip: fc.constantFrom('203.0.113.9', '203.0.113.0/25', '203.0.113.0/24', '2001:db8::/32', '0.0.0.0/0', '::/0'),
  request: fc.constantFrom('r1', 'r2', 'r3'),
  transaction: fc.constantFrom('900', '901', '902'),
  statement: fc.constantFrom('1', '2', '3'),
  tenant: fc.constantFrom('acme', 'umbrella', 'Acme'),
  at: fc.constantFrom(
    '2026-10',
    '2026-11-01',
    '2026-11-01..2026-11-07',
    '>2026-11-07',
    '<2026-11-01',
    '-1h',
    '2026-11-07T12:00',
  ),
  text: fc.constantFrom('aalto', 'ADA@', '100%', 'e_7', 'oy'),
}

const now = new Date()

/** Whether one value is true of an entry, as the page about queries tells it. */
const isTrue: Readonly<Record<FilterKey, (entry: Entry, value: string, recordedAt: string) => boolean>> = {
  actor({ actorType, actorId, actorLabel }, value) {
    const query = readActor(value)
    if ('idOrLabel' in query)
      return actorId === query.idOrLabel || actorLabel?.toLowerCase() === query.idOrLabel.toLowerCase()
    return actorType === query.type && (query.id === undefined || actorId === query.id)
  },
  model: ({ model }, value) => model === value,
  object: ({ objectId, objectLabel }, value) => objectId === value || holds(objectLabel, value),
  objectId: ({ objectId }, value) => objectId === value,
  action: ({ action }, value) => (value.endsWith('.*') ? action.startsWith(value.slice(0, -1)) : action === value),
  outcome: ({ outcome }, value) => outcome === value,
  field: ({ changedFields }, value) => changedFields.includes(value),
  ip({ ipAddress }, value) {
    if (ipAddress === null) return false
    const address = ipaddr.parse(ipAddress)
    if (!value.includes('/')) return address.toString() === ipaddr.parse(value).toString()
    const [network, bits] = ipaddr.parseCIDR(value)
    return address.kind() === network.kind() && address.match(network, bits)
  },
  request: ({ requestId }, value) => requestId === value,
  transaction: ({ transactionId }, value) => transactionId === value,
  statement: ({ statementId }, value) => statementId === value,
  tenant: ({ tenantId }, value) => tenantId === value,
  at(_entry, value, recordedAt) {
    const [{ from = '', to = '~' } = {}] = timesOf({ at: [value] }, now)
    const plain = (time: string) => time.replace('Z', '')
    return plain(from) <= plain(recordedAt) && plain(recordedAt) < plain(to)
  },
  text: ({ actorLabel, objectLabel, relatedLabel }, value) =>
    [actorLabel, objectLabel, relatedLabel].some((label) => holds(label, value)),
}

function holds(label: string | null, part: string): boolean {
  return label?.toLowerCase().includes(part.toLowerCase()) ?? false
}

function isIn({ not = {}, ...asked }: Filter, entry: Entry, recordedAt: string): boolean {
  const any = ([key, values]: [string, readonly string[]]) =>
    values.some((value) => isTrue[key as FilterKey](entry, value, recordedAt))
  const every = ([key, values]: [string, readonly string[]]) =>
    values.every((value) => isTrue[key as FilterKey](entry, value, recordedAt))
  return (
    Object.entries(asked).every((part) => (part[0] === 'text' ? every(part) : any(part))) &&
    !Object.entries(not).some(any)
  )
}

describe('any filter that can be said', () => {
  let log: TestLog
  let all: { entry: Entry; recordedAt: string }[]
  beforeAll(async () => {
    log = await createTestLog()
    const [statements = []] = fc.sample(fc.array(statement, { minLength: 40, maxLength: 40 }), 1)
    for (const { entries, form, ...shared } of statements) {
      const { request_id, transaction_id, actor_label, ...own } = shared
      let first: string | undefined
      for (const { fields, ...row } of entries) {
        const [id] = await log.write({
          ...(first === undefined
            ? { ...own, request_id, transaction_id, actor_label }
            : { ...own, statement_id: first }),
          ...row,
          ...recorded(form, form === 'values' ? FIELDS.slice(0, 2) : fields, first === undefined),
        })
        first ??= id
      }
    }
    const { rows } = await log.pool.query<{ id: string; at: string }>(
      `select id::text, to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from daybook.entries`,
    )
    const times = new Map(rows.map(({ id, at }) => [id, at]))
    all = []
    for await (const entry of log.store.stream()) all.push({ entry, recordedAt: times.get(entry.id) ?? '' })
  })
  afterAll(() => log.close())

  test('B46 B47 gives exactly the entries that it is true of: paged both ways, counted and streamed', async () => {
    const found = new Set<string>()
    await fc.assert(
      fc.asyncProperty(anyFilter(VALUES, 1), fc.integer({ min: 1, max: 9 }), async (filter, limit) => {
        const expected = all
          .filter(({ entry, recordedAt }) => isIn(filter, entry, recordedAt))
          .map(({ entry }) => entry)
        if (expected.length > 0 && expected.length < all.length) found.add(printQuery(filter))
        const ids = (entries: readonly Entry[]) => entries.map(({ id }) => id)

        const pages: Page[] = [await log.store.page({ filter, limit })]
        for (let page = pages[0]; page?.older; ) {
          page = await log.store.page({ filter, limit, ...page.older })
          pages.push(page)
        }
        expect(pages.flatMap(({ entries }) => ids(entries)).sort()).toEqual(ids(expected).sort())
        for (let at = pages.length - 1; at > 1; at -= 1) {
          const back = await log.store.page({ filter, limit, ...pages[at]?.newer })
          expect(ids(back.entries)).toEqual(ids(pages[at - 1]?.entries ?? []))
        }
        expect(await log.store.count(filter)).toEqual({ count: expected.length, orMore: false })
        expect(await log.store.countExactly(filter)).toBe(expected.length)
        const streamed: Entry[] = []
        for await (const entry of log.store.stream(filter)) streamed.push(entry)
        expect(ids(streamed)).toEqual(ids(expected))
      }),
      { numRuns: 150 },
    )
    // Most filters of many keys find nothing: enough of them must have found something, and not everything.
    expect(found.size).toBeGreaterThan(30)
  }, 120_000)

  test('B46 whatever it is of, is answered', async () => {
    await fc.assert(
      fc.asyncProperty(anyFilter(), async (filter) => {
        const { entries } = await log.store.page({ filter, limit: 5 })
        const { count } = await log.store.count(filter)
        expect(count, printQuery(filter)).toBeGreaterThanOrEqual(entries.length)
        await log.store.stream(filter).next()
      }),
      { numRuns: 150 },
    )
  }, 120_000)

  test.each(Object.keys(VALUES) as FilterKey[])(
    'B46 of %s alone, asked for and left out',
    async (key) => {
      const alone = anyFilter({ [key]: VALUES[key] }, 3)
      await fc.assert(
        fc.asyncProperty(alone, async (filter) => {
          const expected = all.filter(({ entry, recordedAt }) => isIn(filter, entry, recordedAt))
          const page = await log.store.page({ filter, limit: 500 })
          expect(page.entries.map(({ id }) => id).sort(), printQuery(filter)).toEqual(
            expected.map(({ entry }) => entry.id).sort(),
          )
        }),
        { numRuns: 25 },
      )
    },
    120_000,
  )
})

/** An entry's fields in one of the forms in which the log keeps them. */
function recorded(form: string, fields: readonly string[], isFirst: boolean): TestEntry {
  switch (form) {
    case 'object':
      return { changes: Object.fromEntries(fields.map((name) => [name, ['open', 'tal']])), changed_fields: fields }
    case 'values':
      return { changes: JSON.stringify(fields.map(() => 'status')), ...(isFirst && { changed_fields: fields }) }
    case 'pairs':
      return { changes: JSON.stringify(fields.map((name) => [name, 'né', '\0'])) }
    default:
      return {}
  }
}
