import type { Viewer } from '../core/authorize.ts'
import { type DaybookErrorCode, isDaybookError } from '../core/errors.ts'
import { type Place, withoutWordAt } from '../core/query.ts'
import { Layout } from './layout.tsx'
import type { Links } from './links.ts'
import { Fault, QueryBox } from './query-box.tsx'

/** What a page says where it can't show what was asked for. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 500 | 503
  /** The same for programs. Stable: a {@link DaybookErrorCode}, or a word of the dashboard's own. */
  readonly code: DaybookErrorCode | 'unauthenticated' | 'forbidden' | 'method_not_allowed' | 'failed'
  readonly heading: string
  readonly message: string
  /** The part of the address that is wrong, where it is one. */
  readonly parameter?: string
  /** Where the query is wrong, where that is it. */
  readonly fault?: Place
}

const ANSWERS: Readonly<Partial<Record<DaybookErrorCode, Pick<Refusal, 'status' | 'heading'>>>> = {
  invalid_filter: { status: 400, heading: 'This address asks for something that can’t be' },
  invalid_cursor: { status: 400, heading: 'This address asks for something that can’t be' },
  not_found: { status: 404, heading: 'Nothing is here' },
  not_installed: { status: 503, heading: 'The log is not set up yet' },
  export_unrecorded: { status: 403, heading: 'Nothing can be exported here' },
  permission_denied: { status: 503, heading: 'The log can’t be read' },
}

/** Its message names host and user: that is for the operator alone. */
const AWAY: Refusal = {
  status: 503,
  code: 'database_unreachable',
  heading: 'The log can’t be reached',
  message: 'Its database does not answer. Nothing is lost: try again in a moment.',
}

/** SQLSTATE classes and system errors of a server that is away: connection lost, shutting down, too many connections. */
const AWAY_CODES = /^(08|57P0|53)|^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN)/

/** What to say of an error. Only Daybook's own messages are shown: they hold no values. */
export function refusalOf(error: unknown): Refusal {
  if (isDaybookError(error)) {
    if (error.code === 'database_unreachable') return AWAY
    const answer = ANSWERS[error.code]
    const { parameter, start, end } = error.details
    if (answer) {
      const isFault = typeof start === 'number' && typeof end === 'number'
      return {
        ...answer,
        code: error.code,
        message: error.message,
        ...(typeof parameter === 'string' && { parameter }),
        ...(isFault && { heading: 'This query can’t be read', fault: { start, end } }),
      }
    }
  }
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code === 'string' && AWAY_CODES.test(code)) return AWAY
  return {
    status: 500,
    code: 'failed',
    heading: 'Something went wrong',
    message: 'The page could not be made. The application’s own log says why.',
  }
}

export const UNAUTHENTICATED: Refusal = {
  status: 401,
  code: 'unauthenticated',
  heading: 'Sign in to read the log',
  message: 'This page shows who changed what. Sign in to the application, then come back.',
}

export const FORBIDDEN: Refusal = {
  status: 403,
  code: 'forbidden',
  heading: 'This account may not read the log',
  message:
    'You are signed in, but reading the log needs a permission that your account does not have. Ask whoever looks after accounts.',
}

export const NO_METHOD: Refusal = {
  status: 405,
  code: 'method_not_allowed',
  heading: 'The log can only be read',
  message: 'Pages of the log answer to GET and HEAD, and to nothing that changes something.',
}

export interface ErrorPageProps {
  readonly refusal: Refusal
  readonly links: Links
  readonly title?: string | undefined
  readonly viewer?: Viewer | undefined
  readonly url?: URL | undefined
  readonly signInUrl?: string | undefined
}

export function ErrorPage({ refusal, links, title, viewer, url, signInUrl }: ErrorPageProps) {
  const { status, heading, message, parameter, fault } = refusal
  const text = url?.searchParams.get('q') ?? ''
  const isShutOut = refusal === FORBIDDEN
  const given = parameter === undefined || fault ? [] : (url?.searchParams.getAll(parameter) ?? [])
  return (
    <Layout
      links={links}
      heading={heading}
      title={title}
      viewer={isShutOut ? undefined : viewer}
      script={fault !== undefined}
    >
      {fault && (
        <section class="find" aria-label="Search">
          <QueryBox text={text} links={links} fault={fault} />
        </section>
      )}
      <main class="single" id="main">
        <div class="blank error">
          <p class="status">{status}</p>
          <h1>{heading}</h1>
          <p id="fault">{message}</p>
          {fault && <Fault text={text} fault={fault} />}
          {given.length > 0 && (
            <dl class="given">
              {given.slice(0, 5).map((value) => (
                <>
                  <dt>{parameter}</dt>
                  <dd>{value.length > 200 ? `${value.slice(0, 200)}…` : value}</dd>
                </>
              ))}
            </dl>
          )}
          {isShutOut && viewer && <p class="meta">Signed in as {viewer.label ?? viewer.id}.</p>}
          <p class="ways">
            {fault && (
              <a class="btn main" href={links.query(withoutWordAt(text, fault.start))}>
                Leave this part out
              </a>
            )}
            {parameter !== undefined && url && given.length > 0 && (
              <a class="btn main" href={withoutParameter(url, parameter)}>
                Leave it out
              </a>
            )}
            {signInUrl !== undefined && (
              <a class="btn main" href={signInUrl}>
                Sign in
              </a>
            )}
            {status !== 401 && !isShutOut && (
              <a class="btn" href={links.list({ filter: {} })}>
                All entries
              </a>
            )}
          </p>
        </div>
      </main>
    </Layout>
  )
}

function withoutParameter(url: URL, parameter: string): string {
  const params = new URLSearchParams(url.searchParams)
  params.delete(parameter)
  const query = params.toString()
  return `${url.pathname}${query === '' ? '' : `?${query}`}`
}
