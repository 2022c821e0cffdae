import type { ActorType } from './context.ts'
import type { Outcome } from './event.ts'

/** One line of the log as the view `daybook.entries` shows it: a change of one row, or an event. */
export interface Entry {
  /** Decimal digits: a 64-bit number, which JavaScript's numbers can't all hold. Later entries have higher ids. */
  readonly id: string
  readonly recordedAt: Date
  /** The database's own number of the transaction, decimal digits. */
  readonly transactionId: string | null
  /** Id of the first entry that the same statement made; a statement's entries share it. */
  readonly statementId: string
  readonly action: string
  readonly outcome: Outcome
  /** `unknown` where a context came that could not be read. */
  readonly actorType: ActorType | 'unknown'
  readonly actorId: string | null
  readonly actorLabel: string | null
  readonly ipAddress: string | null
  readonly requestId: string | null
  readonly tenantId: string | null
  readonly model: string | null
  /** Schema and table, quoted where SQL asks for it, as in `public."Order"`. */
  readonly tableName: string | null
  /** The key's text; a JSON array of texts for a composite key; null for a table without a key. */
  readonly objectId: string | null
  readonly objectLabel: string | null
  /** Where the change moved the object to another key: the key before. */
  readonly previousObjectId: string | null
  readonly relatedModel: string | null
  readonly relatedId: string | null
  readonly relatedLabel: string | null
  /** Field → `[old, new]`. Numbers that JavaScript can't hold exactly are {@link ExactNumber}. Empty for an event without changes. */
  readonly changes: Changes
  readonly changedFields: readonly string[]
  /** The role that was signed in at the database, as the database itself saw it. */
  readonly databaseUser: string
  readonly context: EntryContext
}

export type Changes = Readonly<Record<string, readonly [JsonValue, JsonValue]>>

/** A number kept as its digits, because a JavaScript number would change it. */
export interface ExactNumber {
  readonly value: string
  readonly isLosslessNumber: true
}

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | ExactNumber
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue }

/** What an entry carries beside its columns. Keys that were not known are absent. */
export interface EntryContext {
  readonly userAgent?: string
  readonly route?: string
  readonly reason?: string
  readonly onBehalfOf?: { readonly type?: string; readonly id?: string; readonly label?: string }
  readonly extra?: JsonValue
  /** What the database saw for itself: the client's address, the program's name, the role that was set. */
  readonly database?: { readonly address?: string; readonly application?: string; readonly role?: string }
  /**
   * Of a truncate: how many rows the table had, or about how many where `rowsEstimated`. Of a pause of the capture that is over: how
   * many rows were written in it.
   */
  readonly rows?: number
  readonly rowsEstimated?: boolean
  /** Of a pause of the capture that is over: how long it was. */
  readonly durationMs?: number
}

/** Stands in `changes` for a value that is not kept: `masked`, or `capped` with its size in bytes and its SHA-256. */
export interface ValueMarker {
  readonly $daybook: 'masked' | 'capped'
  readonly bytes?: number
  readonly sha256?: string
}

/** Whether a recorded value is a marker for one that is not kept. */
export function isValueMarker(value: unknown): value is ValueMarker {
  return typeof value === 'object' && value !== null && '$daybook' in value
}
