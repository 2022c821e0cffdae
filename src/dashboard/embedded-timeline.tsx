import type { Child } from 'hono/jsx'
import type { Viewer } from '../core/authorize.ts'
import { DaybookError } from '../core/errors.ts'
import { describeEntry, toneOf } from '../core/sentence.ts'
import { Outcome } from './entry-list.tsx'
import type { Links } from './links.ts'
import { originLine } from './origin.ts'
import { Sentence, toneClass } from './sentence.tsx'
import { exactTime, shortTime } from './time.ts'
import { Fields, parseObject } from './timeline-page.tsx'
import type { Visit } from './visit.ts'

/** Which object's history is shown, and to whom. */
export type TimelineOptions = EmbeddedObject & {
  /** Where the dashboard is mounted, such as `/audit`: the links lead there, and the stylesheet comes from there. Default: no prefix. */
  readonly basePath?: string
} & (
    | {
        /** The request for whose sake it is shown: `authorize` says whether it may be. */
        readonly request: Request
      }
    | {
        /** Who looks, where the application itself has found that they may: `authorize` is not asked. */
        readonly viewer: Viewer
      }
  )

export interface EmbeddedObject {
  readonly model: string
  readonly id: string
  /** Entries at most, the newest ones. Default 10, at most 100. */
  readonly limit?: number
}

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100

/** The newest entries of one object, for a page that has a style of its own. */
export async function embeddedTimeline(
  { store, links, displayOf }: Pick<Visit, 'store' | 'links' | 'displayOf'>,
  { model, id, limit = DEFAULT_LIMIT }: EmbeddedObject,
) {
  const page = await store.timeline({ model, objectId: id, limit })
  const display = await displayOf(page.entries)
  if (page.entries.length === 0) return <EmptyTimeline links={links} />
  return (
    <Frame links={links}>
      <ol class="versions">
        {page.entries.map((entry) => (
          <li class={toneClass(toneOf(entry.action))}>
            <p class="say">
              <Sentence parts={describeEntry(entry, display)} />
              <Outcome entry={entry} />
            </p>
            <p class="meta">
              <a href={links.entry(entry.id)}>
                <time datetime={entry.recordedAt.toISOString()} title={exactTime(entry.recordedAt)}>
                  {shortTime(entry.recordedAt)}
                </time>
              </a>
              {[originLine(entry)].filter(Boolean).map((origin) => ` · ${origin}`)}
            </p>
            <Fields entry={entry} display={display} links={links} />
          </li>
        ))}
      </ol>
      <p class="more">
        <a href={links.object(model, id)}>{page.older ? 'The whole history' : 'In the audit log'}</a>
      </p>
    </Frame>
  )
}

/** The history of an object that has none. */
export function EmptyTimeline({ links }: { readonly links: Links }) {
  return (
    <Frame links={links}>
      <p class="blank">Nothing is on record.</p>
    </Frame>
  )
}

/** In place of a history that can't be had: the page around it is whole. */
export function NoTimeline({ links }: { readonly links: Links }) {
  return (
    <Frame links={links}>
      <p class="blank">The history can’t be shown at the moment.</p>
    </Frame>
  )
}

/** A tree of its own, which the page's styles don't reach, and whose styles don't reach the page. */
function Frame({ links, children }: { readonly links: Links; readonly children: Child }) {
  return (
    <daybook-timeline>
      <template shadowrootmode="open">
        <link rel="stylesheet" href={links.asset('timeline.css')} />
        <div class="root">
          <div class="history">{children}</div>
        </div>
      </template>
    </daybook-timeline>
  )
}

/** The fragment for an application that asks for it by HTTP. */
export async function embedRoute(visit: Visit, params: Readonly<Record<string, string>>) {
  const query = visit.url.searchParams
  const { model, objectId: id } = parseObject(params, query)
  const given = query.get('limit')
  const limit = given === null ? DEFAULT_LIMIT : Number(given)
  if (!isLimit(limit)) {
    const reason = `must be a whole number from 1 to ${MAX_LIMIT}`
    throw new DaybookError('invalid_filter', `"limit" ${reason}.`, { details: { parameter: 'limit', reason } })
  }
  return embeddedTimeline(visit, { model, id, limit })
}

/** Whether a path below the prefix is a fragment's: what goes wrong there is told in a line, never by a page. */
export function isEmbedPath(path: string): boolean {
  return /^\/embed(\/|$)/.test(path)
}

/**
 * Checks what an application asks for. Whatever its object is called is no mistake of the application.
 * @throws DaybookError `invalid_option`
 */
export function checkTimelineOptions(options: TimelineOptions): void {
  const {
    model,
    id,
    limit = DEFAULT_LIMIT,
    request,
    viewer,
  }: Partial<TimelineOptions & { request: Request; viewer: Viewer }> = options
  if (typeof model !== 'string' || typeof id !== 'string') throw invalidOption('model and id must be texts')
  if (!isLimit(limit)) throw invalidOption(`limit must be a whole number from 1 to ${MAX_LIMIT}`)
  if ((request === undefined) === (viewer === undefined)) {
    throw invalidOption('it needs either the request that authorize is asked about, or the viewer who may look')
  }
}

function isLimit(limit: number): boolean {
  return Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT
}

function invalidOption(what: string): DaybookError {
  return new DaybookError('invalid_option', `daybook.timeline: ${what}.`)
}
