import { byStatement, FOLDED_FROM, type StatementRun } from '../core/by-statement.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { actorName, describeEntry, describeStatement } from '../core/sentence.ts'
import { initials, originLine } from './origin.ts'
import { Sentence } from './sentence.tsx'
import { clockTime, dateOf, dayName, nearDay } from './time.ts'

/** A statement that goes on beyond a page: how many entries it has, as text, and where they all are. */
export interface WholeStatement {
  readonly count: string
  readonly href: string
}

export interface EntryListProps {
  readonly entries: readonly Entry[]
  readonly display: Display
  readonly now: Date
  readonly selected?: string | undefined
  readonly linkTo: (entry: Entry) => string
  /** Of statements that the page may hold in part, by their ids; absent where statements are not folded. */
  readonly statements?: ReadonlyMap<string, WholeStatement> | undefined
}

/** Entries under a heading for each day (UTC), one sentence each. */
export function EntryList({ entries, display, now, selected, linkTo, statements }: EntryListProps) {
  return (
    <>
      {byDay(entries).map(({ date, of }) => (
        <section class="day">
          <h2>
            {dayName(of[0].recordedAt)}
            {nearDay(date, now) && <small>{nearDay(date, now)}</small>}
          </h2>
          <ol>
            {byStatement(of).map((entries) => (
              <Lines entries={entries} display={display} selected={selected} linkTo={linkTo} statements={statements} />
            ))}
          </ol>
        </section>
      ))}
    </>
  )
}

interface LinesProps extends Pick<EntryListProps, 'display' | 'selected' | 'linkTo' | 'statements'> {
  readonly entries: StatementRun
}

/** What one statement did to several objects is one line that unfolds. */
function Lines({ entries, display, selected, linkTo, statements }: LinesProps) {
  const whole = statements?.get(entries[0].statementId)
  const folds = statements !== undefined && entries.length >= FOLDED_FROM
  const sentence = folds ? describeStatement(entries, whole?.count, display) : undefined
  const rows = entries.map((entry) => (
    <Row entry={entry} display={display} href={linkTo(entry)} selected={entry.id === selected} />
  ))
  if (!sentence) return <>{rows}</>
  const [first] = entries
  return (
    <li>
      <details class="fold" open={entries.some((entry) => entry.id === selected)}>
        <summary class="row">
          <time datetime={first.recordedAt.toISOString()}>{clockTime(first.recordedAt)}</time>
          <Face entry={first} />
          <span class="say">
            <Sentence parts={sentence} />
            <small>{['one statement', originLine(first)].filter(Boolean).join(' · ')}</small>
          </span>
          <span class="tag">{whole?.count ?? entries.length}</span>
        </summary>
        <ol>{rows}</ol>
        {whole && (
          <p class="note">
            {entries.length} of {whole.count} are on this page. <a href={whole.href}>Show all of this statement</a>
          </p>
        )}
      </details>
    </li>
  )
}

interface RowProps extends Pick<EntryListProps, 'display'> {
  readonly entry: Entry
  readonly href: string
  readonly selected: boolean
}

function Row({ entry, display, href, selected }: RowProps) {
  return (
    <li id={`e${entry.id}`}>
      <a class="row" href={href} aria-current={selected ? 'true' : undefined}>
        <time datetime={entry.recordedAt.toISOString()}>{clockTime(entry.recordedAt)}</time>
        <Face entry={entry} />
        <span class="say">
          <Sentence parts={describeEntry(entry, display)} />
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
  if (entry.outcome === 'success') return null
  return <span class={`outcome ${entry.outcome}`}>{entry.outcome === 'failure' ? 'failed' : entry.outcome}</span>
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
