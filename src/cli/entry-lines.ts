import type { StatementRun } from '../core/by-statement.ts'
import { cutText, fieldChanges } from '../core/changes.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { describeEntry, describeStatement, NOT_IN_THE_LOG, type SentencePart, type Tone } from '../core/sentence.ts'
import type { ShownValue } from '../core/shown-value.ts'

/** How text is set off on a terminal; without colours it stays as it is. */
export type Paint = (style: Style, text: string) => string
type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'magenta'

const SGR: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  magenta: [35, 39],
}

export const plain: Paint = (_style, text) => text

export const coloured: Paint = (style, text) => {
  const [on, off] = SGR[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

const TONES: Readonly<Record<Tone, Style>> = {
  create: 'green',
  update: 'yellow',
  delete: 'red',
  auth: 'cyan',
  permission: 'magenta',
  neutral: 'bold',
}

const INDENT = ' '.repeat(10)
const MAX_VALUE_LENGTH = 80

/** The heading of a day, such as `Monday, 23 November 2026 (UTC)`. */
export function dayHeading(moment: Date): string {
  const day = moment.toLocaleDateString('en-GB', { dateStyle: 'full', timeZone: 'UTC' })
  return `${day.replace(/^(\w+) /, '$1, ')} (UTC)`
}

/** What one statement did to several objects, as one sentence; undefined where it can't be said so. `count` is of all its entries. */
export function statementLines(
  run: StatementRun,
  count: string | undefined,
  display: Display,
  paint: Paint,
): string[] | undefined {
  const [first] = run
  const sentence = describeStatement(run, count, display)
  return sentence && [sentenceLine(first, sentence, paint), originLine(first, `statement:${first.statementId}`, paint)]
}

/** An entry as a person reads it: time and sentence, what changed if the sentence can't hold it, and below who it was from where. */
export function entryLines(entry: Entry, display: Display, paint: Paint): string[] {
  return [
    sentenceLine(entry, describeEntry(entry, display), paint),
    ...changeLines(entry, display, paint),
    originLine(entry, `#${entry.id}`, paint),
  ]
}

function sentenceLine(entry: Entry, sentence: readonly SentencePart[], paint: Paint): string {
  return `${entry.recordedAt.toISOString().slice(11, 19)}  ${sentence.map((part) => paintPart(part, paint)).join('')}`
}

function originLine(entry: Entry, place: string, paint: Paint): string {
  return paint('dim', `${INDENT}${printable([...originOf(entry), place].join(' · '))}`)
}

function paintPart(part: SentencePart, paint: Paint): string {
  const text = printable(part.text)
  switch (part.kind) {
    case 'verb':
      return paint(TONES[part.tone], text)
    case 'actor':
    case 'object':
      return paint('bold', text)
    case 'old':
      return paint('red', text)
    case 'new':
      return paint('green', text)
    case 'note':
      return paint('dim', text)
    default:
      return text
  }
}

/** One field a line, unless the sentence has told it already. */
function changeLines(entry: Entry, display: Display, paint: Paint): string[] {
  const fields = fieldChanges(entry).map((change) => ({ ...change, name: display.field(entry, change.field) }))
  if (fields.length < 2) return []
  const width = Math.min(24, Math.max(...fields.map(({ name }) => name.length)))
  return fields.map(({ field, name, ...change }) => {
    const [before, after] = (entry.changes[field] ?? [null, null]).map((value) => display.value(entry, field, value))
    const lead = `${INDENT}${printable(name).padEnd(width)}  `
    const old = before && shown(before, 'red', paint)
    const current = after && shown(after, 'green', paint)
    if (change.kind === 'value' && change.before.kind === 'absent') return `${lead}${current}`
    if (change.kind === 'value' && change.after.kind === 'absent') return `${lead}${old}`
    if (before?.kind === 'masked' || after?.kind === 'masked') return `${lead}${paint('dim', 'masked')}`
    return `${lead}${old} → ${current}`
  })
}

function shown(value: ShownValue, style: Style, paint: Paint): string {
  const { recorded, isMissing } = value
  const beside = isMissing ? NOT_IN_THE_LOG : recorded === value.text ? undefined : recorded
  const text = paint(style, printable(cutText(value.text, MAX_VALUE_LENGTH)))
  return beside === undefined ? text : `${text} ${paint('dim', `(${printable(cutText(beside, MAX_VALUE_LENGTH))})`)}`
}

function originOf(entry: Entry): string[] {
  const { database, onBehalfOf, route, reason } = entry.context
  const actor = [entry.actorType, entry.actorId].filter(Boolean).join(' ')
  return [
    actor,
    ...(onBehalfOf?.id ? [`in the name of ${onBehalfOf.type ?? 'user'} ${onBehalfOf.id}`] : []),
    ...(entry.ipAddress ? [`from ${entry.ipAddress}`] : []),
    ...(entry.actorType === 'database' && database?.application ? [database.application] : []),
    ...(entry.actorType === 'database' && database?.address ? [`from ${database.address}`] : []),
    ...(route ? [route] : []),
    ...(entry.requestId ? [`request ${entry.requestId}`] : []),
    ...(reason ? [`reason: ${reason}`] : []),
  ]
}

// Control characters would let a recorded value steer the terminal, and direction marks let it read as another one.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
    return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
