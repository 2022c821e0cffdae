import { diffWordsWithSpace } from 'diff'
import { type Display, PLAIN_DISPLAY } from './display.ts'
import { type Entry, isValueMarker, type JsonValue } from './entry.ts'
import { isExactNumber } from './exact-json.ts'
import { type ShownValue, showValue } from './shown-value.ts'

/** A stretch of a text that is the same on both sides, or not. */
export interface Segment {
  readonly text: string
  readonly changed: boolean
}

/** One place in a JSON value that differs. */
export interface PathChange {
  /** Such as `address.city` or `lines[2].price`. */
  readonly path: string
  readonly before: ShownValue
  readonly after: ShownValue
}

/** How one field changed, in the form that shows it best. */
export type FieldChange = { readonly field: string } & (
  | { readonly kind: 'value'; readonly before: ShownValue; readonly after: ShownValue }
  | { readonly kind: 'text'; readonly before: readonly Segment[]; readonly after: readonly Segment[] }
  | { readonly kind: 'json'; readonly paths: readonly PathChange[]; readonly more: number }
)

/** Most places of a JSON value that are listed, and how deep it is gone into. */
const MAX_PATHS = 100
const MAX_DEPTH = 32

/** Beyond this many differing words a text is shown as one difference: to find the best pairing would take seconds. */
const MAX_WORD_EDITS = 400

/** A word difference is looked for in texts up to this long. */
const MAX_DIFFED_LENGTH = 100_000

/** Actions whose fields had no value before, and those whose fields have none after. */
const GIVES = ['create', 'baseline', 'permission_granted', 'capture.tracked']
const TAKES = ['delete', 'permission_revoked', 'capture.untracked']

/** Every field of an entry's changes, in the order in which they were recorded. */
export function fieldChanges(entry: Entry, display: Display = PLAIN_DISPLAY): FieldChange[] {
  const created = GIVES.includes(entry.action)
  const deleted = TAKES.includes(entry.action)
  return Object.entries(entry.changes).map(([field, [before, after]]) => {
    const show = (value: JsonValue | undefined) => display.value(entry, field, value)
    if (created && before === null) return { field, kind: 'value', before: show(undefined), after: show(after) }
    if (deleted && after === null) return { field, kind: 'value', before: show(before), after: show(undefined) }
    return { field, ...changeOf(before, after, show) }
  })
}

type Change = FieldChange extends infer C ? (C extends unknown ? Omit<C, 'field'> : never) : never
type Show = (value: JsonValue) => ShownValue

function changeOf(before: JsonValue, after: JsonValue, show: Show): Change {
  if (isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after)) {
    const paths = [...pathChanges(before, after, '', 0)]
    // No path differs where only the order of keys or the white space does: then both are shown whole.
    if (paths.length > 0)
      return { kind: 'json', paths: paths.slice(0, MAX_PATHS), more: Math.max(0, paths.length - MAX_PATHS) }
  }
  const shown = { before: show(before), after: show(after) }
  const isMapped = [shown.before, shown.after].some(({ recorded, reference }) => recorded ?? reference)
  if (typeof before === 'string' && typeof after === 'string' && isProse(before) && isProse(after) && !isMapped) {
    return { kind: 'text', ...wordChanges(before, after) }
  }
  return { kind: 'value', ...shown }
}

function isContainer(
  value: JsonValue | undefined,
): value is readonly JsonValue[] | { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !isExactNumber(value) && !isValueMarker(value)
}

function* pathChanges(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  path: string,
  depth: number,
): Generator<PathChange> {
  if (
    isContainer(before) &&
    isContainer(after) &&
    Array.isArray(before) === Array.isArray(after) &&
    depth < MAX_DEPTH
  ) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const inner = Array.isArray(before) ? `${path}[${key}]` : memberPath(path, key)
      yield* pathChanges(member(before, key), member(after, key), inner, depth + 1)
    }
    return
  }
  const shown = { before: showValue(before), after: showValue(after) }
  if (shown.before.kind !== shown.after.kind || shown.before.text !== shown.after.text) yield { path, ...shown }
}

function member(container: JsonValue, key: string): JsonValue | undefined {
  return Object.hasOwn(container as object, key) ? (container as Record<string, JsonValue>)[key] : undefined
}

function memberPath(path: string, key: string): string {
  if (!/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

/** A text of several words; single words are easier to read whole, side by side. */
function isProse(text: string): boolean {
  return /\S\s+\S/.test(text)
}

function wordChanges(before: string, after: string): { before: readonly Segment[]; after: readonly Segment[] } {
  const parts =
    before.length + after.length <= MAX_DIFFED_LENGTH
      ? diffWordsWithSpace(before, after, { maxEditLength: MAX_WORD_EDITS })
      : undefined
  if (!parts) return middleChange(before, after)
  const side = (left: 'added' | 'removed') =>
    parts.filter((part) => !part[left]).map((part) => ({ text: part.value, changed: part.added || part.removed }))
  return { before: side('added'), after: side('removed') }
}

function middleChange(before: string, after: string): { before: readonly Segment[]; after: readonly Segment[] } {
  const start = commonStart(before, after)
  const end = commonEnd(before.slice(start), after.slice(start))
  const side = (text: string) =>
    [
      { text: text.slice(0, start), changed: false },
      { text: text.slice(start, text.length - end), changed: true },
      { text: text.slice(text.length - end), changed: false },
    ].filter((segment) => segment.text !== '')
  return { before: side(before), after: side(after) }
}

function commonStart(a: string, b: string): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1
  return withoutHalf(a, length)
}

function commonEnd(a: string, b: string): number {
  let length = 0
  while (length < a.length && length < b.length && a[a.length - 1 - length] === b[b.length - 1 - length]) length += 1
  const low = a.charCodeAt(a.length - length)
  return low >= 0xdc00 && low <= 0xdfff ? length - 1 : length
}

/** A place in a text that does not lie inside a surrogate pair. */
function withoutHalf(text: string, place: number): number {
  const before = text.charCodeAt(place - 1)
  return before >= 0xd800 && before <= 0xdbff ? place - 1 : place
}

/**
 * Two texts cut to at most `length` around their first difference, so that it can be seen in both; what is cut shows as `…`.
 */
export function cutAroundDifference(before: string, after: string, length: number): readonly [string, string] {
  const lead = Math.floor(length / 3)
  const start = commonStart(before, after)
  const from = Math.max(before.length, after.length) <= length ? 0 : withoutHalf(before, Math.max(0, start - lead))
  return [cutFrom(before, from, length), cutFrom(after, from, length)]
}

/** A text cut to at most `length`; what is cut shows as `…`. */
export function cutText(text: string, length: number): string {
  return cutFrom(text, 0, length)
}

function cutFrom(text: string, from: number, length: number): string {
  const rest = text.slice(from)
  const end = rest.length > length ? withoutHalf(rest, length - 1) : rest.length
  return `${from > 0 ? '…' : ''}${rest.slice(0, end)}${end < rest.length ? '…' : ''}`
}

/** The same segments with what is alike cut to some of its ends, so that the differences of a long text can be seen together. */
export function elideSegments(segments: readonly Segment[], keep = 60): readonly Segment[] {
  return segments.map((segment, index) => {
    if (segment.changed || segment.text.length <= keep * 3) return segment
    const head = index === 0 ? '' : segment.text.slice(0, withoutHalf(segment.text, keep))
    const tail =
      index === segments.length - 1 ? '' : segment.text.slice(withoutHalf(segment.text, segment.text.length - keep))
    return { text: `${head} … ${tail}`, changed: false }
  })
}
