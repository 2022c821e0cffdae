import { byStatement, FOLDED_FROM, type StatementRun } from '../core/by-statement.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { actorName, describeEntry, describeStatement } from '../core/sentence.ts'
import { asked, type CellOf, termsOfPart } from './cells.ts'
import { initials, originLine } from './origin.ts'
import { CellLink, Sentence } from './sentence.tsx'
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
  readonly cellOf: CellOf
  /** Of statements that the page may hold in part, by their ids; absent where statements are not folded. */
  readonly statements?: ReadonlyMap<string, WholeStatement> | undefined
}

/** Entries under a heading for each day (UTC), one sentence each. */
export function EntryList({ entries, display, now, selected, linkTo, cellOf, statements }: EntryListProps) {
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
              <Lines
                entries={entries}
                display={display}
                selected={selected}
                linkTo={linkTo}
                cellOf={cellOf}
                statements={statements}
              />
            ))}
          </ol>
        </section>
      ))}
    </>
  )
}

interface LinesProps extends Pick<EntryListProps, 'display' | 'selected' | 'linkTo' | 'cellOf' | 'statements'> {
  readonly entries: StatementRun
}

/** What one statement did to several objects is one line that unfolds. */
function Lines({ entries, display, selected, linkTo, cellOf, statements }: LinesProps) {
  const whole = statements?.get(entries[0].statementId)
  const folds = statements !== undefined && entries.length >= FOLDED_FROM
  const sentence = folds ? describeStatement(entries, whole?.count, display) : undefined
  const rows = entries.map((entry) => (
    <Row entry={entry} display={display} href={linkTo(entry)} cellOf={cellOf} selected={entry.id === selected} />
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

interface RowProps extends Pick<EntryListProps, 'display' | 'cellOf'> {
  readonly entry: Entry
  readonly href: string
  readonly selected: boolean
}

/** The number opens the entry, and all of the row with it but the values that lead to their like. */
function Row({ entry, display, href, cellOf, selected }: RowProps) {
  const cell = (terms: Parameters<CellOf>[0]) => (terms.length === 0 ? undefined : cellOf(terms))
  const [say, number] = [`s${entry.id}`, `n${entry.id}`]
  return (
    <li id={`e${entry.id}`}>
      <div class="row">
        <time datetime={entry.recordedAt.toISOString()}>{clockTime(entry.recordedAt)}</time>
        <Face entry={entry} />
        <div class="say">
          <span id={say}>
            <Sentence parts={describeEntry(entry, display)} cellOf={(part) => cell(termsOfPart(entry, part))} />
            <Outcome entry={entry} />
          </span>
          <small>
            <Origin entry={entry} cellOf={cellOf} />
          </small>
        </div>
        <a
          class="tag open"
          id={number}
          href={href}
          aria-labelledby={`${say} ${number}`}
          aria-current={selected ? 'true' : undefined}
        >
          {entryNumber(entry.id)}
        </a>
      </div>
    </li>
  )
}

/** Where an entry came from, in a line, with the address leading to its like. */
function Origin({ entry, cellOf }: Pick<RowProps, 'entry' | 'cellOf'>) {
  const line = originLine(entry)
  const { ipAddress } = entry
  const start = ipAddress === null ? -1 : line.indexOf(ipAddress)
  if (ipAddress === null || start < 0) return <>{line}</>
  return (
    <>
      {line.slice(0, start)}
      <CellLink cell={cellOf(asked('ip', ipAddress))}>{ipAddress}</CellLink>
      {line.slice(start + ipAddress.length)}
    </>
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
