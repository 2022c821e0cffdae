import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { Mount } from '../dashboard/index.ts'
import type { Daybook } from '../daybook.ts'
import { askDashboard } from './node-dashboard.ts'
import { openNodeRequest } from './node-request.ts'
import { createRequestContext, type RequestContext, type RequestContextOptions } from './request-context.ts'
import { readInContext } from './web-request.ts'

/** What is used of a context of Koa 2 and 3. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly headers: IncomingHttpHeaders
  readonly request: object
  readonly originalUrl: string
  readonly protocol: string
  readonly body?: unknown
  respond?: boolean
}

type Next = () => Promise<unknown>

/**
 * Koa middleware (2 and 3) that opens a context for each request. Put it first. The route is the pattern of `@koa/router` from the moment
 * that it is found, and the path until then.
 * @throws DaybookError `invalid_option`
 * @example
 * app.use(koaContext(daybook, { actor: (ctx) => sessionOf(ctx.headers.cookie) }))
 */
export function koaContext<Context extends KoaContext = KoaContext>(
  daybook: Pick<Daybook, 'openContext'>,
  options: RequestContextOptions<Context> = {},
): (ctx: Context, next: Next) => Promise<void> {
  const open = createRequestContext('koaContext', daybook, options)
  return async (ctx, next) => {
    const context = openNodeRequest(open, ctx, ctx.req, ctx.res, ctx.originalUrl)
    followRoute(ctx, context)
    await context.identified()
    await context.run(next)
    readInside(context, ctx.body)
  }
}

/** Koa sends a stream when all middleware is through: what makes its content as it is read must still write in the context. */
function readInside(context: RequestContext, body: unknown): void {
  const web = body instanceof Response ? body.body : body
  if (web instanceof ReadableStream) readInContext(context, web)
  if (!(body instanceof Readable)) return
  const read = body._read
  body._read = (size) => context.run(() => read.call(body, size))
}

/** `@koa/router` leaves the pattern on the context ahead of each handler, and tells nobody: so the property tells us. */
function followRoute(ctx: KoaContext, context: RequestContext): void {
  let current: unknown
  Object.defineProperty(ctx, '_matchedRoute', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(pattern: unknown) {
      current = pattern
      if (typeof pattern === 'string') context.setRoute(pattern)
    },
  })
}

/**
 * Koa middleware that answers with the dashboard below its prefix, and leaves everything else to the next:
 * `app.use(koaDashboard(daybook, { basePath: '/audit' }))`.
 */
export function koaDashboard(
  daybook: Pick<Daybook, 'handler'>,
  { basePath = '' }: Mount = {},
): (ctx: KoaContext, next: Next) => Promise<unknown> {
  return async (ctx, next) => {
    const { req: incoming, res: outgoing, originalUrl: target, protocol } = ctx
    if (!`${target.replace(/[?#].*$/s, '')}/`.startsWith(`${basePath}/`)) return next()
    const { body } = ctx.request as { readonly body?: unknown }
    const send = await askDashboard(daybook, { incoming, outgoing, basePath, target, protocol, body })
    // The answer goes out by itself, so that it can be stopped and cut off as it must.
    ctx.respond = false
    await send()
  }
}
