import { expect } from 'vitest'
import type { CapturedEntry } from './log.ts'

/** The rows of a table by their keys, as the log tells them. */
export type Replayed = Map<string, Readonly<Record<string, unknown>>>

/**
 * Goes through the entries of one table, oldest first, and gives its rows as they are afterwards; it goes on where `rows` stopped.
 * Each old value must be the new one of the entry before, and only what is not there is created.
 */
export function replay(
  entries: readonly Pick<CapturedEntry, 'action' | 'object_id' | 'previous_object_id' | 'changes' | 'changed_fields'>[],
  rows: Replayed = new Map(),
): Replayed {
  for (const { action, object_id, previous_object_id, changes, changed_fields } of entries) {
    const key = object_id ?? ''
    const before = rows.get(previous_object_id ?? key)
    expect(Object.keys(changes)).toEqual(changed_fields)
    expect(before === undefined, `${action} of ${key}`).toBe(action === 'create')
    const old = Object.fromEntries(Object.entries(changes).map(([field, [value]]) => [field, value]))
    expect(old).toEqual(Object.fromEntries(Object.keys(old).map((field) => [field, before?.[field] ?? null])))
    rows.delete(previous_object_id ?? key)
    if (action !== 'delete') {
      rows.set(key, {
        ...before,
        ...Object.fromEntries(Object.entries(changes).map(([field, [, value]]) => [field, value])),
      })
    }
  }
  return rows
}
