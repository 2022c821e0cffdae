import { DaybookError } from './errors.ts'
import { FILTER_KEYS, type Filter, type FilterTerm, filterOf, type KeyRule, termsOf } from './filter.ts'

/** A value is this long at most, and a key has so many. */
const MAX_LENGTH = 2048
const MAX_VALUES = 50

// PostgreSQL takes neither in a text.
const UNSENDABLE = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/
/** What can't be seen or would be lost in a field of one line; joiners of letters and pictures may stay. */
const UNSEEN = /(?![ \u200c\u200d])[\p{Cc}\p{Cf}\p{Z}]/gu

const BY_NAME = new Map(FILTER_KEYS.filter(({ key }) => key !== 'text').map((rule) => [rule.name, rule]))
const TEXT = FILTER_KEYS.find(({ key }) => key === 'text') as KeyRule

/**
 * The filter that a query says, such as `actor:ada -action:login at:-24h.. "Aalto Oy"`.
 *
 * Words of the form `key:value`, and free text, separated by spaces; `-` in front leaves out; a value with spaces stands in quotation
 * marks, in which `\"`, `\\`, `\n`, `\t`, `\r` and `\u0000` are characters. The same key twice means "or", everything else must hold at once.
 *
 * @throws DaybookError `invalid_filter` with `details.start` and `details.end`, where in the text it is wrong (counted as JavaScript
 * does, from 0), and `details.reason`.
 */
export function parseQuery(text: string): Filter {
  const terms: (FilterTerm & Place)[] = []
  for (const word of readWords(text)) {
    if (word.fault) throw invalidQuery(text, word.fault, word.fault.reason)
    terms.push(termOf(text, word))
  }
  checkTogether(text, terms)
  return filterOf(terms)
}

/** The one text of a filter. Read again it is the same filter. */
export function printQuery(filter: Filter): string {
  return termsOf(filterOf(termsOf(filter)))
    .map(printTerm)
    .join(' ')
}

/** One value of a filter as a word of a query. */
export function printTerm({ key, value, excluded }: FilterTerm): string {
  const name = key === 'text' ? '' : `${FILTER_KEYS.find((rule) => rule.key === key)?.name}:`
  return `${excluded ? '-' : ''}${name}${key === 'text' && /^-|^[A-Za-z][\w-]*:/.test(value) ? quoted(value) : printValue(value)}`
}

/** A value, in quotation marks where it needs them. */
function printValue(value: string): string {
  const isPlain = value !== '' && !value.startsWith('"') && value.search(UNSEEN) < 0 && !value.includes(' ')
  return isPlain ? value : quoted(value)
}

function quoted(value: string): string {
  const escaped = value.replace(/["\\]/g, '\\$&').replace(UNSEEN, (character) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character]
    return (
      short ??
      character
        .split('')
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join('')
    )
  })
  return `"${escaped}"`
}

/** Where something stands in a text: `start` inclusive, `end` exclusive. */
export interface Place {
  readonly start: number
  readonly end: number
}

/** One word of a query as it was typed. */
interface Word extends Place {
  readonly excluded: boolean
  /** The key as it was typed, absent for free text. */
  readonly name?: string
  readonly value: string
  readonly valueStart: number
  readonly isQuoted: boolean
  /** Why it is no word of a query, and where. */
  readonly fault?: Place & { readonly reason: string }
}

/** What is being typed at a place of a text, which need not be a query yet. */
export interface Typing extends Place {
  readonly excluded: boolean
  /** The key in front, where it is one. */
  readonly rule?: KeyRule
  /** The part of the value, or of a key, that stands before the place. */
  readonly typed: string
}

/** What is being typed at a place of a text. */
export function typingAt(text: string, place: number): Typing {
  for (const { start, end, excluded, name, valueStart } of readWords(text)) {
    if (place < start || place > end) continue
    const rule = name === undefined ? undefined : BY_NAME.get(name.toLowerCase())
    if (rule && place >= valueStart)
      return { start, end, excluded, rule, typed: unquoted(text.slice(valueStart, place)) }
    const from = Math.min(place, excluded ? start + 1 : start)
    const typed = unquoted(text.slice(from, place))
    const isKey = name !== undefined && place < valueStart
    return { start, end: isKey ? valueStart : end, excluded: excluded && place > start, typed }
  }
  return { start: place, end: place, excluded: false, typed: '' }
}

/** A text without the word that stands at a place. */
export function withoutWordAt(text: string, place: number): string {
  const word = [...readWords(text)].find(({ start, end }) => start <= place && place < end)
  return word ? `${text.slice(0, word.start)}${text.slice(word.end)}`.replace(/\s+/g, ' ').trim() : text
}

function unquoted(text: string): string {
  return text.startsWith('"') ? readQuoted(text, 0).value : text
}

const KEY = /([A-Za-z][\w-]*):/y
const BARE = /\S*/y
const SPACE = /\s*/y

function* readWords(text: string): Generator<Word> {
  for (let at = matchAt(SPACE, text, 0).length; at < text.length; at += matchAt(SPACE, text, at).length) {
    const word = readWord(text, at)
    yield word
    at = word.end
  }
}

