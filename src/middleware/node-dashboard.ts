import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import type { Daybook } from '../daybook.ts'

/** One request to the dashboard, as a framework on Node's HTTP server knows it. */
export interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** Where the dashboard is mounted, such as `/audit`. */
  readonly basePath: string
  /** Path and query as they came, with the prefix. */
  readonly target: string
  /** `http` or `https`. */
  readonly protocol: string
  /** What a body parser has made of the body, if one has read it. */
  readonly body: unknown
}

/**
 * Asks the dashboard, and gives what sends its answer: then an error before the answer can be answered by the framework. Once the client
 * has gone away the query behind the answer is stopped, and no error is told.
 */
export async function askDashboard(
  daybook: Pick<Daybook, 'handler'>,
  { incoming, outgoing, basePath, ...about }: Exchange,
): Promise<() => Promise<void>> {
  const gone = new AbortController()
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort()
  })
  const unlessGone = (error: unknown) => {
    if (!gone.signal.aborted) throw error
  }
  const request = toWebRequest(incoming, about, gone.signal)
  const answer = request ? await daybook.handler(request, { basePath }).catch(unlessGone) : notUnderstood()
  return async () => {
    if (answer) await send(answer, incoming, outgoing).catch(unlessGone)
  }
}

/** Undefined for a method or a host that no web request can have. */
function toWebRequest(
  incoming: IncomingMessage,
  { target, protocol, body: parsed }: Pick<Exchange, 'target' | 'protocol' | 'body'>,
  signal: AbortSignal,
): Request | undefined {
  const { method = 'GET' } = incoming
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && !name.startsWith(':')) headers.append(name, one)
    }
  }
  const body = method === 'GET' || method === 'HEAD' ? null : bodyOf(incoming, parsed, headers)
  const host = incoming.headers.host ?? incoming.headers[':authority'] ?? 'localhost'
  try {
    const init = { method, headers, signal, body, ...(body && { duplex: 'half' }) } as RequestInit
    return new Request(`${protocol}://${host}${target}`, init)
  } catch {
    return undefined
  }
}

function notUnderstood(): Response {
  return new Response('This request can not be understood.\n', { status: 400 })
}

/** The body as it comes, or written anew from what a body parser made of it. */
function bodyOf(incoming: IncomingMessage, body: unknown, headers: Headers): BodyInit | null {
  if (!incoming.readableDidRead) return Readable.toWeb(incoming) as ReadableStream
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

async function send(answer: Response, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = answer.status
  if (answer.statusText) outgoing.statusMessage = answer.statusText
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') outgoing.setHeader(name, value)
  for (const cookie of answer.headers.getSetCookie()) outgoing.appendHeader('set-cookie', cookie)
  if (!answer.body || incoming.method === 'HEAD') {
    await answer.body?.cancel()
    outgoing.end()
    return
  }
  outgoing.flushHeaders()
  // The pipeline waits for the slower side, and cancels the body when the client goes away.
  await pipeline(Readable.fromWeb(answer.body as NodeReadableStream), outgoing)
}
