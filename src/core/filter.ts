import ipaddr from 'ipaddr.js'
import { ACTOR_TYPES, type ActorType } from './context.ts'
import { DaybookError } from './errors.ts'
import { OUTCOMES, type Outcome } from './event.ts'

/**
 * Which entries are asked for. Several values of one part are joined by "or", the parts by "and"; no part: every entry.
 * Written the same in a URL (`?action=update&action=delete`) and as flags (`--action update --action delete`).
 */
export interface Filter {
  /** Who: `user:7` is exactly the one of that type and id, a bare type such as `anonymous` all of it; else an id or a whole label, in any case of letters. */
  readonly actor?: readonly string[]
  readonly model?: readonly string[]
  /** An action, or all that begin with a word: `invoice.*`. */
  readonly action?: readonly string[]
  readonly outcome?: readonly Outcome[]
  /** Inclusive: a date (its midnight, UTC), or a date and time. */
  readonly from?: string
  /** Exclusive for a date and time; a date alone includes that day. */
  readonly to?: string
  /** An object by its whole id or by a part of its label. */
  readonly object?: readonly string[]
  /** Exactly the object with this id; `model` narrows it to one model. */
  readonly objectId?: readonly string[]
  /** An address, or a network such as `203.0.113.0/24`. */
  readonly ip?: readonly string[]
  readonly request?: readonly string[]
  readonly transaction?: readonly string[]
  readonly statement?: readonly string[]
  /** A part of the label of the object, of the actor or of the related object. */
  readonly text?: readonly string[]
}

export type FilterKey = keyof Filter

/** One part of a filter: its name in URLs and flags, what it is, and how a value is checked and brought to its one form. */
export interface FilterParameter {
  readonly key: FilterKey
  readonly name: string
  readonly description: string
  readonly single?: true
  /** The value in its one form, or what is wrong with it. */
  readonly read: (value: string) => { readonly value: string } | { readonly wrong: string }
}

const MAX_VALUES = 50
const MAX_LENGTH = 2048
// PostgreSQL takes neither in a text.
const UNSENDABLE = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/

/** The parts of a filter in their one order. */
export const FILTER_PARAMETERS: readonly FilterParameter[] = [
  { key: 'text', name: 'text', description: 'a part of a label of object, actor or related object', read: trimmed },
  { key: 'actor', name: 'actor', description: 'who: an id, a label, or exactly TYPE:ID', read: trimmed },
  { key: 'model', name: 'model', description: 'the name that a tracked table is known by', read: asItIs },
  { key: 'object', name: 'object', description: "an object's id, or a part of its label", read: trimmed },
  { key: 'objectId', name: 'object-id', description: "exactly an object's id", read: asItIs },
  {
    key: 'action',
    name: 'action',
    description: 'create, update, login, invoice.approved, invoice.*, …',
    read: readAction,
  },
  { key: 'outcome', name: 'outcome', description: OUTCOMES.join(', '), read: readOutcome },
  { key: 'ip', name: 'ip', description: 'an address or a network (CIDR)', read: readAddress },
  { key: 'request', name: 'request', description: 'the id of a request', read: asItIs },
  { key: 'transaction', name: 'transaction', description: "the database's number of a transaction", read: readNumber },
  { key: 'statement', name: 'statement', description: "the id of a statement's first entry", read: readNumber },
  { key: 'from', name: 'from', description: 'a date or time (UTC), inclusive', single: true, read: readTime },
  {
    key: 'to',
    name: 'to',
    description: 'a time, exclusive, or a date, which is included',
    single: true,
    read: readTime,
  },
]

const BY_name = new Map(FILTER_PARAMETERS.map((parameter) => [parameter.name, parameter]))

/**
 * The filter that the parameters of a URL (or flags, brought to the same words) say. Empty values are left out.
 *
 * @param besides names of other parameters of the same URL, which are passed over.
 * @throws DaybookError `invalid_filter` with `details.parameter` and `details.reason`.
 */
