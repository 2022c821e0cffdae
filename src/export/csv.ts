import type { Entry } from '../core/entry.ts'
import { writeExactJson } from '../core/exact-json.ts'

/** The columns of an export: those of the view `daybook.entries`, in its order. */
const COLUMNS: readonly (readonly [name: string, value: (entry: Entry) => string | null])[] = [
  ['id', (entry) => entry.id],
  ['recorded_at', (entry) => entry.recordedAt.toISOString()],
  ['transaction_id', (entry) => entry.transactionId],
  ['statement_id', (entry) => entry.statementId],
  ['action', (entry) => entry.action],
  ['outcome', (entry) => entry.outcome],
  ['actor_type', (entry) => entry.actorType],
  ['actor_id', (entry) => entry.actorId],
  ['actor_label', (entry) => entry.actorLabel],
  ['ip_address', (entry) => entry.ipAddress],
  ['request_id', (entry) => entry.requestId],
  ['tenant_id', (entry) => entry.tenantId],
  ['model', (entry) => entry.model],
  ['table_name', (entry) => entry.tableName],
  ['object_id', (entry) => entry.objectId],
  ['object_label', (entry) => entry.objectLabel],
  ['previous_object_id', (entry) => entry.previousObjectId],
  ['related_model', (entry) => entry.relatedModel],
  ['related_id', (entry) => entry.relatedId],
  ['related_label', (entry) => entry.relatedLabel],
  ['changes', (entry) => jsonUnlessEmpty(entry.changes)],
  ['changed_fields', (entry) => (entry.changedFields.length === 0 ? null : writeExactJson(entry.changedFields))],
  ['database_user', (entry) => entry.databaseUser],
  ['context', (entry) => jsonUnlessEmpty(recordedContext(entry.context))],
]

/** The names of the columns of an export, in their order. */
export const CSV_COLUMNS: readonly string[] = COLUMNS.map(([name]) => name)

/** A chunk is sent when it is about this long; the header at once. */
const CHUNK_LENGTH = 64 * 1024

/**
 * Entries as a CSV file (RFC 4180, UTF-8 with a byte order mark, CRLF, a header), for spreadsheets and programs alike.
 * A cell that a spreadsheet would run begins with an apostrophe: see {@link escapeCell}. Null is an empty cell.
 *
 * Entries are taken as the reader asks for more; cancelling the stream ends their iterator.
 */
export function exportCsv(entries: AsyncIterable<Entry>): ReadableStream<Uint8Array> {
  const iterator = entries[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  return new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode(`\uFEFF${CSV_COLUMNS.join(',')}\r\n`))
    },
    async pull(controller) {
      let text = ''
      while (text.length < CHUNK_LENGTH) {
        const next = await iterator.next()
        if (next.done) {
          if (text !== '') controller.enqueue(encoder.encode(text))
          controller.close()
          return
        }
        text += csvLine(next.value)
      }
      controller.enqueue(encoder.encode(text))
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}

function csvLine(entry: Entry): string {
  return `${COLUMNS.map(([, value]) => quoteCell(escapeCell(value(entry) ?? ''))).join(',')}\r\n`
}

function quoteCell(cell: string): string {
  return /[",\r\n;\t]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/

// What spreadsheets take for the start of a formula, also behind blanks and invisible characters, and in full width; and the apostrophe itself.
const RUNS = /^[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠']|^[\t\r\n]/u

/**
 * A cell that a spreadsheet takes as text: one that begins like a formula, or with an apostrophe, gets an apostrophe in front.
 * Numbers stay as they are. {@link unescapeCell} takes it back.
 */
export function escapeCell(cell: string): string {
  return RUNS.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell
}

/** The cell as it was before {@link escapeCell}: without the apostrophe in front. */
export function unescapeCell(cell: string): string {
  return cell.startsWith("'") ? cell.slice(1) : cell
}

function jsonUnlessEmpty(value: object): string | null {
  return Object.keys(value).length === 0 ? null : writeExactJson(value)
}

function recordedContext({
  userAgent,
  route,
  reason,
  onBehalfOf,
  extra,
  database,
  rows,
  rowsEstimated,
}: Entry['context']) {
  return {
    ...(userAgent !== undefined && { user_agent: userAgent }),
    ...(route !== undefined && { route }),
    ...(reason !== undefined && { reason }),
    ...(onBehalfOf !== undefined && { on_behalf_of: onBehalfOf }),
    ...(extra !== undefined && { extra }),
    ...(database !== undefined && { database }),
    ...(rows !== undefined && { rows }),
    ...(rowsEstimated !== undefined && { rows_estimated: rowsEstimated }),
  }
}
