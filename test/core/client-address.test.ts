import { isIP } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClientAddress, type Peer } from '../../src/core/client-address.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import fc from '../fast-check.ts'

function peer(socketAddress: string | undefined, forwardedFor?: string | readonly string[], forwarded?: string): Peer {
  return { socketAddress, header: (name) => (name === 'forwarded' ? forwarded : forwardedFor) }
}

const behindProxies = createClientAddress({ trustedProxies: ['loopback', '10.0.0.0/8', '2001:db8:ffff::1'] })
const behindForwarded = createClientAddress({ trustedProxies: ['loopback', '10.0.0.0/8'], proxyHeader: 'forwarded' })

describe('without named proxies', () => {
  const direct = createClientAddress()

  test('B37 the address is the socket’s, whatever the headers say', () => {
    expect(direct(peer('203.0.113.9', '1.2.3.4', 'for=1.2.3.4'))).toBe('203.0.113.9')
    expect(direct(peer('127.0.0.1', '1.2.3.4'))).toBe('127.0.0.1')
  })

  test.each([
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    [undefined, undefined],
    ['', undefined],
  ])('B37 a socket at %s is recorded as %s', (socketAddress, expected) => {
    expect(direct(peer(socketAddress))).toBe(expected)
  })
})

describe('through named proxies', () => {
  test('B37 the header of a socket that is none of them is not read', () => {
    expect(behindProxies(peer('203.0.113.9', '1.2.3.4'))).toBe('203.0.113.9')
    expect(behindProxies(peer(undefined, '1.2.3.4'))).toBeUndefined()
  })

  test('B37 the address is the first from the right that is none of them', () => {
    expect(behindProxies(peer('127.0.0.1', '6.6.6.6, 203.0.113.9'))).toBe('203.0.113.9')
    expect(behindProxies(peer('::1', '6.6.6.6, 203.0.113.9, 10.1.2.3'))).toBe('203.0.113.9')
    expect(behindProxies(peer('::ffff:127.0.0.1', '203.0.113.9, ::ffff:10.1.2.3, 2001:db8:ffff::1'))).toBe(
      '203.0.113.9',
    )
  })

  test('B37 what is left of them all is recorded where each one is a proxy', () => {
    expect(behindProxies(peer('127.0.0.1', '10.0.0.1, 10.0.0.2'))).toBe('10.0.0.1')
    expect(behindProxies(peer('127.0.0.1'))).toBe('127.0.0.1')
    expect(behindProxies(peer('127.0.0.1', ' , ,'))).toBe('127.0.0.1')
  })

  test('B37 several headers are one list, in their order', () => {
    expect(behindProxies(peer('127.0.0.1', ['6.6.6.6', '203.0.113.9, 10.0.0.1']))).toBe('203.0.113.9')
  })

  test.each([
    ['203.0.113.9:4711', '203.0.113.9'],
    ['2001:db8::9', '2001:db8::9'],
    ['[2001:db8::9]', '2001:db8::9'],
    ['[2001:DB8::9]:4711', '2001:db8::9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['[::ffff:203.0.113.9]:80', '203.0.113.9'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['  203.0.113.9\t', '203.0.113.9'],
    ['203.0.113.9,', '203.0.113.9'],
  ])('B37 %j is read as %s', (header, expected) => {
    expect(behindProxies(peer('127.0.0.1', header))).toBe(expected)
  })

  test.each([
    'unknown',
    '_hidden',
    '203.0.113',
    '0x7f.1',
    '203.0.113.010',
    '203.0.113.999',
    '203.0.113.9/24',
    '203.0.113.9%eth0',
    '2001:db8::9::1',
    '::ffff:0x1.2.3.4',
    '[2001:db8::9',
    'example.com',
    '<script>',
    '3405803785',
  ])('B37 %j is recorded as unknown, and nothing left of it is believed', (junk) => {
    expect(behindProxies(peer('127.0.0.1', `6.6.6.6, ${junk}`))).toBeUndefined()
  })

  test('B37 only the header that the proxies write is read', () => {
    expect(behindProxies(peer('127.0.0.1', '203.0.113.9', 'for=6.6.6.6'))).toBe('203.0.113.9')
    expect(behindForwarded(peer('127.0.0.1', '6.6.6.6', 'for=203.0.113.9'))).toBe('203.0.113.9')
  })
})

describe('through proxies that write Forwarded', () => {
  test.each([
    ['for=6.6.6.6, for=203.0.113.9;proto=https;by=10.0.0.1', '203.0.113.9'],
    ['For="203.0.113.9:4711"', '203.0.113.9'],
    ['by=10.0.0.1; for="[2001:db8::9]:4711", for=10.0.0.2', '2001:db8::9'],
    ['for=6.6.6.6, for=unknown', undefined],
    ['for=6.6.6.6, for=_gazonk', undefined],
    ['for=6.6.6.6, proto=https', undefined],
    ['for=6.6.6.6;for=203.0.113.9', undefined],
    ['for="6.6.6.6, for=203.0.113.9', '203.0.113.9'],
    ['for="6.6.6.6\\", for=203.0.113.9;proto="https"', '203.0.113.9'],
  ])('B37 %s tells %s', (header, expected) => {
    expect(behindForwarded(peer('10.0.0.9', undefined, header))).toBe(expected)
  })
})

describe('options', () => {
  test.each([
    ['10.0.0.0/33'],
    ['10.0.0.0/'],
    ['10.0.0.0/8/8'],
    ['::1/129'],
    ['localhost'],
    ['constructor'],
    [''],
    ['10.0.0.1:80'],
    ['[::1]'],
    ['0.0.0.0/0'],
    ['::/0'],
  ])('the proxy %j is refused where the rule is made', (proxy) => {
    expect(() => createClientAddress({ trustedProxies: [proxy] })).toThrow(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(JSON.stringify(proxy)) }),
    )
  })

  test('other mistakes are refused where the rule is made', () => {
    const refused = expect.objectContaining({ code: 'invalid_option' })
    expect(() => createClientAddress({ trustedProxies: 'loopback' as never })).toThrow(refused)
    expect(() => createClientAddress({ trustedProxies: [1 as never] })).toThrow(refused)
    expect(() => createClientAddress({ proxyHeader: 'x-real-ip' as never })).toThrow(refused)
  })

  test.each([
    ['loopback', '127.8.8.8'],
    ['loopback', '::1'],
    ['link-local', '169.254.1.1'],
    ['link-local', 'fe80::1%eth0'],
    ['private', '192.168.1.1'],
    ['private', '172.31.255.255'],
    ['private', 'fd00::1'],
    ['198.51.100.7', '198.51.100.7'],
    ['2001:db8::/32', '2001:db8:1::1'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
  ])('%s names a proxy at %s', (proxy, socketAddress) => {
    expect(createClientAddress({ trustedProxies: [proxy] })(peer(socketAddress, '203.0.113.9'))).toBe('203.0.113.9')
  })
})

