import type { Mount } from '../dashboard/index.ts'
import type { Daybook } from '../daybook.ts'
import { nodePeer } from './node-peer.ts'
import { createRequestContext, type RequestContextOptions } from './request-context.ts'
import { answerInContext } from './web-request.ts'

/** What is used of the second argument of a route handler. */
interface RouteContext {
  readonly params: unknown
}

/** A route handler of Next.js. */
type RouteHandler<Asked extends Request, About> = (request: Asked, about: About) => Response | Promise<Response>

/**
 * Wraps route handlers of Next.js (the App Router, on Node) so that each request has its context. The route is the pattern
 * (`PATCH /invoices/[id]`) as far as the parameters tell it without doubt, and the path otherwise. The client's address is that of Node's
 * socket; Next.js itself only tells a header that any client can set. Where there is no such socket the address is recorded as unknown.
 * @throws DaybookError `invalid_option`
 * @example
 * const audited = nextContext(daybook, { actor: (request) => sessionOf(request.headers.get('cookie')) })
 * export const PATCH = audited(async (request, { params }) => …)
 */
export function nextContext<Asked extends Request = Request>(
  daybook: Pick<Daybook, 'openContext'>,
  options: RequestContextOptions<Asked> = {},
): <About extends RouteContext>(
  handler: RouteHandler<Asked, About>,
) => (request: Asked, about: About) => Promise<Response> {
  const open = createRequestContext('nextContext', daybook, options)
  const peer = nodePeer()
  return (handler) => async (request, about) => {
    const { method, url, headers } = request
    const header = (name: string) => headers.get(name) ?? undefined
    const context = open(request, { method, target: url, socketAddress: peer(), header })
    const pattern = patternOf(new URL(url).pathname, (await about?.params) ?? {})
    if (pattern !== undefined) context.setRoute(pattern)
    return answerInContext(context, () => handler(request, about))
  }
}

/** The path with its parameters' names in the place of their values; undefined where a value stands there twice. */
function patternOf(path: string, params: object): string | undefined {
  let segments = path.split('/')
  for (const [name, value] of Object.entries(params)) {
    const isList = Array.isArray(value)
    const values: unknown[] = isList ? value : [value]
    const places = [...segments.keys()].filter((place) => values.every((one, next) => segments[place + next] === one))
    const [place, ...others] = places
    if (place === undefined || others.length > 0 || values.length === 0) return undefined
    segments = segments.toSpliced(place, values.length, isList ? `[...${name}]` : `[${name}]`)
  }
  return segments.join('/')
}

/**
 * A route handler of Next.js that answers with the dashboard, for `app/audit/[[...path]]/route.ts`:
 * `export const GET = nextDashboard(daybook, { basePath: '/audit' })`.
 */
export function nextDashboard(
  daybook: Pick<Daybook, 'handler'>,
  mount: Mount,
): (request: Request) => Promise<Response> {
  return (request) => daybook.handler(request, mount)
}
