import type { Child } from 'hono/jsx'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { writeExactJson } from '../core/exact-json.ts'
import { type Filter, type FilterTerm, writeActor } from '../core/filter.ts'
import { actorName, describeEntry } from '../core/sentence.ts'
import { asked, type CellOf } from './cells.ts'
import { ChangesTable } from './changes-table.tsx'
import { entryNumber, Outcome } from './entry-list.tsx'
import { type Links, objectOf } from './links.ts'
import { browserName } from './origin.ts'
import { Sentence } from './sentence.tsx'
import { exactTime } from './time.ts'

export interface EntryDetailProps {
  readonly entry: Entry
  readonly display: Display
  readonly links: Links
  /** `1` where the entry is the page, `2` beside a list. */
  readonly level: 1 | 2
  /** Where a list stands beside it: what leads from a value to the list with or without it. */
  readonly cellOf?: CellOf
  readonly children?: Child
}

/** One entry: what changed, from where, and the way to everything that belongs to it. */
export function EntryDetail({ entry, display, links, level, cellOf, children }: EntryDetailProps) {
  const Heading = level === 1 ? 'h1' : 'h2'
  const Part = level === 1 ? 'h2' : 'h3'
  const object = objectOf(entry)
  const list = (filter: Filter) => links.list({ filter })
  return (
    <article class="detail" id="entry" aria-label={`Entry ${entry.id}`}>
      <header>
        <p class="meta">
          <a href={links.entry(entry.id)}>{entryNumber(entry.id)}</a>
          {' · '}
          <time datetime={entry.recordedAt.toISOString()}>{exactTime(entry.recordedAt)}</time>
        </p>
        <Heading>
          <Sentence parts={describeEntry(entry, display)} />
          <Outcome entry={entry} />
        </Heading>
        <nav aria-label="Belongs to">
          {object && <a href={links.object(...object)}>Timeline of this {entry.model}</a>}
          {entry.relatedModel !== null && entry.relatedId !== null && (
            <a href={links.object(entry.relatedModel, entry.relatedId)}>Timeline of this {entry.relatedModel}</a>
          )}
          {entry.requestId !== null && <a href={list({ request: [entry.requestId] })}>This request</a>}
          {entry.transactionId !== null && <a href={list({ transaction: [entry.transactionId] })}>This transaction</a>}
        </nav>
      </header>
      <ChangesTable entry={entry} display={display} links={links} />
      <Part class="part">From where</Part>
      <dl class="origin">
        {originOf(entry, list).map(([name, value, terms = []]) => (
          <>
            <dt>{name}</dt>
            <dd>
              {value}
              {cellOf && terms.length > 0 && <Ways name={name} terms={terms} cellOf={cellOf} />}
            </dd>
          </>
        ))}
      </dl>
      <details class="raw">
        <summary>Recorded JSON</summary>
        <pre tabindex={0}>{writeExactJson(entry, 2)}</pre>
      </details>
      {children}
    </article>
  )
}

interface WaysProps {
  readonly name: string
  readonly terms: readonly FilterTerm[]
  readonly cellOf: CellOf
}

/** Narrows the list beside an entry to one of its values, or leaves it out. */
function Ways({ name, terms, cellOf }: WaysProps) {
  const { href, without } = cellOf(terms)
  return (
    <span class="ways">
      <a href={href} aria-label={`Only this ${name.toLowerCase()}`} title="Only these in the list">
        +
      </a>
      {without !== undefined && (
        <a href={without} aria-label={`Exclude this ${name.toLowerCase()}`} title="Leave these out of the list">
          −
        </a>
      )}
    </span>
  )
}

type OriginRow = readonly [name: string, value: Child, terms?: readonly FilterTerm[]]

function originOf(entry: Entry, list: (filter: Filter) => string): readonly OriginRow[] {
  const { context } = entry
  const { database, onBehalfOf, userAgent, extra } = context
  const actor = writeActor(entry)
  const seen = [
    `user ${entry.databaseUser}`,
    database?.role && `role ${database.role}`,
    database?.address,
    database?.application,
  ]
  const rows: (OriginRow | undefined | false)[] = [
    ['Action', <a href={list({ action: [entry.action] })}>{entry.action}</a>, asked('action', entry.action)],
    [
      'Actor',
      <>
        {actor === undefined ? actorName(entry) : <a href={list({ actor: [actor] })}>{actorName(entry)}</a>}{' '}
        <span class="aside">({[entry.actorType, entry.actorId].filter(Boolean).join(' ')})</span>
      </>,
      asked('actor', actor),
    ],
    onBehalfOf && [
      'In the name of',
      <a
        href={list({
          actor: [onBehalfOf.id ? `${onBehalfOf.type ?? 'user'}:${onBehalfOf.id}` : (onBehalfOf.label ?? '')],
        })}
      >
        {onBehalfOf.label ?? onBehalfOf.id}
      </a>,
    ],
    context.reason !== undefined && ['Reason', <span class="prose">{context.reason}</span>],
    entry.ipAddress !== null && [
      'Address',
      <a href={list({ ip: [entry.ipAddress] })}>{entry.ipAddress}</a>,
      asked('ip', entry.ipAddress),
    ],
    userAgent !== undefined && ['Browser', <span title={userAgent}>{browserName(userAgent) ?? userAgent}</span>],
    context.route !== undefined && ['Route', context.route],
    entry.requestId !== null && [
      'Request',
      <a href={list({ request: [entry.requestId] })}>{entry.requestId}</a>,
      asked('request', entry.requestId),
    ],
    entry.transactionId !== null && [
      'Transaction',
      <a href={list({ transaction: [entry.transactionId] })}>{entry.transactionId}</a>,
      asked('transaction', entry.transactionId),
    ],
    entry.statementId !== entry.id && [
      'Statement',
      <a href={list({ statement: [entry.statementId] })}>{entryNumber(entry.statementId)}</a>,
      asked('statement', entry.statementId),
    ],
    entry.tenantId !== null && [
      'Tenant',
      <a href={list({ tenant: [entry.tenantId] })}>{entry.tenantId}</a>,
      asked('tenant', entry.tenantId),
    ],
    entry.model !== null && [
      'Model',
      <a href={list({ model: [entry.model] })}>{entry.model}</a>,
      asked('model', entry.model),
    ],
    entry.tableName !== null && ['Table', entry.tableName],
    entry.previousObjectId !== null && ['Key before', entry.previousObjectId],
    extra !== undefined && ['More', <span class="json">{writeExactJson(extra)}</span>],
    ['Database saw', seen.filter(Boolean).join(', ')],
  ]
  return rows.filter((row) => row !== undefined && row !== false)
}
