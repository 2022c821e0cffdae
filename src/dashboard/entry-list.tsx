import type { Entry } from '../core/entry.ts'
import { actorName, describeEntry } from '../core/sentence.ts'
import { initials, originLine } from './origin.ts'
import { Sentence } from './sentence.tsx'
import { clockTime, dateOf, dayName, nearDay } from './time.ts'

export interface EntryListProps {
  readonly entries: readonly Entry[]
  readonly now: Date
  readonly selected?: string | undefined
  readonly linkTo: (entry: Entry) => string
}

/** Entries under a heading for each day (UTC), one sentence each. */
export function EntryList({ entries, now, selected, linkTo }: EntryListProps) {
  return (
    <>
      {byDay(entries).map(({ date, of }) => (
        <section class="day">
          <h2>
            {dayName(of[0].recordedAt)}
            {nearDay(date, now) && <small>{nearDay(date, now)}</small>}
          </h2>
          <ol>
            {of.map((entry) => (
              <Row entry={entry} href={linkTo(entry)} selected={entry.id === selected} />
            ))}
          </ol>
        </section>
      ))}
    </>
  )
}

function Row({ entry, href, selected }: { readonly entry: Entry; readonly href: string; readonly selected: boolean }) {
  return (
    <li id={`e${entry.id}`}>
      <a class="row" href={href} aria-current={selected ? 'true' : undefined}>
        <time datetime={entry.recordedAt.toISOString()}>{clockTime(entry.recordedAt)}</time>
        <Face entry={entry} />
        <span class="say">
          <Sentence parts={describeEntry(entry)} />
          <Outcome entry={entry} />
          <small>{originLine(entry)}</small>
        </span>
        <span class="tag">{entryNumber(entry.id)}</span>
      </a>
    </li>
  )
}

/** Whether what was tried came about, where it did not. */
export function Outcome({ entry }: { readonly entry: Entry }) {
  return entry.outcome === 'success' ? null : <span class={`outcome ${entry.outcome}`}>{entry.outcome}</span>
}

/** The picture of an actor: initials of a person, a square with a word for everything else. */
export function Face({ entry }: { readonly entry: Entry }) {
  const person = entry.actorType === 'user' || entry.actorType === 'anonymous'
  return (
    <span class={person ? 'face' : 'face sys'} aria-hidden="true" title={actorName(entry)}>
      {initials(entry)}
    </span>
  )
}

/** An id as it is read out, such as `#48 213`. */
export function entryNumber(id: string): string {
  return `#${id.replace(/\B(?=(\d{3})+$)/g, '\u2009')}`
}

interface Day {
  readonly date: string
  readonly of: [Entry, ...Entry[]]
}

function byDay(entries: readonly Entry[]): readonly Day[] {
  const days: Day[] = []
  for (const entry of entries) {
    const date = dateOf(entry.recordedAt)
    const last = days.at(-1)
    if (last?.date === date) last.of.push(entry)
    else days.push({ date, of: [entry] })
  }
  return days
}
