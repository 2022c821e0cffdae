import { describe, expect, test } from 'vitest'
import type { Entry } from '../../src/core/entry.ts'
import { actionName, describeEntry, describeStatement, sentenceText } from '../../src/core/sentence.ts'
import fc from '../fast-check.ts'
import { testEntry } from './entry.ts'

const say = (parts: Partial<Entry>) => sentenceText(describeEntry(testEntry(parts)))

const grace = { model: 'User', objectId: '8', objectLabel: 'grace@example.com' }

const masked = { $daybook: 'masked' }

describe('the sentence of an entry', () => {
  test.each<[sentence: string, parts: Partial<Entry>]>([
    [
      'ada@example.com changed status from open to paid and 1 more on Invoice 2024-0117',
      { changes: { status: ['open', 'paid'], notes: ['a', 'b'] } },
    ],
    [
      'ada@example.com changed status from open to paid and 2 more on Invoice 2024-0117',
      { changes: { iban: [masked, masked], updated_at: ['x', 'y'], status: ['open', 'paid'] } },
    ],
    ['ada@example.com changed password on Invoice 2024-0117', { changes: { password: [masked, masked] } }],
    ['ada@example.com changed status from null to empty on Invoice 2024-0117', { changes: { status: [null, ''] } }],
    ['ada@example.com changed settings on Invoice 2024-0117', { changes: { settings: [{ a: 1 }, { a: 2 }] } }],
    ['ada@example.com changed Invoice 2024-0117', {}],
    [
      'ada@example.com created Invoice 2024-0118 with 2 values',
      { action: 'create', objectLabel: '2024-0118', changes: { a: [null, 1], b: [null, 2] } },
    ],
    ['ada@example.com deleted Customer Aalto Oy', { action: 'delete', model: 'Customer', objectLabel: 'Aalto Oy' }],
    ['ada@example.com deleted Invoice 117', { action: 'delete', objectLabel: null }],
    [
      'ada@example.com deleted Line 3, 14',
      { action: 'delete', model: 'Line', objectId: '["3", "14"]', objectLabel: null },
    ],
    ['ada@example.com created a row of Note', { action: 'create', model: 'Note', objectId: null, objectLabel: null }],
    [
      'ada@example.com granted billing-admin to grace@example.com',
      {
        action: 'permission_granted',
        model: 'User',
        objectLabel: 'grace@example.com',
        relatedModel: 'Role',
        relatedLabel: 'billing-admin',
      },
    ],
    [
      'ada@example.com revoked Role from grace@example.com',
      { action: 'permission_revoked', model: 'User', objectLabel: 'grace@example.com', relatedModel: 'Role' },
    ],
    ['ada@example.com signed in', { action: 'login', model: 'User', objectId: '7', objectLabel: 'ada@example.com' }],
    ['ada@example.com began to act as User grace@example.com', { action: 'impersonation_started', ...grace }],
    ['ada@example.com ceased to act as User grace@example.com', { action: 'impersonation_ended', ...grace }],
    ['ada@example.com banned User grace@example.com', { action: 'user.banned', ...grace }],
    ['ada@example.com lifted the ban of User grace@example.com', { action: 'user.unbanned', ...grace }],
    [
      'ada@example.com was not allowed to act as User grace@example.com',
      { action: 'impersonation_started', outcome: 'denied', ...grace },
    ],
    [
      'ada@example.com was not allowed to grant a permission to grace@example.com',
      { action: 'permission_granted', outcome: 'denied', ...grace },
    ],
    ['ada@example.com signed out', { action: 'logout', model: null, objectId: null, objectLabel: null }],
    [
      'Sign-in failed for grace@example.com',
      {
        action: 'login',
        outcome: 'failure',
        actorType: 'anonymous',
        actorId: null,
        actorLabel: null,
        objectId: null,
        objectLabel: 'grace@example.com',
      },
    ],
    [
      'ada@example.com exported 12,480 entries as CSV',
      {
        action: 'export',
        model: null,
        objectId: null,
        objectLabel: null,
        context: { extra: { count: 12480, format: 'csv' } },
      },
    ],
    [
      'ada@example.com exported 20 entries of Invoice as CSV',
      {
        action: 'export',
        model: 'Invoice',
        objectId: null,
        objectLabel: null,
        context: { extra: { count: 20, format: 'csv' } },
      },
    ],
    [
      'ada@example.com failed to export as CSV after 1 entry',
      {
        action: 'export',
        outcome: 'failure',
        model: null,
        objectId: null,
        objectLabel: null,
        context: { extra: { count: 1, format: 'csv' } },
      },
    ],
    ['ada@example.com emptied Invoice of 1,204 rows', { action: 'truncate', context: { rows: 1204 } }],
    [
      'ada@example.com emptied Invoice of about 1 row',
      { action: 'truncate', context: { rows: 1, rowsEstimated: true } },
    ],
    ['Invoice 2024-0117 was there when tracking began', { action: 'baseline', changes: { id: [null, 117] } }],
    [
      'User Ada with Role Admin was there when tracking began',
      {
        action: 'baseline',
        model: 'User',
        objectLabel: 'Ada',
        relatedModel: 'Role',
        relatedId: '9',
        relatedLabel: 'Admin',
      },
    ],
    ['ada@example.com started tracking Invoice', { action: 'capture.tracked', objectId: null, objectLabel: null }],
    ['ada@example.com stopped tracking Invoice', { action: 'capture.untracked', objectId: null, objectLabel: null }],
    [
      'ada@example.com changed what is recorded of Invoice: label, permission columns',
      {
        action: 'capture.changed',
        objectId: null,
        objectLabel: null,
        changes: { label: [null, ['number']], permission_columns: [['is_staff'], null] },
      },
    ],
    [
      'ada@example.com paused tracking Invoice',
      { action: 'capture.paused', objectId: null, objectLabel: null, context: { reason: 'Nightly prices' } },
    ],
    [
      'ada@example.com resumed tracking Invoice after 12 s and 1,204 unrecorded changes',
      { action: 'capture.resumed', objectId: null, objectLabel: null, context: { rows: 1204, durationMs: 12_345 } },
    ],
    [
      'ada@example.com resumed tracking public.invoice after 0.3 s',
      { action: 'capture.resumed', model: null, objectId: null, objectLabel: null, context: { durationMs: 320 } },
    ],
    ['ada@example.com approved Invoice 2024-0117', { action: 'invoice.approved' }],
    ['ada@example.com recorded stock counted on Invoice 2024-0117', { action: 'stock.counted' }],
    [
      'ada@example.com approved Invoice 2024-0117, which was refused',
      { action: 'invoice.approved', outcome: 'denied' },
    ],
    ['ada@example.com was not allowed to delete Invoice 2024-0117', { action: 'delete', outcome: 'denied' }],
    ['ada@example.com recorded constructor on Invoice 2024-0117', { action: 'constructor' }],
    [
      'postgres deleted Invoice 2024-0117',
      { action: 'delete', actorType: 'database', actorId: 'postgres', actorLabel: 'postgres' },
    ],
    [
      'Somebody not signed in deleted Invoice 2024-0117',
      { action: 'delete', actorType: 'anonymous', actorId: null, actorLabel: null },
    ],
    [
      'Unknown actor deleted Invoice 2024-0117',
      { action: 'delete', actorType: 'unknown', actorId: null, actorLabel: null },
    ],
    ['job 12 deleted Invoice 2024-0117', { action: 'delete', actorType: 'job', actorId: '12', actorLabel: null }],
    [
      'ada@example.com in the name of Eve deleted Invoice 2024-0117',
      { action: 'delete', context: { onBehalfOf: { id: '9', label: 'Eve' } } },
    ],
  ])('reads: %s', (sentence, parts) => {
    expect(say(parts)).toBe(sentence)
  })

  test('B22 cuts long values around the first difference', () => {
    const start = 'Payment is due within thirty days of the date of '
    const sentence = say({ changes: { terms: [`${start}receipt`, `${start}delivery`] } })
    expect(sentence).toContain('receipt')
    expect(sentence).toContain('delivery')
    expect(sentence.length).toBeLessThan(160)
  })

  test('B24 never holds more of a masked value than that it changed', () => {
    expect(say({ changes: { secret: [masked, masked] } })).not.toContain('daybook')
    expect(describeEntry(testEntry({ changes: { secret: [masked, masked] } })).map((part) => part.kind)).not.toContain(
      'new',
    )
  })

  test('is given for whatever an entry holds', () => {
    const text = fc.option(fc.string({ unit: 'binary', maxLength: 400 }))
    fc.assert(
      fc.property(
        fc.record({
          action: fc.string(),
          model: text,
          objectId: text,
          objectLabel: text,
          actorLabel: text,
          relatedLabel: text,
        }),
        fc.dictionary(fc.string(), fc.tuple(fc.jsonValue(), fc.jsonValue())),
        (parts, changes) => {
          expect(say({ ...parts, changes: changes as Entry['changes'] }).length).toBeLessThan(1200)
        },
      ),
    )
  })
})