function readWord(text: string, start: number): Word {
  const excluded = text[start] === '-'
  const keyStart = excluded ? start + 1 : start
  const key = matchAt(KEY, text, keyStart)
  const valueStart = keyStart + key.length
  const isQuoted = text[valueStart] === '"'
  const read = isQuoted ? readQuoted(text, valueStart) : readBare(text, valueStart)
  const word = { start, excluded, ...(key && { name: key.slice(0, -1) }), valueStart, isQuoted, ...read }
  if (read.fault || read.end > valueStart) return word
  const reason = key
    ? `"${key}" needs a value right behind it`
    : 'nothing follows the "-": write what to leave out right behind it'
  return { ...word, fault: { start, end: valueStart, reason } }
}

function readBare(text: string, start: number): Pick<Word, 'value' | 'end' | 'fault'> {
  const value = matchAt(BARE, text, start)
  return { value, end: start + value.length }
}

const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', n: '\n', r: '\r', t: '\t' }

function readQuoted(text: string, start: number): Pick<Word, 'value' | 'end' | 'fault'> {
  let value = ''
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at] as string
    if (character === '"') return closed(text, value, at + 1)
    if (character !== '\\') {
      value += character
      continue
    }
    const code = /^u([0-9a-fA-F]{4})/.exec(text.slice(at + 1, at + 6))?.[1]
    const escaped = code === undefined ? ESCAPES[text[at + 1] ?? ''] : String.fromCharCode(Number.parseInt(code, 16))
    if (escaped === undefined) {
      const end = Math.min(text.length, at + 2)
      const reason = 'a backslash in quotation marks stands before ", another backslash, n, r, t or u and four digits'
      return { value, end: endOfWord(text, end), fault: { start: at, end, reason } }
    }
    value += escaped
    at += code === undefined ? 1 : 5
  }
  const reason = 'this quotation mark is never closed'
  return { value, end: text.length, fault: { start, end: start + 1, reason } }
}

/** A value in quotation marks ends its word. */
function closed(text: string, value: string, end: number): Pick<Word, 'value' | 'end' | 'fault'> {
  const behind = endOfWord(text, end)
  if (behind === end) return { value, end }
  const reason = 'a space is missing behind the quotation mark; inside, it is written \\"'
  return { value, end: behind, fault: { start: end, end: end + 1, reason } }
}

function endOfWord(text: string, at: number): number {
  return at + matchAt(BARE, text, at).length
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

/** Why a text can be no value of any key; undefined where it can. */
export function valueFault(value: string): string | undefined {
  if (UNSENDABLE.test(value)) return 'holds characters that are no text'
  return value.length > MAX_LENGTH ? `is longer than ${MAX_LENGTH} characters` : undefined
}

function termOf(text: string, word: Word): FilterTerm & Place {
  const { start, end, excluded, name, value, valueStart, isQuoted } = word
  const rule = name === undefined ? TEXT : BY_NAME.get(name.toLowerCase())
  if (!rule) {
    const keys = [...BY_NAME.keys()].join(', ')
    const keyStart = excluded ? start + 1 : start
    throw invalidQuery(
      text,
      { start: keyStart, end: valueStart },
      `there is no such key; the keys are ${keys}. A text with a colon in it stands in quotation marks`,
    )
  }
  const where = rule === TEXT ? 'this' : `what stands behind "${rule.name}:"`
  const whole = { start: valueStart, end }
  const fault = valueFault(value)
  if (fault) throw invalidQuery(text, whole, `${where} ${fault}`)
  const read = rule.read(value)
  if ('wrong' in read) {
    const offset = isQuoted ? 0 : (read.offset ?? 0)
    throw invalidQuery(text, { start: Math.min(valueStart + offset, end - 1), end }, `${where} ${read.wrong}`)
  }
  return { key: rule.key, value: read.value, excluded, start, end }
}

/** What no word shows by itself. */
function checkTogether(text: string, terms: readonly (FilterTerm & Place)[]): void {
  for (const { key, name } of BY_NAME.values()) checkCount(text, terms, key, `"${name}:"`)
  checkCount(text, terms, 'text', 'text')
  const times = terms.filter((term) => term.key === 'at' && !term.excluded)
  const begins = times.find(({ value }) => value.endsWith('..'))
  const ends = times.find(({ value }) => value.startsWith('..'))
  if (begins && ends) {
    throw invalidQuery(
      text,
      begins.start > ends.start ? begins : ends,
      'two times that are both open are together all times; one range is written at:BEGINNING..END',
    )
  }
}

function checkCount(text: string, terms: readonly (FilterTerm & Place)[], key: FilterTerm['key'], name: string): void {
  for (const excluded of [false, true]) {
    const seen = new Set<string>()
    for (const term of terms) {
      if (term.key !== key || term.excluded !== excluded) continue
      seen.add(term.value)
      if (seen.size > MAX_VALUES) throw invalidQuery(text, term, `${name} has more than ${MAX_VALUES} values`)
    }
  }
}

function invalidQuery(text: string, { start, end }: Place, reason: string): DaybookError {
  // People count characters, not the units of JavaScript.
  const character = [...text.slice(0, start)].length + 1
  return new DaybookError('invalid_filter', `The query is wrong at character ${character}: ${reason}.`, {
    details: { parameter: 'q', start, end, reason },
  })
}
