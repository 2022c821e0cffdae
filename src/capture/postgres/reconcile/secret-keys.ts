import { looksSecret } from '../../../core/secret-name.ts'
import type { Comparison, CurrentRow } from './comparison.ts'

/** Notes keys inside JSON that look like secrets and are recorded. */
export function noteSecretKeys(table: Comparison, rows: readonly CurrentRow[]): void {
  table.columns.forEach(({ name, json_type, masked }, place) => {
    if (json_type === null || masked) return
    for (const { values } of rows) {
      for (const [, key = '', colon] of (values[place] ?? '').matchAll(/"((?:[^"\\]|\\.)*)"(\s*:)?/gs)) {
        if (!colon || !looksSecret(key)) continue
        const keys = table.secretKeys.get(name) ?? new Set()
        table.secretKeys.set(name, keys.add(key))
      }
    }
  })
}
