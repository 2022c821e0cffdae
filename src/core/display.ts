import type { Entry, JsonValue } from './entry.ts'
import { isExactNumber, writeExactJson } from './exact-json.ts'
import { type ShownValue, showValue } from './shown-value.ts'
import type { FieldOptions, Tables } from './table.ts'

/** A key that an entry holds, and of what. */
export interface ObjectReference {
  readonly model: string
  readonly id: string
  readonly entry: Pick<Entry, 'id' | 'transactionId'>
}

/** A column of a tracked table that holds keys of another one. */
export interface ForeignKey {
  /** Schema and table, quoted where SQL asks for it. */
  readonly table: string
  readonly column: string
  /** The model of the table that it leads to. */
  readonly references: string
}

/** How the objects of references were called, by {@link referenceKey}; null where the log knows no such object. */
export type ReferenceLabels = ReadonlyMap<string, string | null>

/** How entries are shown: the log holds columns and codes, people read names. */
export interface Display {
  /** What people call a field of an entry. */
  field(entry: Entry, field: string): string
  /** A recorded value of a field as people read it; `undefined` is one that is not there. */
  value(entry: Entry, field: string, value: JsonValue | undefined): ShownValue
  /** The keys in an entry whose labels {@link Display.withLabels} wants. */
  references(entry: Entry): readonly ObjectReference[]
  /** The same display, which calls objects by their labels. */
  withLabels(labels: ReferenceLabels): Display
}

/** Everything as it is recorded. */
export const PLAIN_DISPLAY: Display = {
  field: (_entry, field) => field,
  value: (_entry, _field, value) => showValue(value),
  references: () => [],
  withLabels: () => PLAIN_DISPLAY,
}

/** The display of configured tables, with the foreign keys that the database knows by itself. */
export function createDisplay(tables: Tables = {}, foreignKeys: readonly ForeignKey[] = []): Display {
  const byTable = new Map<string, Fields>()
  const byModel = new Map<string, Fields>()
  for (const { table, column, references } of foreignKeys) {
    const fields = byTable.get(tableKey(table)) ?? new Map<string, FieldOptions>()
    byTable.set(tableKey(table), fields.set(column, { references }))
  }
  for (const [table, { fields = {}, model }] of Object.entries(tables)) {
    const known = byTable.get(tableKey(table)) ?? new Map<string, FieldOptions>()
    for (const [field, options] of Object.entries(fields)) known.set(field, { ...known.get(field), ...options })
    byTable.set(tableKey(table), known)
    byModel.set(model ?? defaultModel(table), known)
  }
  function fieldsOf({ tableName, model, relatedModel }: Entry): Fields | undefined {
    const fields = tableName === null ? undefined : byTable.get(tableKey(tableName))
    // Events name no table, and entries from before a table was renamed one that is gone. A link's model is not its own table's.
    return fields ?? (tableName === null || relatedModel === null ? byModel.get(model ?? '') : undefined)
  }
  return displayOf((entry, field) => fieldsOf(entry)?.get(field), new Map())
}

type Fields = Map<string, FieldOptions>

function displayOf(
  optionsOf: (entry: Entry, field: string) => FieldOptions | undefined,
  labels: ReferenceLabels,
): Display {
  return {
    field: (entry, field) => optionsOf(entry, field)?.label ?? field,
    value(entry, field, value) {
      const { choices, references } = optionsOf(entry, field) ?? {}
      const shown = showValue(value)
      const code = codeOf(value)
      if (code === undefined) return shown
      if (choices && Object.hasOwn(choices, code)) return { ...showValue(choices[code]), recorded: code }
      if (references === undefined) return shown
      const label = labels.get(referenceKey({ model: references, id: code, entry }))
      const reference = { model: references, id: code }
      if (label === null) return { ...shown, reference, isMissing: true }
      return label === undefined ? { ...shown, reference } : { ...showValue(label), recorded: code, reference }
    },
    references: (entry) =>
      Object.entries(entry.changes).flatMap(([field, values]) => {
        const model = optionsOf(entry, field)?.references
        if (model === undefined) return []
        return values.map(codeOf).flatMap((id) => (id === undefined ? [] : [{ model, id, entry }]))
      }),
    withLabels: (added) => displayOf(optionsOf, new Map([...labels, ...added])),
  }
}

/** What a label is found by. */
export function referenceKey({ model, id, entry }: ObjectReference): string {
  return JSON.stringify([model, id, entry.id])
}

/** The text of a value that can be a code or a key. */
function codeOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return writeExactJson(value)
  return isExactNumber(value) ? value.value : undefined
}

/** A table's name as it is spelled in the database, whether it was given so or as SQL quotes it. */
function tableKey(name: string): string {
  const spelled = name.replace(/"((?:[^"]|"")*)"/g, (_, quoted: string) => quoted.replaceAll('""', '"'))
  return name.includes('.') ? spelled : `public.${spelled}`
}

/** The model that `daybook.track()` gives a table without one. */
function defaultModel(table: string): string {
  const name = tableKey(table).replace(/^[^.]*\./, '')
  const words = name.replaceAll('_', ' ').replace(/[\p{L}\p{N}]+/gu, (word) => {
    const [first = '', ...others] = word
    return first.toUpperCase() + others.join('').toLowerCase()
  })
  return words.replaceAll(' ', '')
}
