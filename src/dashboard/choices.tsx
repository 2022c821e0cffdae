import { OUTCOMES } from '../core/event.ts'
import { type Filter, type FilterKey, withoutKey, withoutTerm, withTerm, writeActor } from '../core/filter.ts'
import { printQuery } from '../core/query.ts'
import { actionName, actorName, toneOf } from '../core/sentence.ts'
import type { RecentActor } from '../store/index.ts'
import type { Links } from './links.ts'
import { toneClass } from './sentence.tsx'

/** What there is to choose from. */
export interface Choices {
  readonly actions: readonly string[]
  readonly models: readonly string[]
  readonly actors: readonly RecentActor[]
}

export interface ChoiceListProps {
  readonly filter: Filter
  readonly choices: Choices
  readonly links: Links
}

/** So many people are shown to choose from; the box completes the others. */
const SHOWN_ACTORS = 8

/** What is asked for most, to be switched on and off: each choice is a link to the query that it makes. */
export function ChoiceLists({ filter, choices, links }: ChoiceListProps) {
  const actors = choices.actors.flatMap((actor) => {
    const value = writeActor(actor)
    return value === undefined ? [] : [{ value, label: actorName(actor) }]
  })
  const named = (values: readonly string[], label: (value: string) => string = (value) => value) =>
    values.map((value) => ({ value, label: label(value) }))
  const lists = { filter, links }
  return (
    <div class="filters">
      <ChoiceList {...lists} of="action" name="Action" choices={named(choices.actions, actionName)} dots />
      <ChoiceList {...lists} of="model" name="Model" choices={named(choices.models)} />
      <ChoiceList {...lists} of="actor" name="Lately at work" choices={actors.slice(0, SHOWN_ACTORS)} />
      <ChoiceList {...lists} of="outcome" name="Outcome" choices={named(OUTCOMES, actionName)} />
      <Days filter={filter} links={links} />
    </div>
  )
}

interface Choice {
  readonly value: string
  readonly label: string
}

interface ListProps extends Pick<ChoiceListProps, 'filter' | 'links'> {
  readonly of: FilterKey
  readonly name: string
  readonly choices: readonly Choice[]
  readonly dots?: boolean
}

function ChoiceList({ filter, links, of: key, name, choices, dots = false }: ListProps) {
  const [asked = [], left = []] = [filter[key], filter.not?.[key]] as const
  const chosen = [...asked, ...left].filter((value) => !choices.some((choice) => choice.value === value))
  const all = [...choices, ...chosen.map((value) => ({ value, label: value }))]
  if (all.length === 0) return null
  const to = (value: string, excluded: boolean, isOn: boolean) => {
    const term = { key, value, excluded }
    return links.list({ filter: isOn ? withoutTerm(filter, term) : withTerm(filter, term) })
  }
  return (
    <section class="choices" aria-label={name}>
      <h2>{name}</h2>
      <ul>
        {all.map(({ value, label }) => {
          const isAsked = asked.some((other) => other === value)
          const isLeft = left.some((other) => other === value)
          return (
            <li class={isLeft ? 'not' : undefined}>
              <a href={to(value, false, isAsked)} aria-current={isAsked ? 'true' : undefined}>
                {dots && <i class={`dot ${toneClass(toneOf(value))}`} />}
                <span>{label}</span>
              </a>
              <a
                class="turn"
                href={to(value, true, isLeft)}
                aria-current={isLeft ? 'true' : undefined}
                aria-label={`Exclude ${label}`}
                title="Exclude it"
              >
                −
              </a>
            </li>
          )
        })}
      </ul>
    </section>
  )
}

const DAY = /^\d{4}-\d{2}-\d{2}$/

/** From one day to another: a form, whose answer leads to the query that it means. */
function Days({ filter, links }: Pick<ChoiceListProps, 'filter' | 'links'>) {
  const [range = '', ...others] = filter.at ?? []
  const [from = '', to = from] = others.length > 0 ? [] : range.split('..')
  return (
    <form class="days" method="get" action={links.list({ filter: {} })} aria-label="Days">
      <h2>Days (UTC)</h2>
      <input type="hidden" name="q" value={printQuery(withoutKey(filter, 'at'))} />
      <label>
        <span>From</span>
        <input type="date" name="from" value={DAY.test(from) ? from : ''} />
      </label>
      <label>
        <span>To, included</span>
        <input type="date" name="to" value={DAY.test(to) ? to : ''} />
      </label>
      <button class="btn" type="submit">
        Show these days
      </button>
    </form>
  )
}
