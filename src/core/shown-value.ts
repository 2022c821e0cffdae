import { isValueMarker, type JsonValue } from './entry.ts'
import { isExactNumber, writeExactJson } from './exact-json.ts'

/** A recorded value as people read it. What is no text of its own says so in its kind, so that null, empty and absent stay apart. */
export interface ShownValue {
  readonly kind: 'text' | 'number' | 'boolean' | 'json' | 'null' | 'empty' | 'masked' | 'capped' | 'absent'
  readonly text: string
  /** What is recorded, where `text` is what people call it. */
  readonly recorded?: string
  /** The object that the value is the key of. */
  readonly reference?: { readonly model: string; readonly id: string }
  /** The value is a key that the log knows no object by. */
  readonly isMissing?: true
}

const ABSENT: ShownValue = { kind: 'absent', text: 'absent' }

/** A recorded value as people read it; `undefined` is one that is not there. */
export function showValue(value: JsonValue | undefined): ShownValue {
  if (value === undefined) return ABSENT
  if (value === null) return { kind: 'null', text: 'null' }
  if (value === '') return { kind: 'empty', text: 'empty' }
  if (typeof value === 'boolean') return { kind: 'boolean', text: String(value) }
  if (typeof value === 'number') return { kind: 'number', text: writeExactJson(value) }
  if (isExactNumber(value)) return { kind: 'number', text: value.value }
  if (isValueMarker(value)) return showMarker(value.$daybook, value.bytes)
  if (typeof value !== 'string') return { kind: 'json', text: writeExactJson(value) }
  // Blanks alone would be seen as nothing.
  return { kind: 'text', text: value.trim() === '' ? JSON.stringify(value) : value }
}

function showMarker(kind: 'masked' | 'capped', bytes: unknown): ShownValue {
  if (kind === 'masked') return { kind: 'masked', text: 'masked' }
  const size = typeof bytes === 'number' ? ` (${bytes.toLocaleString('en-US')} bytes)` : ''
  return { kind: 'capped', text: `too large to keep${size}` }
}
