import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { ExpressAuthConfig } from '@auth/express'
import type { RequestHandler } from 'express'
import { NextRequest } from 'next/server.js'
import NextAuth, { type NextAuthConfig, type Session } from 'next-auth'

/** What the suite calls of Auth.js. */
export interface AuthJs {
  createHandler(config: ExpressAuthConfig): RequestHandler
  readSession(request: IncomingMessage, config: ExpressAuthConfig): Promise<Session | null>
}

type Handler = (request: NextRequest) => Promise<Response>

/** The configuration of Auth.js is the same for all of its houses, in the copy of its types that each brings along. */
const handlerOf = (config: ExpressAuthConfig): Handler => NextAuth(config as unknown as NextAuthConfig).handlers.POST

function headersOf({ headers }: IncomingMessage): Headers {
  return new Headers(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

/** `next-auth` without Next.js around it: its route handlers, asked with the requests that Next.js would give them. */
export const nextAuth: AuthJs = {
  createHandler(config) {
    const handler = handlerOf(config)
    return async (request, response) => {
      const { method } = request
      const body = method === 'POST' ? { body: Readable.toWeb(request) as BodyInit, duplex: 'half' as const } : {}
      const url = `http://${request.headers.host}${request.originalUrl}`
      const answer = await handler(new NextRequest(url, { method, headers: headersOf(request), ...body }))
      response.status(answer.status)
      for (const [name, value] of answer.headers) response.append(name, value)
      response.send(Buffer.from(await answer.arrayBuffer()))
    }
  },
  async readSession(request, config) {
    const url = `http://${request.headers.host}${config.basePath}/session`
    const { cookie = '' } = request.headers
    return (await handlerOf(config)(new NextRequest(url, { headers: { cookie } }))).json()
  },
}
