import type { Entry } from './entry.ts'
import { writeExactJson } from './exact-json.ts'

/**
 * An entry as one line of JSON, with the names and in the order of the columns of `daybook.entries`; times are ISO 8601 in UTC,
 * ids are texts, and numbers keep their digits.
 */
export function writeEntryJson(entry: Entry): string {
  return writeExactJson(entryColumns(entry))
}

/** An entry with the names of the columns of `daybook.entries`, for `writeExactJson`. */
export function entryColumns(entry: Entry): Readonly<Record<string, unknown>> {
  return withColumnNames({ ...entry, context: withColumnNames(entry.context) })
}

function withColumnNames(values: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value instanceof Date ? value.toISOString() : value,
    ]),
  )
}
