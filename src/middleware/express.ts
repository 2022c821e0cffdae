import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Daybook } from '../daybook.ts'
import { askDashboard } from './node-dashboard.ts'
import { openNodeRequest } from './node-request.ts'
import { createRequestContext, type RequestContext, type RequestContextOptions } from './request-context.ts'

export type { RequestActor } from '../core/context.ts'

/** What is used of a request of Express 4 and 5. */
export interface ExpressRequest extends IncomingMessage {
  readonly baseUrl: string
  readonly originalUrl: string
  readonly protocol: string
  readonly body?: unknown
}

export type ExpressContextOptions<Request extends ExpressRequest> = RequestContextOptions<Request>

type Next = (error?: unknown) => void

/**
 * Express middleware (4 and 5) that opens a context for each request: client address, user agent, request id, route and
 * actor. Mount it ahead of everything that writes. The context lasts until the response is done. Where the client goes away
 * before that, the handler that still runs keeps it: nobody gets rid of their name by hanging up.
 *
 * The route is the pattern (`PATCH /invoices/:id`) from the moment that Express knows it, and the path until then; never the
 * query string, which may hold secrets.
 * @throws DaybookError `invalid_option`
 * @example
 * app.use(expressContext(daybook, { trustedProxies: ['loopback'], actor: betterAuthActor(auth) }))
 */
export function expressContext<Request extends ExpressRequest = ExpressRequest>(
  daybook: Pick<Daybook, 'openContext'>,
  options: ExpressContextOptions<Request> = {},
): (request: Request, response: ServerResponse, next: Next) => void {
  const open = createRequestContext('expressContext', daybook, options)
  return (request, response, next) => {
    const context = openNodeRequest(open, request, request, response, request.originalUrl)
    followRoute(request, context)
    context.identify(next, next)
  }
}

/** Express sets `request.route` when it has found the handler, and tells nobody: so the property tells us. */
function followRoute(request: ExpressRequest, context: RequestContext): void {
  let current: unknown
  Object.defineProperty(request, 'route', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(route: { readonly path?: unknown } | undefined) {
      current = route
      if (typeof route?.path === 'string') context.setRoute(request.baseUrl + route.path)
    },
  })
}

/**
 * Express middleware (4 and 5) that answers with the dashboard: `app.use('/audit', expressDashboard(daybook))`.
 * The prefix is where it is mounted. It works ahead of body parsers and behind them.
 */
export function expressDashboard(
  daybook: Pick<Daybook, 'handler'>,
): (request: ExpressRequest, response: ServerResponse, next: Next) => void {
  return (request, response, next) => {
    const { baseUrl: basePath, originalUrl: target, protocol, body } = request
    askDashboard(daybook, { incoming: request, outgoing: response, basePath, target, protocol, body })
      .then((send) => send())
      .catch(next)
  }
}
