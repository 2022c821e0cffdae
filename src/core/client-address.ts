import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import { DaybookError } from './errors.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = readonly [Address, number]

/** The ranges that go by a name. */
const NAMED_RANGES = {
  loopback: ['127.0.0.0/8', '::1/128'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
} as const

/** The header in which proxies say whom they speak for. */
export type ProxyHeader = 'x-forwarded-for' | 'forwarded'

export interface ClientAddressOptions {
  /**
   * The proxies that stand in front of the application: addresses, ranges such as `10.0.0.0/8`, or the names `loopback`,
   * `link-local` and `private`. Default: none, so that the address is the socket's and no header is read.
   */
  readonly trustedProxies?: readonly string[]
  /**
   * The header that these proxies write. Only this one is read, because a proxy passes on what a client put into the other.
   * Default `x-forwarded-for`.
   */
  readonly proxyHeader?: ProxyHeader
}

/** Who is at the other end, as far as a request tells. */
export interface Peer {
  readonly socketAddress: string | undefined
  /** What a request carries under a header's name in lower case. */
  readonly header: (name: ProxyHeader) => string | readonly string[] | undefined
}

/**
 * Makes the one rule by which a request's client address is found: from the socket, and from there through the proxies that
 * were named, right to left, to the first address that is none of them. The rule gives canonical text that PostgreSQL's
 * `inet` reads (IPv4-mapped addresses as IPv4, no port, no zone), or `undefined` where the address is not known.
 * A client that is not behind a named proxy can't influence it.
 * @throws DaybookError `invalid_option`
 */
export function createClientAddress(options: ClientAddressOptions = {}): (peer: Peer) => string | undefined {
  const { trustedProxies = [], proxyHeader = 'x-forwarded-for' } = options
  const read = HEADER_READERS[proxyHeader]
  if (!read) {
    throw new DaybookError(
      'invalid_option',
      `proxyHeader must be "x-forwarded-for" or "forwarded", not ${JSON.stringify(proxyHeader)}.`,
    )
  }
  const isTrusted = matchOf(trustedProxies, 'trustedProxies')

  return ({ socketAddress, header }) => {
    let address = readNode(socketAddress ?? '')
    if (!address || !isTrusted(address)) return address?.toString()
    const value = header(proxyHeader)
    const hops = (typeof value === 'string' ? value : (value ?? []).join(',')).split(',')
    for (const hop of hops.reverse()) {
      if (hop.trim() === '') continue
      address = readNode(read(hop) ?? '')
      if (!address || !isTrusted(address)) break
    }
    return address?.toString()
  }
}

/**
 * Makes the rule that tells whether an address, as a socket gives it, is one of those that were named: addresses, ranges, and the names
 * that `trustedProxies` takes. `option` is what an error calls the list.
 * @throws DaybookError `invalid_option`
 */
export function createAddressMatch(names: readonly string[], option: string): (address: string | undefined) => boolean {
  const isOne = matchOf(names, option)
  return (text) => {
    const address = readNode(text ?? '')
    return address !== undefined && isOne(address)
  }
}

function matchOf(names: readonly string[], option: string): (address: Address) => boolean {
  const ranges = readRanges(names, option)
  return (address) => ranges.some(([range, bits]) => address.kind() === range.kind() && address.match(range, bits))
}

// Elements are cut at every comma, also one inside quotes: no address has one there, and a quote that a client
// leaves open can so never swallow what a proxy appended.
const HEADER_READERS: Readonly<Record<ProxyHeader, (element: string) => string | undefined>> = {
  'x-forwarded-for': (element) => element,
  forwarded: (element) => {
    const nodes = element.split(';').flatMap((pair) => /^\s*for\s*=\s*("?)([^"]*)\1\s*$/i.exec(pair)?.[2] ?? [])
    return nodes.length === 1 ? nodes[0] : undefined
  },
}

const IPV4_WITH_PORT = /^([\d.]+):\d{1,5}$/
const BRACKETED_IPV6 = /^\[([^\]]*)\](?::\d{1,5})?$/
const ZONE = /%[^%]*$/

/** Reads an address as sockets and proxies write it: with or without a port, a zone, brackets around IPv6. */
function readNode(text: string): Address | undefined {
  const node = text.trim()
  return readAddress(IPV4_WITH_PORT.exec(node)?.[1] ?? BRACKETED_IPV6.exec(node)?.[1] ?? node)
}

// Node's own predicates first: ipaddr.js also reads 0x7f.1, 127.1 and octal, which no proxy writes.
function readAddress(text: string): Address | undefined {
  const address = text.replace(ZONE, '')
  return isIPv6(address) || isIPv4(text) ? ipaddr.process(address) : undefined
}

function readRanges(names: readonly string[], option: string): Range[] {
  if (!Array.isArray(names)) {
    throw new DaybookError('invalid_option', `${option} must be a list of addresses, not ${typeof names}.`)
  }
  return names.flatMap((name) => {
    const texts = Object.hasOwn(NAMED_RANGES, name) ? NAMED_RANGES[name as keyof typeof NAMED_RANGES] : [name]
    return texts.map((text) => readRange(text, option))
  })
}

function readRange(text: unknown, option: string): Range {
  const [addressText, bitsText, ...rest] = typeof text === 'string' ? text.split('/') : []
  const address = readAddress(addressText ?? '')
  const width = address?.kind() === 'ipv4' ? 32 : 128
  const bits = bitsText === undefined ? width : /^\d{1,3}$/.test(bitsText) ? Number(bitsText) : Number.NaN
  if (!address || rest.length > 0 || !(bits <= width)) {
    throw new DaybookError(
      'invalid_option',
      `${option}: ${JSON.stringify(text)} is no address, no range such as "10.0.0.0/8" and none of the names ${Object.keys(NAMED_RANGES).join(', ')}.`,
    )
  }
  if (bits === 0) {
    throw new DaybookError(
      'invalid_option',
      `${option}: ${JSON.stringify(text)} trusts everybody, so that a client could choose its own address. Name the proxies' own ranges.`,
    )
  }
  return [address, bits]
}