describe('whatever comes', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase('address')
  })
  afterAll(() => database.close())

  const piece = fc.oneof(
    fc.ipV4(),
    fc.ipV4Extended(),
    fc.ipV6(),
    fc.ipV6().map((address) => `[${address}]:80`),
    fc.ipV6().map((address) => `${address}%eth0`),
    fc.ipV4().map((address) => `::ffff:${address}`),
    fc.constantFrom('unknown', '"', 'for=', ';', ',', '[', ']', '%', '::', '10.0.0.1', '127.0.0.1', '\0'),
    fc.string({ unit: 'binary' }),
  )
  const header = fc.array(piece).map((pieces) => pieces.join(','))

  test('B37 an address that is recorded is one that PostgreSQL reads, in its own words', async () => {
    const found = new Set<string>()
    fc.assert(
      fc.property(header, fc.boolean(), fc.array(piece), (text, isForwarded, pieces) => {
        const value = isForwarded ? pieces.map((one) => `for="${one}"`).join(', ') : text
        const address = (isForwarded ? behindForwarded : behindProxies)(peer('127.0.0.1', value, value))
        if (address === undefined) return
        expect(isIP(address)).toBeGreaterThan(0)
        found.add(address)
      }),
      { numRuns: 2_000 },
    )
    // PostgreSQL writes the long gone range ::/96 with a dotted end.
    const { rows } = await database.pool.query(
      "select text from unnest($1::text[]) text where host(text::inet) <> text and not text::inet <<= '::/96'",
      [[...found]],
    )
    expect(found.size).toBeGreaterThan(100)
    expect(rows).toEqual([])
  })

  test('B37 a header never changes the answer for a socket that is no proxy', () => {
    fc.assert(
      fc.property(header, (text) => {
        expect(behindProxies(peer('203.0.113.9', text, text))).toBe('203.0.113.9')
        expect(behindForwarded(peer('203.0.113.9', text, text))).toBe('203.0.113.9')
      }),
    )
  })

  test('B37 what a client sends never changes the answer of the proxy that it came through', () => {
    fc.assert(
      fc.property(header, (text) => {
        expect(behindProxies(peer('127.0.0.1', `${text}, 203.0.113.9`))).toBe('203.0.113.9')
        expect(behindForwarded(peer('127.0.0.1', undefined, `${text}, for=203.0.113.9`))).toBe('203.0.113.9')
      }),
    )
  })
})
