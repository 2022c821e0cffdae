import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Lets one browser in: the link works once and leaves a cookie, so that it is worth nothing in a history or a log. */
export interface OneTimeLink {
  /** What is put behind the address. */
  readonly query: string
  /** Answers a request that comes with the link's token. False for all others, which are left alone. */
  redeem(request: IncomingMessage, response: ServerResponse): boolean
  /** Whether a `cookie` header is of the browser that was let in. */
  isHolder(cookies: string | undefined): boolean
}

export interface OneTimeLinkOptions {
  /** The name of the cookie. One machine's cookies are sent to all of its ports. */
  readonly cookie: string
  /** The page that the link leads to. */
  readonly page: string
  /** How long the link waits for its browser. Default 15 minutes. */
  readonly lifetimeMs?: number
  /** The time, in milliseconds. */
  readonly now?: () => number
}

const LIFETIME_MS = 15 * 60_000

export function createOneTimeLink(options: OneTimeLinkOptions): OneTimeLink {
  const { cookie: name, page, lifetimeMs = LIFETIME_MS, now = () => performance.now() } = options
  const token = secret()
  const session = secret()
  const expires = now() + lifetimeMs
  let isUsed = false
  const isHolder = (cookies = '') => cookies.split(/; */).some((cookie) => isSame(cookie, `${name}=${session}`))
  return {
    query: `?token=${token}`,
    isHolder,
    redeem(request, response) {
      const given = tokenOf(request.url)
      if (given === null) return false
      const isGood = isSame(given, token) && !isUsed && now() < expires
      if (isGood && request.method === 'GET') {
        isUsed = true
        response.setHeader('set-cookie', `${name}=${session}; HttpOnly; SameSite=Strict; Path=/`)
      } else if (!isHolder(request.headers.cookie)) {
        response.writeHead(401, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
        response.end('This link works once, for a quarter of an hour. Start the command again for a new one.\n')
        return true
      }
      response.writeHead(303, { location: page, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).end()
      return true
    },
  }
}

/** A target that is no address has no token either. */
function tokenOf(target = '/'): string | null {
  return new URLSearchParams(target.split('?').slice(1).join('?')).get('token')
}

function secret(): string {
  return randomBytes(24).toString('base64url')
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
