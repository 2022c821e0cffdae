import { sql } from 'kysely'
import type { ActorType } from '../core/context.ts'
import type { Changes, Entry, EntryContext, JsonValue } from '../core/entry.ts'
import type { Outcome } from '../core/event.ts'
import { parseExactJson } from '../core/exact-json.ts'

/** The view `daybook.entries`. */
export interface EntriesView {
  id: string
  recorded_at: Date
  transaction_id: string | null
  statement_id: string
  action: string
  outcome: Outcome
  actor_type: ActorType | 'unknown'
  actor_id: string | null
  actor_label: string | null
  ip_address: string | null
  request_id: string | null
  tenant_id: string | null
  model: string | null
  table_name: string | null
  object_id: string | null
  object_label: string | null
  previous_object_id: string | null
  related_model: string | null
  related_id: string | null
  related_label: string | null
  changes: unknown
  changed_fields: string[]
  database_user: string
  context: unknown
}

/**
 * What is selected from `daybook.entries as v`. Whatever a driver or JavaScript's numbers could change comes as text.
 */
export const ENTRY_COLUMNS = [
  sql<string>`v.id::text`.as('id'),
  sql<string>`to_char(v.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`.as('recorded_at'),
  sql<string | null>`v.transaction_id::text`.as('transaction_id'),
  sql<string>`v.statement_id::text`.as('statement_id'),
  'v.action',
  'v.outcome',
  'v.actor_type',
  'v.actor_id',
  'v.actor_label',
  sql<string | null>`host(v.ip_address)`.as('ip_address'),
  'v.request_id',
  'v.tenant_id',
  'v.model',
  'v.table_name',
  'v.object_id',
  'v.object_label',
  'v.previous_object_id',
  'v.related_model',
  'v.related_id',
  'v.related_label',
  sql<string | null>`v.changes::text`.as('changes'),
  sql<string>`to_json(v.changed_fields)::text`.as('changed_fields'),
  'v.database_user',
  sql<string | null>`v.context::text`.as('context'),
] as const

/** A line of the view as {@link ENTRY_COLUMNS} give it. */
export interface EntryRow extends Omit<EntriesView, 'recorded_at' | 'changes' | 'changed_fields' | 'context'> {
  recorded_at: string
  changes: string | null
  changed_fields: string
  context: string | null
}

/** A line of the view as an entry. */
export function readEntry(row: EntryRow): Entry {
  const changedFields = JSON.parse(row.changed_fields) as string[]
  return {
    id: row.id,
    recordedAt: new Date(row.recorded_at),
    transactionId: row.transaction_id,
    statementId: row.statement_id,
    action: row.action,
    outcome: row.outcome,
    actorType: row.actor_type,
    actorId: row.actor_id,
    actorLabel: row.actor_label,
    ipAddress: row.ip_address,
    requestId: row.request_id,
    tenantId: row.tenant_id,
    model: row.model,
    tableName: row.table_name,
    objectId: row.object_id,
    objectLabel: row.object_label,
    previousObjectId: row.previous_object_id,
    relatedModel: row.related_model,
    relatedId: row.related_id,
    relatedLabel: row.related_label,
    changes: readChanges(row.changes, changedFields),
    changedFields,
    databaseUser: row.database_user,
    context: readContext(row.context),
  }
}

function readChanges(text: string | null, changedFields: readonly string[]): Changes {
  if (text === null) return {}
  try {
    return parseExactJson(text) as Changes
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    // Nested too deep to be walked: that the fields changed is all that can be shown. The view still has the whole of it.
    const marker = { $daybook: 'capped', bytes: Buffer.byteLength(text) }
    return Object.fromEntries(changedFields.map((field) => [field, [marker, marker]]))
  }
}

interface RecordedContext {
  readonly user_agent?: string
  readonly route?: string
  readonly reason?: string
  readonly on_behalf_of?: NonNullable<EntryContext['onBehalfOf']>
  readonly extra?: JsonValue
  readonly database?: NonNullable<EntryContext['database']>
  readonly rows?: JsonValue
  readonly rows_estimated?: JsonValue
  readonly duration_ms?: JsonValue
}

function readContext(text: string | null): EntryContext {
  const recorded = (text === null ? null : parseExactJson(text)) as RecordedContext | null
  if (recorded === null || typeof recorded !== 'object') return {}
  const { user_agent: userAgent, route, reason, on_behalf_of: onBehalfOf, extra, database, rows } = recorded
  return {
    ...(userAgent !== undefined && { userAgent: String(userAgent) }),
    ...(route !== undefined && { route: String(route) }),
    ...(reason !== undefined && { reason: String(reason) }),
    ...(onBehalfOf && { onBehalfOf }),
    ...(extra !== undefined && { extra }),
    ...(database && { database }),
    ...(typeof rows === 'number' && { rows }),
    ...(recorded.rows_estimated === true && { rowsEstimated: true }),
    ...(typeof recorded.duration_ms === 'number' && { durationMs: recorded.duration_ms }),
  }
}
