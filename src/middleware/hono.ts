import type { IncomingMessage } from 'node:http'
import type { Mount } from '../dashboard/index.ts'
import type { Daybook } from '../daybook.ts'
import { type NodeResponse, openNodeRequest } from './node-request.ts'
import { createRequestContext, type RequestContext, type RequestContextOptions } from './request-context.ts'
import { answerInContext, readInContext } from './web-request.ts'

/** What is used of a context of Hono 4. */
export interface HonoContext {
  readonly req: {
    readonly raw: Request
    header(name: string): string | undefined
    arrayBuffer(): Promise<ArrayBuffer>
    readonly matchedRoutes: readonly { readonly method: string; readonly path: string }[]
  }
  readonly env: unknown
  res: Response
}

export interface HonoContextOptions<Context> extends RequestContextOptions<Context> {
  /** The address at the other end of the connection, where it is not Node's server that the application runs on: of Bun, say. */
  readonly peerAddress?: (c: Context) => string | undefined
}

type Next = () => Promise<void>

/**
 * Hono middleware (4) that opens a context for each request. The route is the pattern from the moment that Hono comes to its handler, and
 * the path until then.
 * @throws DaybookError `invalid_option`
 * @example
 * app.use(honoContext(daybook, { actor: (c) => sessionOf(c.req.header('cookie')) }))
 */
export function honoContext<Context extends HonoContext = HonoContext>(
  daybook: Pick<Daybook, 'openContext'>,
  options: HonoContextOptions<Context> = {},
): (c: Context, next: Next) => Promise<void> {
  const open = createRequestContext('honoContext', daybook, options)
  return async (c, next) => {
    const { incoming, outgoing } = (c.env ?? {}) as { incoming?: IncomingMessage; outgoing?: NodeResponse }
    if (incoming && outgoing) {
      const context = openNodeRequest(open, c, incoming, outgoing)
      followRoute(c, context)
      await context.identified()
      await context.run(next)
      const body = bodyOf(c.res)
      if (body instanceof ReadableStream) readInContext(context, body)
      return
    }
    const { method, url, headers } = c.req.raw
    const socketAddress = options.peerAddress?.(c)
    const context = open(c, { method, target: url, socketAddress, header: (name) => headers.get(name) ?? undefined })
    followRoute(c, context)
    c.res = await answerInContext(context, async () => {
      await next()
      return c.res
    })
  }
}

/**
 * The server for Node keeps body and status of an answer in a list of its own, so that it can send them without making a `Response` of
 * them: to ask for the `body` would make one, for each request.
 */
function bodyOf(response: Response): unknown {
  for (const key of Object.getOwnPropertySymbols(response)) {
    const kept = (response as unknown as Readonly<Record<symbol, unknown>>)[key]
    if (Array.isArray(kept)) return kept[1]
  }
  return response.body
}

/** Hono counts through the routes that match as it comes to them, and tells nobody: so the count tells us. */
function followRoute({ req }: HonoContext, context: RequestContext): void {
  let current = 0
  Object.defineProperty(req, 'routeIndex', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(index: number) {
      current = index
      const route = req.matchedRoutes[index]
      // Middleware that stands for many paths is not where they lead.
      if (route && !(route.method === 'ALL' && route.path.endsWith('*'))) context.setRoute(route.path)
    },
  })
}

/**
 * A Hono handler that answers with the dashboard: `app.all('/audit/*', honoDashboard(daybook, { basePath: '/audit' }))`.
 * It works ahead of what reads bodies and behind it.
 */
export function honoDashboard(daybook: Pick<Daybook, 'handler'>, mount: Mount): (c: HonoContext) => Promise<Response> {
  return async ({ req }) => {
    const { raw } = req
    if (!raw.bodyUsed) return daybook.handler(raw, mount)
    // Hono keeps what it has read.
    const { method, headers, signal } = raw
    return daybook.handler(new Request(raw.url, { method, headers, signal, body: await req.arrayBuffer() }), mount)
  }
}
