import ipaddr from 'ipaddr.js'
import { ACTOR_TYPES, type ActorType } from './context.ts'
import { OUTCOMES, type Outcome } from './event.ts'
import { pinTimeRange, type Read, readTimeRange, type TimeBounds, timeBounds } from './time-range.ts'

/** Values by what they are asked of. Values of one key are joined by "or", keys by "and". */
export interface FilterParts {
  /** Who: `user:7` is exactly the one of that type and id, a bare type such as `anonymous` all of it; else an id or a whole label, in any case of letters. */
  readonly actor?: readonly string[]
  /** The name of a tracked table. */
  readonly model?: readonly string[]
  /** An object by its whole id or by a part of its label. */
  readonly object?: readonly string[]
  /** Exactly the object with this id; `model` narrows it to one model. */
  readonly objectId?: readonly string[]
  /** An action, or all that begin with a word: `invoice.*`. */
  readonly action?: readonly string[]
  readonly outcome?: readonly Outcome[]
  /** A field that has a value before or after: of an update, one that changed. */
  readonly field?: readonly string[]
  /** An address, or a network such as `203.0.113.0/24`. */
  readonly ip?: readonly string[]
  readonly request?: readonly string[]
  readonly transaction?: readonly string[]
  readonly statement?: readonly string[]
  readonly tenant?: readonly string[]
  /** Ranges of time in UTC: `2026-11-23`, `2026-11-01..2026-11-07`, `-24h..`. A day, month or year at the end is included, a time is not. */
  readonly at?: readonly string[]
  /** Parts of the label of the object, of the actor or of the related object. Unlike other values, all of them must be found. */
  readonly text?: readonly string[]
}

/** Which entries are asked for; no part: every entry. People write it as a query: see `parseQuery`. */
export interface Filter extends FilterParts {
  /** What is left out: entries that any of these values is true of. */
  readonly not?: FilterParts
}

export type FilterKey = keyof FilterParts

/** One value of a filter. */
export interface FilterTerm {
  readonly key: FilterKey
  readonly value: string
  readonly excluded: boolean
}

/** One key of a filter: what it is called, what it is, and how a value is checked and brought to its one form. */
export interface KeyRule {
  readonly key: FilterKey
  /** As a query, the log's columns and the glossary call it. */
  readonly name: string
  readonly description: string
  readonly read: (value: string) => Read
}

/** The keys of a filter in their one order. Text has no name in a query: it is what stands there without a key. */
export const FILTER_KEYS: readonly KeyRule[] = [
  { key: 'actor', name: 'actor', description: 'who: an id, a label, TYPE:ID or a type', read: trimmed },
  { key: 'model', name: 'model', description: 'the name of a tracked table', read: asItIs },
  { key: 'object', name: 'object', description: "an object's id, or a part of its label", read: trimmed },
  { key: 'objectId', name: 'object-id', description: "exactly an object's id", read: asItIs },
  { key: 'action', name: 'action', description: 'create, login, invoice.approved, invoice.*, …', read: readAction },
  { key: 'outcome', name: 'outcome', description: OUTCOMES.join(', '), read: readOutcome },
  { key: 'field', name: 'field', description: 'a field that changed', read: asItIs },
  { key: 'ip', name: 'ip', description: 'an address, or a network such as 203.0.113.0/24', read: readAddress },
  { key: 'request', name: 'request', description: 'the id of a request', read: asItIs },
  {
    key: 'transaction',
    name: 'transaction',
    description: "the database's number of a transaction",
    read: readNumber,
  },
  { key: 'statement', name: 'statement', description: "the id of a statement's first entry", read: readNumber },
  { key: 'tenant', name: 'tenant', description: 'the tenant that it was done for', read: asItIs },
  { key: 'at', name: 'at', description: 'when: 2026-11-23, 2026-11-01..2026-11-07, -24h..', read: readTimeRange },
  { key: 'text', name: 'text', description: 'a part of a label of object, actor or related object', read: trimmed },
]

/** Whether a filter has no part, so that every entry is in it. */
export function isEmptyFilter(filter: Filter): boolean {
  return termsOf(filter).length === 0
}

/** Every value of a filter, in the one order of their keys: what is asked for, then what is left out. */
export function termsOf(filter: Filter): readonly FilterTerm[] {
  const terms = (parts: FilterParts, excluded: boolean) =>
    FILTER_KEYS.flatMap(({ key }) => (parts[key] ?? []).map((value): FilterTerm => ({ key, value, excluded })))
  const [asked, left] = [terms(filter, false), terms(filter.not ?? {}, true)]
  return FILTER_KEYS.flatMap(({ key }) => [...asked, ...left].filter((term) => term.key === key))
}

/** The filter of some values, each once and in its one place. */
export function filterOf(terms: readonly FilterTerm[]): Filter {
  const parts = (excluded: boolean): FilterParts => {
    const found: { [K in FilterKey]?: readonly string[] } = {}
    for (const { key } of FILTER_KEYS) {
      const values = terms.filter((term) => term.key === key && term.excluded === excluded).map(({ value }) => value)
      if (values.length > 0) found[key] = [...new Set(values)].sort()
    }
    return found as FilterParts
  }
  const not = parts(true)
  return { ...parts(false), ...(Object.keys(not).length > 0 && { not }) }
}

/** A filter with one value more. What was said of the same value before is over. */
export function withTerm(filter: Filter, term: FilterTerm): Filter {
  return filterOf([...termsOf(filter).filter((other) => !isSameValue(other, term)), term])
}

/** A filter with one value in place of all that were asked for under its key: what a click on a value means. */
export function narrowedTo(filter: Filter, term: FilterTerm): Filter {
  // Each text narrows by itself.
  const isReplaced = (other: FilterTerm) => other.key === term.key && !other.excluded && term.key !== 'text'
  return withTerm(filterOf(termsOf(filter).filter((other) => !isReplaced(other))), term)
}

/** A filter without one value. */
export function withoutTerm(filter: Filter, term: FilterTerm): Filter {
  return filterOf(termsOf(filter).filter((other) => !isSameValue(other, term) || other.excluded !== term.excluded))
}

/** A filter without anything of one key, asked for or left out. */
export function withoutKey(filter: Filter, key: FilterKey): Filter {
  return filterOf(termsOf(filter).filter((other) => other.key !== key))
}

function isSameValue(one: FilterTerm, other: FilterTerm): boolean {
  return one.key === other.key && one.value === other.value
}

/** The ranges of time that are asked for, as moments; none where all times are. */
export function timesOf({ at = [] }: FilterParts, now: Date): readonly TimeBounds[] {
  return at.map((range) => timeBounds(range, now))
}

/** The same filter with moments in place of what is relative to now, so that it still says later what was asked for. */
export function pinTimes(filter: Filter, now: Date): Filter {
  return filterOf(
    termsOf(filter).map((term) => (term.key === 'at' ? { ...term, value: pinTimeRange(term.value, now) } : term)),
  )
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
export function needsSearch({ not, actor, object, field, tenant, text }: Filter): boolean {
  const isExact = actor?.every((value) => isExactActor(readActor(value))) ?? true
  return !isExact || [not, object, field, tenant, text].some((part) => part !== undefined)
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
  const value = given.trim()
  return value === '' ? { wrong: 'is empty' } : { value }
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