export function parseFilter(params: URLSearchParams, besides: readonly string[] = []): Filter {
  const found: { [K in FilterKey]?: string[] } = {}
  for (const [name, given] of params) {
    if (besides.includes(name)) continue
    const parameter = BY_name.get(name)
    if (!parameter) {
      const known = FILTER_PARAMETERS.map((known) => known.name).join(', ')
      throw invalidFilter(printable(name), `is not a part of a filter; these are: ${known}`)
    }
    if (given.trim() === '') continue
    if (UNSENDABLE.test(given)) throw invalidFilter(name, 'holds characters that are no text')
    if (given.length > MAX_LENGTH) throw invalidFilter(name, `is longer than ${MAX_LENGTH} characters`)
    const read = parameter.read(given)
    if ('wrong' in read) throw invalidFilter(name, read.wrong)
    found[parameter.key] ??= []
    const values = found[parameter.key] as string[]
    if (values.includes(read.value)) continue
    if (parameter.single && values.length > 0) throw invalidFilter(name, 'can be given once')
    if (values.length >= MAX_VALUES) throw invalidFilter(name, `has more than ${MAX_VALUES} values`)
    values.push(read.value)
  }
  const filter: Record<string, unknown> = {}
  for (const { key, single } of FILTER_PARAMETERS) {
    const values = found[key]
    if (values) filter[key] = single ? values[0] : values
  }
  refuseEmptyRange(filter as Filter)
  return filter as Filter
}

/** The filter as the parameters of a URL, each part in its one form and place. */
export function writeFilter(filter: Filter): URLSearchParams {
  const params = new URLSearchParams()
  for (const { key, name } of FILTER_PARAMETERS) {
    const values = filter[key]
    if (values === undefined) continue
    for (const value of typeof values === 'string' ? [values] : values) params.append(name, value)
  }
  return params
}

/** Whether a filter has no part, so that every entry is in it. */
export function isEmptyFilter(filter: Filter): boolean {
  return FILTER_PARAMETERS.every(({ key }) => filter[key] === undefined)
}

/** The time range of a filter as two moments (ISO 8601, UTC): `from` inclusive, `to` exclusive. */
export function timeRange(filter: Filter): { readonly from?: string; readonly to?: string } {
  return {
    ...(filter.from !== undefined && { from: startOf(filter.from) }),
    ...(filter.to !== undefined && { to: endOf(filter.to) }),
  }
}

/** What one value of `actor` asks for. */
export type ActorQuery = { readonly type: ActorType | 'unknown'; readonly id?: string } | { readonly idOrLabel: string }

/** Whether a value of `actor` asks for one actor by type and id. */
export function isExactActor(
  query: ActorQuery,
): query is { readonly type: ActorType | 'unknown'; readonly id: string } {
  return 'id' in query
}

/** Whether a filter has a part that no index answers: entries must be looked at, from the newest back. */
export function needsSearch(filter: Filter): boolean {
  const actors = filter.actor?.map(readActor) ?? []
  return filter.text !== undefined || filter.object !== undefined || !actors.every(isExactActor)
}

/** Reads one value of `actor`. */
export function readActor(value: string): ActorQuery {
  const [, type, id] = /^([a-z]+)(?::(.+))?$/s.exec(value) ?? []
  if (type !== undefined && isActorType(type)) return id === undefined ? { type } : { type, id }
  return { idOrLabel: value }
}

/** An actor as a value of `actor`, exact where there is an id; undefined where nothing is known. */
export function writeActor(entry: {
  readonly actorType: string
  readonly actorId: string | null
  readonly actorLabel: string | null
}): string | undefined {
  if (entry.actorId !== null && entry.actorId !== '') return `${entry.actorType}:${entry.actorId}`
  return entry.actorLabel ?? entry.actorType
}

function isActorType(text: string): text is ActorType | 'unknown' {
  return text === 'unknown' || (ACTOR_TYPES as readonly string[]).includes(text)
}

function asItIs(value: string) {
  return { value }
}

function trimmed(given: string) {
  return { value: given.trim() }
}

function readAction(given: string) {
  const value = given.trim()
  if (value.length <= 64 && /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?$/.test(value)) return { value }
  return { wrong: 'is not an action: lower-case words joined by "." or "_", such as update or invoice.approved' }
}

