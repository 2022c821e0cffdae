import { type FieldChange, fieldChanges } from '../core/changes.ts'
import { parseCursor } from '../core/cursor.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { DaybookError } from '../core/errors.ts'
import { valueFault } from '../core/query.ts'
import { describeEntry, objectName, toneOf } from '../core/sentence.ts'
import type { Page } from '../store/index.ts'
import { ChangesTable, type ChangesTableProps, Value } from './changes-table.tsx'
import { entryNumber, Outcome } from './entry-list.tsx'
import { Layout } from './layout.tsx'
import type { Links } from './links.ts'
import { originLine } from './origin.ts'
import { ForPrograms } from './programs.tsx'
import { Sentence, toneClass } from './sentence.tsx'
import { clockTime, dateOf, dayName } from './time.ts'
import type { Visit } from './visit.ts'

const PAGE_SIZE = 50

/** Fields of one version that are shown at once. */
const SHOWN_FIELDS = 6

/** Everything that happened to one object, newest first, also where it is gone. */
export async function timelinePage(visit: Visit, params: Readonly<Record<string, string>>) {
  const { store, links, url } = visit
  const { model, objectId } = parseObject(params, url.searchParams)
  const page = await store.timeline({ model, objectId, ...parseCursor(url.searchParams), limit: PAGE_SIZE })
  const display = await visit.displayOf(page.entries)
  const name = nameOf(page.entries, model, objectId)
  return (
    <Layout links={links} heading={name} title={visit.title} viewer={visit.viewer} script>
      <main class="single wide" id="main">
        <p class="crumbs">
          <a href={links.list({ filter: {} })}>Entries</a> <span aria-hidden="true">/</span>{' '}
          <a href={links.list({ filter: { model: [model] } })}>{model}</a>
        </p>
        <header class="subject">
          <h1>{name}</h1>
          {isDeleted(page, objectId) && <span class="outcome denied">deleted</span>}
          <p class="meta">
            {model} <span class="mono">{objectId}</span> · times in UTC ·{' '}
            <a href={links.list({ filter: { model: [model], objectId: [objectId] } })}>as a list</a>
          </p>
        </header>
        {page.entries.length === 0 ? (
          <div class="blank">
            <h2>Nothing is on record</h2>
            <p>No entry of {model} has this key. It may be older than the log, or its table may not be tracked.</p>
          </div>
        ) : (
          <Versions entries={page.entries} display={display} links={links} />
        )}
        <nav class="pager" aria-label="Pages">
          {page.newer ? (
            <a class="btn" rel="prev" href={links.object(model, objectId, page.newer)}>
              ← Newer
            </a>
          ) : (
            <span />
          )}
          {page.older && (
            <a class="btn" rel="next" href={links.object(model, objectId, page.older)}>
              Older →
            </a>
          )}
        </nav>
        <ForPrograms visit={visit} href={visit.api.object(model, objectId, parseCursor(url.searchParams))} />
      </main>
    </Layout>
  )
}

/** The object that a path or a query names. */
export function parseObject(params: Readonly<Record<string, string>>, query: URLSearchParams) {
  const model = params.model ?? query.get('model') ?? ''
  const objectId = params.id ?? query.get('id') ?? ''
  const fault = model === '' ? 'is missing' : valueFault(model)
  if (fault) throw invalidObject('model', fault)
  const keyFault = valueFault(objectId)
  if (keyFault) throw invalidObject('id', keyFault)
  return { model, objectId }
}

function invalidObject(parameter: 'model' | 'id', reason: string): DaybookError {
  const message = `The timeline can't be shown: its ${parameter} ${reason}. Its address is /objects/MODEL/KEY.`
  return new DaybookError('invalid_filter', message, { details: { parameter, reason } })
}

function nameOf(entries: readonly Entry[], model: string, objectId: string): string {
  return objectName({ model, objectId, objectLabel: labelOf(entries, model) }) ?? model
}

