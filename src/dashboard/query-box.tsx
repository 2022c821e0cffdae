import { type Filter, type FilterTerm, termsOf, withoutKey, withoutTerm, withTerm } from '../core/filter.ts'
import { type Place, printQuery, printTerm } from '../core/query.ts'
import { actionName } from '../core/sentence.ts'
import type { Links } from './links.ts'
import { dateOf } from './time.ts'

export interface QueryBoxProps {
  /** The query as it is, or as it was typed where it is none. */
  readonly text: string
  readonly links: Links
  /** Where in the text it is wrong; the element with the id `fault` says how. */
  readonly fault?: Place
}

/** The field for the query. With the script it completes keys and values. */
export function QueryBox({ text, links, fault }: QueryBoxProps) {
  return (
    <form class="query" method="get" action={links.list({ filter: {} })} data-suggest={links.suggest}>
      <input
        type="text"
        inputmode="search"
        enterkeyhint="search"
        name="q"
        value={text}
        aria-label="Query"
        aria-invalid={fault ? 'true' : undefined}
        aria-describedby={fault ? 'fault' : undefined}
        data-start={fault?.start}
        data-end={fault?.end}
        placeholder="actor:ada  model:Invoice  -action:login  at:-24h..  or a name"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
      />
      <button class="btn" type="submit">
        Search
      </button>
    </form>
  )
}

/** A text that is no query, with the place where it is wrong. */
export function Fault({ text, fault: { start, end } }: { readonly text: string; readonly fault: Place }) {
  return (
    <pre class="fault">
      {text.slice(0, start)}
      <mark>{text.slice(start, end)}</mark>
      {text.slice(end)}
    </pre>
  )
}

interface FilterProps {
  readonly filter: Filter
  readonly links: Links
}

/** What a value stands for, as people call it; undefined where that is not known. */
export type NameOf = (term: FilterTerm) => string | undefined

/** The query once more, a value each, with ways to turn it round and to drop it. */
export function Chips({ filter, links, nameOf }: FilterProps & { readonly nameOf: NameOf }) {
  const terms = termsOf(filter)
  if (terms.length === 0) return null
  const to = (changed: Filter) => links.list({ filter: changed })
  return (
    <ul class="chips" aria-label="Active filters">
      {terms
        .map((term) => ({ ...term, text: nameOf(term) ?? chipText(term) }))
        .map(({ text, ...term }) => (
          <li class={term.excluded ? 'chip not' : 'chip'}>
            <span class="key">
              {term.excluded && 'not '}
              {chipName(term)}
            </span>{' '}
            <span class="value" title={term.value}>
              {text}
            </span>
            <a
              class="turn"
              href={to(withTerm(filter, { ...term, excluded: !term.excluded }))}
              aria-label={`${term.excluded ? 'Include' : 'Exclude'} ${chipName(term)} ${text}`}
              title={term.excluded ? 'Include it' : 'Exclude it'}
            >
              {term.excluded ? '+' : '−'}
            </a>
            <a
              href={to(withoutTerm(filter, term))}
              aria-label={`Remove ${printTerm(term)}`}
              title="Remove it from the query"
            >
              ×
            </a>
          </li>
        ))}
      <li>
        <a class="clear" href={to({})}>
          Clear all
        </a>
      </li>
    </ul>
  )
}

function chipName({ key }: FilterTerm): string {
  return { objectId: 'object id', ip: 'address', text: 'text', at: 'time' }[key as string] ?? key
}

function chipText({ key, value }: FilterTerm): string {
  if (key === 'action' && !value.endsWith('.*')) return actionName(value)
  return key === 'at' ? rangeText(value) : value
}

const UNITS: Readonly<Record<string, string>> = { m: 'minute', h: 'hour', d: 'day', w: 'week' }

function rangeText(range: string): string {
  const [, count = '', unit = ''] = /^-(\d+)([mhdw])\.\.$/.exec(range) ?? []
  if (count !== '') return `last ${count === '1' ? '' : `${count} `}${UNITS[unit]}${count === '1' ? '' : 's'}`
  const [from, to] = range.split('..').map((moment) => moment.replace('T', ' ').replace('Z', ' UTC'))
  if (to === undefined) return range
  if (from === '') return `until ${to}`
  return to === '' ? `since ${from}` : `${from} to ${to}`
}

/** Ranges of time that are asked for most, as links. */
export function QuickRanges({ filter, links, now }: FilterProps & { readonly now: Date }) {
  const ranges: readonly (readonly [string, string | undefined])[] = [
    ['Today', dateOf(now)],
    ['24 hours', '-24h..'],
    ['7 days', '-7d..'],
    ['30 days', '-30d..'],
    ['All time', undefined],
  ]
  const others = withoutKey(filter, 'at')
  const here = printQuery(filter)
  return (
    <nav class="ranges" aria-label="Time range">
      {ranges.map(([name, range]) => {
        const ranged = range === undefined ? others : withTerm(others, { key: 'at', value: range, excluded: false })
        return (
          <a href={links.list({ filter: ranged })} aria-current={printQuery(ranged) === here ? 'true' : undefined}>
            {name}
          </a>
        )
      })}
    </nav>
  )
}