test('an action has a name for lists', () => {
  expect(['update', 'login', 'capture.paused', 'invoice.approved', 'toString'].map(actionName)).toEqual([
    'Changed',
    'Signed in',
    'Tracking paused',
    'Invoice approved',
    'ToString',
  ])
})

test('baselines of one statement are one sentence, of which nobody is the doer', () => {
  const one = testEntry({ action: 'baseline' })
  expect(sentenceText(describeStatement([one, one, one], '1,000') ?? [])).toBe(
    '1,000 Invoices were there when tracking began',
  )
})

describe('what one statement did to links', () => {
  const link = (parts: Partial<Entry>) =>
    testEntry({ action: 'unlinked', relatedModel: 'Tag', relatedId: '1', relatedLabel: 'urgent', ...parts })
  const told = (...parts: Partial<Entry>[]) => {
    const [first, ...others] = parts.map(link)
    return first && describeStatement([first, ...others], '400')
  }

  test.each<[sentence: string, parts: Partial<Entry>[]]>([
    ['ada@example.com unlinked 400 Tags from Invoice 2024-0117', [{}, { relatedId: '2' }]],
    ['ada@example.com unlinked Tag urgent from 400 Invoices', [{}, { objectId: '2' }]],
    [
      'ada@example.com linked 400 Tags to Invoice 2024-0117',
      [{ action: 'linked' }, { action: 'linked', relatedId: '2' }],
    ],
    [
      'ada@example.com granted 400 Tags to Invoice 2024-0117',
      [{ action: 'permission_granted' }, { action: 'permission_granted', relatedId: '2' }],
    ],
  ])('B27 reads: %s', (sentence, parts) => {
    expect(sentenceText(told(...parts) ?? [])).toBe(sentence)
  })

  test.each<[what: string, parts: Partial<Entry>[]]>([
    ['no side in common', [{}, { objectId: '2', relatedId: '2' }]],
    ['nothing in common but that they lead nowhere', [{ objectId: null }, { objectId: null, relatedId: '2' }]],
    ['two kinds of objects', [{}, { relatedModel: 'Colour' }]],
    ['two deeds', [{}, { action: 'linked' }]],
    ['flags, which are no links', [{ action: 'permission_granted', relatedModel: null }]],
  ])('B27 is not one sentence where they have %s', (_what, parts) => {
    expect(told(...parts)).toBeUndefined()
  })
})
