import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Lets one browser in: the link works once and leaves a cookie, so that it is worth nothing in a history or a log. */
export interface OneTimeLink {
  /** What is put behind the address. */
  readonly query: string
  /** Answers a request that comes with the link's token. False for all others, which are left alone. */
  redeem(request: IncomingMessage, response: ServerResponse): boolean
  /** Whether a `cookie` header is of the browser that was let in. */
  isHolder(cookies: string | null): boolean
}

export function createOneTimeLink(name: string): OneTimeLink {
  const token = secret()
  const session = secret()
  let isUsed = false
  const isHolder = (cookies: string | null) =>
    (cookies ?? '').split(/; */).some((cookie) => isSame(cookie, `${name}=${session}`))
  return {
    query: `?token=${token}`,
    isHolder,
    redeem(request, response) {
      const url = new URL(request.url ?? '/', 'http://localhost')
      const given = url.searchParams.get('token')
      if (given === null) return false
      if (!isUsed && isSame(given, token)) {
        isUsed = true
        response.setHeader('set-cookie', `${name}=${session}; HttpOnly; SameSite=Strict; Path=/`)
      } else if (!isHolder(request.headers.cookie ?? null)) {
        response.writeHead(401, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
        response.end('This link has been used, and works once. Start the command again for a new one.\n')
        return true
      }
      response.writeHead(303, { location: '/', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).end()
      return true
    },
  }
}

function secret(): string {
  return randomBytes(24).toString('base64url')
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
