import { OUTCOMES } from '../core/event.ts'
import { FILTER_PARAMETERS, type Filter, type FilterKey, writeActor } from '../core/filter.ts'
import { actionName, actorName, toneOf } from '../core/sentence.ts'
import type { RecentActor } from '../store/index.ts'
import { type Links, withoutValue } from './links.ts'
import { toneClass } from './sentence.tsx'
import { dateOf, daysBefore } from './time.ts'

/** What there is to choose from. */
export interface Choices {
  readonly actions: readonly string[]
  readonly models: readonly string[]
  readonly actors: readonly RecentActor[]
}

export interface FilterFormProps {
  readonly filter: Filter
  readonly choices: Choices
  readonly links: Links
}

/** Parts that have no field of their own in the form: they come from links, show as chips, and stay when the form is sent. */
const LINKED: readonly FilterKey[] = ['objectId', 'request', 'transaction', 'statement']

/** Every filter as a plain form that asks for the list's own URL. */
export function FilterForm({ filter, choices, links }: FilterFormProps) {
  return (
    <form class="filters" id="filters" method="get" action={links.list({ filter: {} })}>
      {LINKED.flatMap((key) =>
        valuesOf(filter, key).map((value) => <input type="hidden" name={nameOf(key)} value={value} />),
      )}
      <Checks
        name="action"
        legend="Action"
        values={withChosen(choices.actions, filter.action)}
        chosen={filter.action}
        label={actionName}
        dots
      />
      <Checks name="model" legend="Model" values={withChosen(choices.models, filter.model)} chosen={filter.model} />
      <Field label="Actor" name="actor" value={filter.actor} placeholder="name, id or user:7" list="actors" />
      <datalist id="actors">
        {choices.actors.map((actor) => (
          <option value={actor.actorLabel ?? writeActor(actor)}>{actorName(actor)}</option>
        ))}
      </datalist>
      <Checks name="outcome" legend="Outcome" values={OUTCOMES} chosen={filter.outcome} label={actionName} />
      <fieldset class="range">
        <legend>Time (UTC)</legend>
        <label>
          <span>From</span>
          <input type="text" inputmode="numeric" name="from" value={filter.from ?? ''} placeholder="2026-11-01" />
        </label>
        <label>
          <span>To, included</span>
          <input type="text" inputmode="numeric" name="to" value={filter.to ?? ''} placeholder="2026-11-23" />
        </label>
      </fieldset>
      <Field label="Object" name="object" value={filter.object} placeholder="id or part of its name" />
      <Field label="Address" name="ip" value={filter.ip} placeholder="203.0.113.0/24" />
      <div class="actions">
        <button class="btn main" type="submit">
          Apply filters
        </button>
        <a class="btn quiet" href={links.list({ filter: {} })}>
          Clear
        </a>
      </div>
    </form>
  )
}

interface ChecksProps {
  readonly name: string
  readonly legend: string
  readonly values: readonly string[]
  readonly chosen: readonly string[] | undefined
  readonly label?: (value: string) => string
  readonly dots?: boolean
}

function Checks({ name, legend, values, chosen = [], label = (value) => value, dots = false }: ChecksProps) {
  if (values.length === 0) return null
  return (
    <fieldset class="checks">
      <legend>{legend}</legend>
      <div>
        {values.map((value) => (
          <label>
            <input type="checkbox" name={name} value={value} checked={chosen.includes(value)} />
            {dots && <i class={`dot ${toneClass(toneOf(value))}`} />}
            <span>{label(value)}</span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

interface FieldProps {
  readonly label: string
  readonly name: string
  readonly value: readonly string[] | undefined
  readonly placeholder: string
  readonly list?: string
}

/** One field; further values of the same part stay as they are. */
function Field({ label, name, value = [], placeholder, list }: FieldProps) {
  const [first = '', ...others] = value
  return (
    <label class="one">
      <span>{label}</span>
      <input
        type="text"
        name={name}
        value={first}
        placeholder={placeholder}
        list={list}
        autocomplete="off"
        spellcheck={false}
      />
      {others.map((other) => (
        <input type="hidden" name={name} value={other} />
      ))}
    </label>
  )
}

/** The search over labels, which stands above the list and belongs to the form. */
export function SearchField({ filter }: { readonly filter: Filter }) {
  const [first = '', ...others] = filter.text ?? []
  return (
    <>
      <input
        type="search"
        name="text"
        form="filters"
        value={first}
        aria-label="Search names of objects and people"
        placeholder="Search names of objects and people"
        autocomplete="off"
        spellcheck={false}
      />
      {others.map((other) => (
        <input type="hidden" name="text" form="filters" value={other} />
      ))}
      <button class="btn" type="submit" form="filters">
        Search
      </button>
    </>
  )
}

/** What is filtered by, each value with a way to drop it. */
export function Chips({ filter, links }: { readonly filter: Filter; readonly links: Links }) {
  const chips = FILTER_PARAMETERS.flatMap(({ key }) => valuesOf(filter, key).map((value) => ({ key, value })))
  if (chips.length === 0) return null
  return (
    <ul class="chips" aria-label="Active filters">
      {chips.map(({ key, value }) => (
        <li class="chip">
          <span class="key">{CHIP_NAMES[key]}</span> <span class="value">{chipText(key, value)}</span>
          <a
            href={links.list({ filter: withoutValue(filter, key, value) })}
            aria-label={`Remove ${CHIP_NAMES[key]} ${chipText(key, value)}`}
          >
            ×
          </a>
        </li>
      ))}
      <li>
        <a class="clear" href={links.list({ filter: {} })}>
          Clear all
        </a>
      </li>
    </ul>
  )
}

const CHIP_NAMES: Readonly<Record<FilterKey, string>> = {
  actor: 'actor',
  model: 'model',
  action: 'action',
  outcome: 'outcome',
  from: 'from',
  to: 'to',
  object: 'object',
  objectId: 'object id',
  ip: 'address',
  request: 'request',
  transaction: 'transaction',
  statement: 'statement',
  text: 'search',
}

function chipText(key: FilterKey, value: string): string {
  if (key === 'action') return actionName(value)
  return key === 'from' || key === 'to' ? value.replace('T', ' ').replace('Z', ' UTC') : value
}

/** Time ranges that are asked for most, as links. */
export function QuickRanges({
  filter,
  links,
  now,
}: {
  readonly filter: Filter
  readonly links: Links
  readonly now: Date
}) {
  const { from, to, ...others } = filter
  const ranges: readonly (readonly [string, string | undefined])[] = [
    ['Today', dateOf(now)],
    ['7 days', daysBefore(now, 6)],
    ['30 days', daysBefore(now, 29)],
    ['All time', undefined],
  ]
  return (
    <nav class="ranges" aria-label="Time range">
      {ranges.map(([name, start]) => (
        <a
          href={links.list({ filter: start === undefined ? others : { ...others, from: start } })}
          aria-current={from === start && to === undefined ? 'true' : undefined}
        >
          {name}
        </a>
      ))}
    </nav>
  )
}

function nameOf(key: FilterKey): string {
  return FILTER_PARAMETERS.find((parameter) => parameter.key === key)?.name ?? key
}

function valuesOf(filter: Filter, key: FilterKey): readonly string[] {
  const values = filter[key]
  return values === undefined ? [] : typeof values === 'string' ? [values] : values
}

function withChosen(values: readonly string[], chosen: readonly string[] = []): readonly string[] {
  return [...values, ...chosen.filter((value) => !values.includes(value))]
}
