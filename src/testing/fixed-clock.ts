import type { Entry } from '../core/entry.ts'

/** When a test's first entry was recorded, on the clock that {@link withFixedClock} shows; each further one is a second later. */
export const TEST_TIME = new Date('2026-01-01T00:00:00.000Z')

/**
 * The same entries as a run on a fixed clock, with an empty log, would have given them: times from {@link TEST_TIME} on, and ids,
 * statements, transactions and requests counted from 1. For snapshots. The database's own clock is nobody's to set.
 */
export function withFixedClock(entries: readonly Entry[]): Entry[] {
  const [ids, transactions, requests] = [
    new Map<string, string>(),
    new Map<string, string>(),
    new Map<string, string>(),
  ]
  for (const { id } of entries) counted(ids, id)
  return entries.map((entry, place) => ({
    ...entry,
    id: counted(ids, entry.id),
    recordedAt: new Date(TEST_TIME.getTime() + place * 1000),
    transactionId: entry.transactionId && counted(transactions, entry.transactionId),
    statementId: counted(ids, entry.statementId),
    requestId: entry.requestId && `request-${counted(requests, entry.requestId)}`,
  }))
}

function counted(known: Map<string, string>, value: string): string {
  const number = known.get(value) ?? String(known.size + 1)
  known.set(value, number)
  return number
}
