import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { type ClientAddressOptions, createClientAddress } from '../core/client-address.ts'
import type { Actor, OpenContext } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import { requestId } from '../core/request-id.ts'
import type { Daybook } from '../daybook.ts'

/** What is used of a request of Express 4 and 5. */
export interface ExpressRequest extends IncomingMessage {
  readonly baseUrl: string
  readonly originalUrl: string
  readonly protocol: string
  readonly body?: unknown
}

type Next = (error?: unknown) => void
type Awaitable<T> = T | Promise<T>

/** Who makes a request; `onBehalfOf` where one person acts as another. */
export interface RequestActor extends Actor {
  readonly onBehalfOf?: Actor
}

export interface ExpressContextOptions<Request extends ExpressRequest> extends ClientAddressOptions {
  /** The header in which something in front of the application sends the request's id. Default: none, so that each request is given a new id. */
  readonly requestIdHeader?: string
  /** The header of the response that tells the request's id, or `false` for none. Default `x-request-id`. */
  readonly requestIdResponseHeader?: string | false
  /** Who makes the request. Without an answer the actor is anonymous until `daybook.setActor()` names one. */
  readonly actor?: (request: Request) => Awaitable<RequestActor | undefined | null>
  /** Whose data the request is about. */
  readonly tenantId?: (request: Request) => Awaitable<string | undefined | null>
}

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
  const { actor, tenantId } = options
  const clientAddress = createClientAddress(options)
  const incomingId = headerName('requestIdHeader', options.requestIdHeader)
  const outgoingId = headerName('requestIdResponseHeader', options.requestIdResponseHeader ?? 'x-request-id')

  return (request, response, next) => {
    const { headers } = request
    const id = requestId(incomingId && headers[incomingId])
    const ipAddress = clientAddress({
      socketAddress: request.socket.remoteAddress,
      header: (name) => headers[name],
    })
    const userAgent = headers['user-agent']
    const context = daybook.openContext({
      actor: { type: 'anonymous' },
      requestId: id,
      route: `${request.method} ${pathOf(request)}`,
      ...(ipAddress !== undefined && { ipAddress }),
      ...(userAgent !== undefined && { userAgent }),
    })
    response.once('close', () => {
      if (response.writableEnded) context.end()
    })
    if (outgoingId && !response.headersSent && !response.hasHeader(outgoingId)) response.setHeader(outgoingId, id)
    followRoute(request, context)
    context.run(() => {
      if (!actor && !tenantId) return next()
      Promise.all([actor?.(request), tenantId?.(request)]).then(([person, tenant]) => {
        if (person) {
          const { onBehalfOf, ...self } = person
          context.add({ actor: self, ...(onBehalfOf && { onBehalfOf }) })
        }
        if (tenant) context.add({ tenantId: tenant })
        next()
      }, next)
    })
  }
}

function headerName(option: string, name: string | false | undefined): string | undefined {
  if (name === undefined || name === false) return undefined
  if (typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) return name.toLowerCase()
  throw new DaybookError(
    'invalid_option',
    `expressContext: ${option} must be the name of a header, such as "x-request-id".`,
  )
}

function pathOf(request: ExpressRequest): string {
  return request.originalUrl.replace(/[?#].*$/s, '')
}

/** Express sets `request.route` when it has found the handler, and tells nobody: so the property tells us. */
function followRoute(request: ExpressRequest, context: OpenContext): void {
  let current: unknown
  Object.defineProperty(request, 'route', {
    configurable: true,
    enumerable: true,
    get: () => current,
    set(route: { readonly path?: unknown } | undefined) {
      current = route
      if (typeof route?.path !== 'string') return
      const pattern = request.baseUrl + route.path
      context.add({ route: `${request.method} ${pattern.length > 1 ? pattern.replace(/\/$/, '') : pattern}` })
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
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    let asked: Request
    try {
      asked = toWebRequest(request, gone.signal)
    } catch {
      // A method or a host that no web request can have.
      response
        .writeHead(400, { 'content-type': 'text/plain; charset=utf-8' })
        .end('This request can not be understood.\n')
      return
    }
    daybook
      .handler(asked, { basePath: request.baseUrl })
      .then((answer) => send(answer, request, response))
      .catch((error) => {
        if (!gone.signal.aborted) next(error)
      })
  }
}

function toWebRequest(request: ExpressRequest, signal: AbortSignal): Request {
  const { method = 'GET' } = request
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && !name.startsWith(':')) headers.append(name, one)
    }
  }
  const body = method === 'GET' || method === 'HEAD' ? null : bodyOf(request, headers)
  const url = `${request.protocol}://${request.headers.host ?? 'localhost'}${request.originalUrl}`
  return new Request(url, { method, headers, signal, body, ...(body && { duplex: 'half' }) } as RequestInit)
}

/** The body as it comes, or written anew from what a body parser made of it. */
function bodyOf(request: ExpressRequest, headers: Headers): BodyInit | null {
  if (!request.readableDidRead) return Readable.toWeb(request) as ReadableStream
  const { body } = request
  if (body === undefined || body === null) return null
  for (const name of ['content-length', 'content-encoding', 'transfer-encoding']) headers.delete(name)
  if (typeof body === 'string' || body instanceof Uint8Array) return body as BodyInit
  const isForm = headers.get('content-type')?.startsWith('application/x-www-form-urlencoded')
  headers.set('content-type', isForm ? 'application/x-www-form-urlencoded' : 'application/json')
  return isForm ? new URLSearchParams(fieldsOf(body)).toString() : JSON.stringify(body)
}

/** A parsed form's fields as they are written: `tag=a&tag=b`, `filter[model]=Invoice`. */
function fieldsOf(value: unknown, name = ''): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((one) => fieldsOf(one, name))
  if (typeof value !== 'object' || value === null) return [[name, String(value ?? '')]]
  return Object.entries(value).flatMap(([key, inner]) => fieldsOf(inner, name ? `${name}[${key}]` : key))
}

async function send(answer: Response, request: ExpressRequest, response: ServerResponse): Promise<void> {
  response.statusCode = answer.status
  if (answer.statusText) response.statusMessage = answer.statusText
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value)
  for (const cookie of answer.headers.getSetCookie()) response.appendHeader('set-cookie', cookie)
  if (!answer.body || request.method === 'HEAD') {
    await answer.body?.cancel()
    response.end()
    return
  }
  response.flushHeaders()
  // The pipeline waits for the slower side, and cancels the body when the client goes away.
  await pipeline(Readable.fromWeb(answer.body as NodeReadableStream), response)
}
