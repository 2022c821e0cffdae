import { OUTCOMES } from '../core/event.ts'
import { FILTER_KEYS, type KeyRule } from '../core/filter.ts'
import { type Place, printTerm, typingAt, valueFault } from '../core/query.ts'
import { actionName } from '../core/sentence.ts'
import type { Suggestion } from '../store/index.ts'
import { dateOf, daysBefore } from './time.ts'
import type { Visit } from './visit.ts'

/** One way to go on with a query. */
export interface Completion {
  /** What takes the place of the word that is being typed. */
  readonly text: string
  /** What stands for it in a list. */
  readonly label: string
  /** What it is, quietly beside it. */
  readonly note?: string
}

/** Completions of one word of a query. */
export interface Completions extends Place {
  readonly completions: readonly Completion[]
}

/** So many completions of a word without a key are of values. */
const MAX_VALUES = 6

/** `/suggest?q=…&place=…`: how the word at a place of a text can go on, as JSON. */
export async function suggestRoute(visit: Visit): Promise<Response> {
  const { searchParams } = visit.url
  const text = searchParams.get('q') ?? ''
  const given = searchParams.get('place') ?? ''
  const place = /^\d{1,6}$/.test(given) ? Math.min(Number(given), text.length) : text.length
  const { start, end, excluded, rule, typed } = typingAt(text, place)
  const isQuoted = /^-?"/.test(text.slice(start, end))
  // What can be no value of the log is not looked for.
  const isLookedFor = valueFault(typed) === undefined
  const completions = !isLookedFor
    ? []
    : rule
      ? await valuesOf(visit, rule, typed, excluded)
      : [...(isQuoted ? [] : keysFor(typed, excluded)), ...(await valuesFor(visit, typed, excluded))]
  return Response.json({ start, end, completions } satisfies Completions)
}

function keysFor(typed: string, excluded: boolean): readonly Completion[] {
  return FILTER_KEYS.filter(({ key, name }) => key !== 'text' && name.startsWith(typed.toLowerCase())).map(
    ({ name, description }) => ({ text: `${excluded ? '-' : ''}${name}:`, label: `${name}:`, note: description }),
  )
}

/** Values of the keys that people name by their values, for a word that is none yet. */
async function valuesFor(visit: Visit, typed: string, excluded: boolean): Promise<readonly Completion[]> {
  if (typed.length < 2) return []
  const rules = FILTER_KEYS.filter(({ key }) => key === 'actor' || key === 'action' || key === 'model')
  const found = await Promise.all(rules.map((rule) => valuesOf(visit, rule, typed, excluded)))
  return found
    .flatMap((completions, index) => completions.map((one) => ({ ...one, note: one.note ?? rules[index]?.name ?? '' })))
    .slice(0, MAX_VALUES)
}

async function valuesOf({ store, now }: Visit, rule: KeyRule, typed: string, excluded: boolean) {
  const { key } = rule
  const found =
    key === 'outcome' || key === 'at'
      ? fixed(key, now).filter(({ value }) => value.startsWith(typed))
      : await store.suggestions(key, typed)
  return found.map(({ value, label }): Completion => {
    const called = label ?? (key === 'action' ? actionName(value) : value)
    return {
      text: printTerm({ key, value, excluded }),
      label: called,
      ...(called !== value && { note: value }),
    }
  })
}

function fixed(key: 'outcome' | 'at', now: Date): readonly Suggestion[] {
  if (key === 'outcome') return OUTCOMES.map((value) => ({ value }))
  const today = dateOf(now)
  return [
    { value: '-1h..', label: 'the last hour' },
    { value: '-24h..', label: 'the last 24 hours' },
    { value: '-7d..', label: 'the last 7 days' },
    { value: '-30d..', label: 'the last 30 days' },
    { value: today, label: 'today' },
    { value: daysBefore(now, 1), label: 'yesterday' },
    { value: today.slice(0, 7), label: 'this month' },
    { value: `${daysBefore(now, 7)}..${today}`, label: 'from one day to another' },
  ]
}