/** What the object was called last, as far as some of its entries tell. */
export function labelOf(entries: readonly Entry[], model: string): string | null {
  // What was tried in vain may name an object as a stranger typed it.
  const own = entries.find(
    (entry) => entry.model === model && entry.objectLabel !== null && entry.outcome === 'success',
  )
  return own?.objectLabel ?? null
}

/** Whether the object is gone, as far as the newest page tells. */
export function isDeleted(page: Page, objectId: string): boolean {
  const newest = page.entries.find(({ action }) => !action.startsWith('capture.'))
  return !page.newer && newest?.action === 'delete' && newest.objectId === objectId
}

interface VersionsProps {
  readonly entries: readonly Entry[]
  readonly display: Display
  readonly links: Links
}

function Versions({ entries, display, links }: VersionsProps) {
  return (
    <ol class="versions">
      {entries.map((entry, index) => {
        const previous = entries[index - 1]
        const newDay = !previous || dateOf(previous.recordedAt) !== dateOf(entry.recordedAt)
        return (
          <li class={toneClass(toneOf(entry.action))}>
            {newDay && <h2>{dayName(entry.recordedAt)}</h2>}
            <div class="version">
              <p class="say">
                <Sentence parts={describeEntry(entry, display)} />
                <Outcome entry={entry} />
              </p>
              <p class="meta">
                <time datetime={entry.recordedAt.toISOString()}>{clockTime(entry.recordedAt)}</time>
                {' · '}
                {originLine(entry)}
                {' · '}
                <a href={links.entry(entry.id)}>{entryNumber(entry.id)}</a>
              </p>
              <Fields entry={entry} display={display} links={links} />
            </div>
          </li>
        )
      })}
    </ol>
  )
}

/** What an entry changed, in brief; what came or went, to unfold. */
export function Fields({ entry, display, links }: ChangesTableProps) {
  if (entry.action !== 'update') {
    const count = Object.keys(entry.changes).length
    if (count === 0) return null
    return (
      <details>
        <summary>
          {count} {count === 1 ? 'value' : 'values'}
        </summary>
        <ChangesTable entry={entry} display={display} links={links} />
      </details>
    )
  }
  const changes = fieldChanges(entry, display)
  if (changes.length < 2 && changes[0]?.kind === 'value') return null
  return (
    <dl class="fields">
      {changes.slice(0, SHOWN_FIELDS).map((change) => (
        <>
          <FieldTerm field={change.field} name={display.field(entry, change.field)} />
          <dd>
            <Brief change={change} links={links} />
          </dd>
        </>
      ))}
      {changes.length > SHOWN_FIELDS && (
        <>
          <dt>…</dt>
          <dd>
            <a href={links.entry(entry.id)}>{changes.length - SHOWN_FIELDS} more fields</a>
          </dd>
        </>
      )}
    </dl>
  )
}

function FieldTerm({ field, name }: { readonly field: string; readonly name: string }) {
  return name === field ? (
    <dt>{field}</dt>
  ) : (
    <dt class="named" title={field}>
      {name}
    </dt>
  )
}

function Brief({ change, links }: { readonly change: FieldChange; readonly links: Links }) {
  if (change.kind === 'json') {
    return (
      <>
        {change.paths.length + change.more} {change.paths.length + change.more === 1 ? 'place' : 'places'} in it
      </>
    )
  }
  if (change.kind === 'text') {
    const changed = (side: typeof change.before) =>
      side
        .filter((segment) => segment.changed)
        .map((segment) => segment.text.trim())
        .join(' … ')
    return (
      <>
        {changed(change.before) && <del>{changed(change.before)}</del>}{' '}
        {changed(change.after) && <ins>{changed(change.after)}</ins>}
      </>
    )
  }
  if (change.before.kind === 'masked' && change.after.kind === 'masked')
    return <Value value={change.after} side="new" />
  return (
    <>
      <Value value={change.before} side="old" links={links} /> <span aria-hidden="true">→</span>
      <span class="hidden"> to </span> <Value value={change.after} side="new" links={links} />
    </>
  )
}
