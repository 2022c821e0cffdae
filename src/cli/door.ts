import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { userInfo } from 'node:os'
import type { Viewer } from '../core/authorize.ts'
import { createAddressMatch } from '../core/client-address.ts'
import { DaybookError } from '../core/errors.ts'
import { createOneTimeLink } from './one-time-link.ts'

/** Who is let in to a dashboard that stands alone. */
export interface Door {
  /** Whether a request asked for this server by a name that is its own: a page elsewhere may have had its name pointed here (DNS rebinding). */
  isOurs(request: IncomingMessage): boolean
  /** Answers what is the door's own, such as a one-time link. */
  answer(request: IncomingMessage, response: ServerResponse): boolean
  /** Who asks; undefined for those who are not let in. */
  viewerOf(request: IncomingMessage): Viewer | undefined
  /** What those are told. */
  readonly message: string
  /** Whether the client spoke HTTPS with a proxy in front. */
  isHttps(request: IncomingMessage): boolean
  /** The proxies in front, whose word about the client's address is taken. */
  readonly trustedProxies: readonly string[]
}

export interface LinkDoorOptions {
  /** What the command is called: `serve`. */
  readonly command: string
  readonly port: number
  /** The page that the link leads to. */
  readonly page: string
}

/** Lets in the one browser that opens a link, on this machine alone; whoever started the command is who looks. */
export function createLinkDoor({ command, port, page }: LinkDoorOptions): Door & { readonly query: string } {
  const link = createOneTimeLink({ cookie: `daybook_${command}_${port}`, page })
  const { username } = userInfo()
  const isLoopback = createAddressMatch(['loopback'], 'loopback')
  return {
    query: link.query,
    message: `This page opens by the link that “daybook ${command}” printed. It works once: start the command again for a new one.`,
    trustedProxies: [],
    isOurs: ({ headers }) => {
      const name = hostName(headers.host)
      return name === 'localhost' || (name !== undefined && isIP(name) !== 0 && isLoopback(name))
    },
    answer: link.redeem,
    viewerOf: ({ headers }) =>
      link.isHolder(headers.cookie)
        ? { type: 'job', id: username, label: `daybook ${command} (${username})` }
        : undefined,
    isHttps: () => false,
  }
}

export interface ProxyDoorOptions {
  /** The header in which the proxy says who asks. */
  readonly header: string
  /** Addresses and ranges of the proxies that are believed. */
  readonly proxies: readonly string[]
  /** The names by which the proxy asks for this server, beside addresses and `localhost`. */
  readonly allowedHosts: readonly string[]
}

/** What any client sends of itself, so that it can name nobody. */
const NO_IDENTITY =
  /^(accept.*|authorization|cache-control|connection|content-.*|cookie|date|expect|forwarded|host|if-.*|origin|pragma|range|referer|sec-.*|te|trailer|transfer-encoding|upgrade.*|user-agent|via|x-forwarded-(for|host|port|proto))$/i

/** Longest name that is taken. */
const MAX_NAME_LENGTH = 200

/**
 * Lets in whom a proxy in front has authenticated, and names in a header. The header of anybody else, and one that came twice, is not read.
 * @throws DaybookError `invalid_option`
 */
export function createProxyDoor({ header, proxies, allowedHosts }: ProxyDoorOptions): Door {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(header) || NO_IDENTITY.test(header)) {
    throw new DaybookError(
      'invalid_option',
      `--trust-header: ${JSON.stringify(header)} is no header that says who asks. Name the one that your proxy sets, such as X-Forwarded-User.`,
    )
  }
  const isProxy = createAddressMatch(proxies, '--trusted-proxy')
  const hosts = new Set(allowedHosts.map(readAllowedHost))
  const fromProxy = ({ socket }: IncomingMessage) => isProxy(socket.remoteAddress)
  return {
    message:
      'This page is for those whom the proxy in front of it has signed in. Open it at the address of that proxy.',
    trustedProxies: proxies,
    // Nobody can point an address elsewhere, so only names need to be known.
    isOurs: ({ headers }) => {
      const name = hostName(headers.host)
      return name !== undefined && (name === 'localhost' || isIP(name) !== 0 || hosts.has(name))
    },
    answer: () => false,
    viewerOf: (request) => {
      if (!fromProxy(request)) return undefined
      const given = request.headersDistinct[header.toLowerCase()] ?? []
      const name = given.length === 1 ? textOf(given[0] ?? '') : undefined
      return name === undefined ? undefined : { type: 'user', id: name, label: name }
    },
    isHttps: (request) => fromProxy(request) && request.headers['x-forwarded-proto'] === 'https',
  }
}

/** The name in a `host` header, without its port; undefined for what is none. */
function hostName(host: string | undefined): string | undefined {
  const [, address, name] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host ?? '') ?? []
  return (address ?? name)?.toLowerCase()
}

function readAllowedHost(name: string): string {
  if (/^[\w.-]+$/.test(name)) return name.toLowerCase()
  throw new DaybookError(
    'invalid_option',
    `--allowed-host: ${JSON.stringify(name)} is no name of a host: write it without scheme and port, such as audit.example.com.`,
  )
}

/** Proxies send UTF-8, and Node reads one character a byte. What is no text, empty or too long names nobody. */
function textOf(header: string): string | undefined {
  try {
    const name = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(header, 'latin1')).trim()
    return name === '' || name.length > MAX_NAME_LENGTH || /\p{Cc}/u.test(name) ? undefined : name
  } catch {
    return undefined
  }
}
