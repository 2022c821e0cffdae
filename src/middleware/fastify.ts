import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Daybook } from '../daybook.ts'
import { askDashboard } from './node-dashboard.ts'
import { openNodeRequest } from './node-request.ts'
import { createRequestContext, type RequestContextOptions } from './request-context.ts'

/** What is used of a request of Fastify 4 and 5. */
export interface FastifyRequest {
  readonly raw: IncomingMessage
  readonly headers: IncomingHttpHeaders
  readonly originalUrl: string
  readonly protocol: string
  readonly body: unknown
  readonly routeOptions: { readonly url?: string | undefined }
}

/** What is used of a reply. */
export interface FastifyReply {
  readonly raw: ServerResponse
  hijack(): unknown
  getHeaders(): Readonly<Record<string, number | string | string[] | undefined>>
}

type Done = (error?: Error) => void

/** What is used of an instance, with the types of the application's own requests. */
interface FastifyInstance<Request extends FastifyRequest> {
  readonly prefix: string
  addHook(name: 'onRequest', hook: (request: Request, reply: FastifyReply, done: Done) => void): unknown
  removeAllContentTypeParsers(): unknown
  addContentTypeParser(type: '*', parser: (request: unknown, payload: unknown, done: Done) => void): unknown
  all(path: string, handler: (request: Request, reply: FastifyReply) => Promise<unknown>): unknown
}

/** A plugin for `register`, of Fastify 4 and 5. */
export type FastifyPlugin = (instance: object, options: unknown, done: Done) => void

/**
 * A Fastify plugin (4 and 5) that opens a context for each request of the instance that it is registered on, ahead of the hooks that are
 * added after it. The route is the pattern from the beginning, and the path where no route is found.
 * @throws DaybookError `invalid_option`
 * @example
 * await app.register(fastifyContext(daybook, { actor: (request) => sessionOf(request.headers.cookie) }))
 */
export function fastifyContext<Request extends FastifyRequest = FastifyRequest>(
  daybook: Pick<Daybook, 'openContext'>,
  options: RequestContextOptions<Request> = {},
): FastifyPlugin {
  const open = createRequestContext('fastifyContext', daybook, options)
  const plugin: FastifyPlugin = (given, _options, done) => {
    const instance = given as FastifyInstance<Request>
    instance.addHook('onRequest', (request, reply, next) => {
      const context = openNodeRequest(open, request, request.raw, reply.raw, request.originalUrl)
      const { url } = request.routeOptions
      if (url !== undefined) context.setRoute(url)
      context.identify(next, next as (error: unknown) => void)
    })
    done()
  }
  // Fastify's own way to say that a plugin's hooks are for the instance that it is registered on.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

/** A Fastify plugin that answers with the dashboard: `app.register(fastifyDashboard(daybook), { prefix: '/audit' })`. */
export function fastifyDashboard(daybook: Pick<Daybook, 'handler'>): FastifyPlugin {
  return (given, _options, done) => {
    const instance = given as FastifyInstance<FastifyRequest>
    async function answer({ raw: incoming, protocol, originalUrl, body }: FastifyRequest, reply: FastifyReply) {
      const basePath = instance.prefix
      const send = await askDashboard(daybook, {
        incoming,
        outgoing: reply.raw,
        basePath,
        target: originalUrl,
        protocol,
        body,
      })
      reply.hijack()
      // What the application's hooks have set stays; Fastify would have sent it with its own answer.
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value)
      }
      await send()
    }
    // The dashboard reads bodies itself.
    instance.removeAllContentTypeParsers()
    instance.addContentTypeParser('*', (_request, _payload, parsed) => parsed())
    instance.all('/', answer)
    instance.all('/*', answer)
    done()
  }
}