function readOutcome(given: string) {
  const value = given.trim()
  if ((OUTCOMES as readonly string[]).includes(value)) return { value }
  return { wrong: `is not an outcome: ${OUTCOMES.join(', ')}` }
}

function readNumber(given: string) {
  const value = given.trim()
  if (/^(0|[1-9]\d{0,18})$/.test(value) && BigInt(value) < 2n ** 63n) return { value }
  return { wrong: 'is not a number of the log: digits alone, below 2^63' }
}

function readAddress(given: string) {
  const wrong = 'is not an address or network, such as 203.0.113.9, 203.0.113.0/24 or 2001:db8::/32'
  const [address = '', prefix, ...rest] = given.trim().split('/')
  const parsed = parseAddress(address)
  if (!parsed || rest.length > 0) return { wrong }
  if (prefix === undefined) return { value: parsed.toString() }
  const bits = parsed.kind() === 'ipv4' ? 32 : 128
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) return { wrong }
  const cidr = `${parsed.toString()}/${Number(prefix)}`
  const network = parsed.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6
  return { value: `${network.networkAddressFromCIDR(cidr).toString()}/${Number(prefix)}` }
}

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}

const DATE = /^\d{4}-\d{2}-\d{2}$/
const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,6}))?)?(?: ?([Zz]|[+\- ]\d{2}:?\d{2}))?$/

/** A date stays as it is; a date and time is brought to UTC, to the microsecond. */
function readTime(given: string) {
  const value = given.trim()
  const wrong = 'is not a date or time, such as 2026-11-23, 2026-11-23T14:30 or 2026-11-23T14:30:00+02:00'
  if (isDate(value)) return isRealDate(value) ? { value } : { wrong: 'is not a date of the calendar' }
  const parts = DATE_TIME.exec(value)
  if (!parts) return { wrong }
  const [, date = '', minutes = '', seconds = '00', fraction = '', zone = 'Z'] = parts
  if (!isRealDate(date)) return { wrong: 'is not a date of the calendar' }
  // A plus sign that was not escaped arrives in a URL as a space.
  const offset = zone.replace(' ', '+').toUpperCase()
  const moment = new Date(
    `${date}T${minutes}:${seconds}${offset.length === 5 ? `${offset.slice(0, 3)}:${offset.slice(3)}` : offset}`,
  )
  if (Number.isNaN(moment.getTime())) return { wrong }
  const whole = moment.toISOString()
  if (!/^\d{4}-/.test(whole) || whole.startsWith('0000')) return { wrong: 'is not a date of the calendar' }
  const digits = fraction.replace(/0+$/, '')
  return { value: `${whole.slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z` }
}

function isDate(value: string): boolean {
  return DATE.test(value)
}

function isRealDate(date: string): boolean {
  const moment = new Date(`${date}T00:00:00Z`)
  return !date.startsWith('0000') && !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(date)
}

function startOf(time: string): string {
  return isDate(time) ? `${time}T00:00:00Z` : time
}

function endOf(time: string): string {
  if (!isDate(time)) return time
  // The day after it has a year of five digits.
  if (time === '9999-12-31') return 'infinity'
  const next = new Date(Date.parse(`${time}T00:00:00Z`) + 86_400_000)
  return startOf(next.toISOString().slice(0, 10))
}

function refuseEmptyRange(filter: Filter): void {
  const { from, to } = timeRange(filter)
  if (from === undefined || to === undefined) return
  // Without the Z, texts with and without a fraction of a second sort as the moments do.
  if (from.replace('Z', '') >= to.replace('Z', '')) throw invalidFilter('to', 'must be later than "from"')
}

function invalidFilter(parameter: string, reason: string): DaybookError {
  return new DaybookError('invalid_filter', `The filter can't be used: "${parameter}" ${reason}.`, {
    details: { parameter, reason },
  })
}

/** A parameter's name comes from outside: for a message it is cut, and what is not printable replaced. */
function printable(name: string): string {
  const clean = name.replace(/[^\x20-\x7e]/g, '?')
  return clean.length <= 40 ? clean : `${clean.slice(0, 39)}…`
}
