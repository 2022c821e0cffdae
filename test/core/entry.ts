import type { Entry } from '../../src/core/entry.ts'

/** An entry with plain values where none are given. */
export function testEntry(parts: Partial<Entry> = {}): Entry {
  return {
    id: '48213',
    recordedAt: new Date('2026-11-23T14:32:07.481Z'),
    transactionId: '771204',
    statementId: '48213',
    action: 'update',
    outcome: 'success',
    actorType: 'user',
    actorId: '7',
    actorLabel: 'ada@example.com',
    ipAddress: '203.0.113.9',
    requestId: '0193f2c8-7c1e-7b9a',
    tenantId: null,
    model: 'Invoice',
    tableName: 'public.invoice',
    objectId: '117',
    objectLabel: 'Invoice 2024-0117',
    previousObjectId: null,
    relatedModel: null,
    relatedId: null,
    relatedLabel: null,
    changes: {},
    changedFields: Object.keys(parts.changes ?? {}),
    databaseUser: 'app',
    context: {},
    ...parts,
  }
}
