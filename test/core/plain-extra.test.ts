import { describe, expect, test } from 'vitest'
import { isDaybookError } from '../../src/core/errors.ts'
import { maskTree, parseMaskPath } from '../../src/core/mask-path.ts'
import { plainExtra } from '../../src/core/plain-extra.ts'
import fc from '../fast-check.ts'

const MASKED = { $daybook: 'masked' }
const UNREADABLE = { $daybook: 'unreadable' }

const tree = (masked: string[], shown: string[] = []) =>
  maskTree(
    masked.map((path) => parseMaskPath(path, 'test')),
    shown.map((path) => parseMaskPath(path, 'test')),
  )
const plain = (extra: unknown, masked: string[] = [], shown: string[] = []) =>
  plainExtra(extra, [tree(masked, shown)], 4096)

describe('what is masked', () => {
  test('B26 members whose names look like a secret are, however deep and in whatever spelling', () => {
    expect(
      plain({
        password: 'p',
        apiKey: 1,
        userPin: 'x',
        form: { 'new-password': { a: 1 }, list: [{ OTP: 123456, shipping: 'ok' }] },
      }),
    ).toEqual({
      password: MASKED,
      apiKey: MASKED,
      userPin: MASKED,
      form: { 'new-password': MASKED, list: [{ OTP: MASKED, shipping: 'ok' }] },
    })
  })

  test('B26 members at a path are, in each element of a list, under any key, and however a header is written', () => {
    const extra = {
      headers: { Authorization: 'Basic x', accept: '*' },
      people: [{ email: 'a' }, { email: 'b', name: 'c' }],
      regions: { north: { note: 'n' }, south: { note: 's' } },
      'odd.key': { x: 1 },
    }
    expect(plain(extra, ['headers.authorization', 'people.email', 'regions.*.note', '["odd.key"].x'])).toEqual({
      headers: { Authorization: MASKED, accept: '*' },
      people: [{ email: MASKED }, { email: MASKED, name: 'c' }],
      regions: { north: { note: MASKED }, south: { note: MASKED } },
      'odd.key': { x: MASKED },
    })
  })

  test('B26 a name that only looks like a secret can be shown, what is inside of it still being judged', () => {
    const extra = { token_count: 5, credentials: { user: 'u', password: 'p' } }
    expect(plain(extra, [], ['token_count', 'credentials'])).toEqual({
      token_count: 5,
      credentials: { user: 'u', password: MASKED },
    })
    expect(plain({ a: { token_count: 5 } }, ['a.token_count'], ['a.token_count'])).toEqual({
      a: { token_count: MASKED },
    })
  })

  test('B20 null stays null, for there is nothing to hide', () => {
    expect(plain({ password: null, token: undefined })).toEqual({ password: null, token: null })
  })

  test('B26 a secret stands nowhere in what is left, whatever it is a member of', () => {
    const secret = 'S3CR3T'
    const { tree: around } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('tree'), { maxKeys: 3 }),
        tie('tree').map((inner) => ({ access_token: secret, inner })),
        tie('tree').map((inner) => ({ password: [inner, { deep: secret }] })),
      ),
    }))
    fc.assert(
      fc.property(around, (value) => {
        expect(JSON.stringify(plain({ value }) ?? null)).not.toContain(secret)
      }),
    )
  })
})

describe('what is hostile', () => {
  const cycle: Record<string, unknown> = { name: 'c' }
  cycle.self = [cycle]
  const throwing = () => {
    throw new Error('no')
  }
  const endless = (): object =>
    new Proxy(
      {},
      {
        ownKeys: () => ['a', 'b'],
        getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 1 }),
        get: (_target, key) => (key === 'toJSON' ? undefined : endless()),
      },
    )

  test.each<[what: string, extra: unknown, plain: unknown]>([
    [
      'a getter that throws',
      Object.defineProperty({ ok: 1 }, 'bad', { get: throwing, enumerable: true }),
      { ok: 1, bad: UNREADABLE },
    ],
    [
      'a secret getter that throws',
      Object.defineProperty({}, 'token', { get: throwing, enumerable: true }),
      { token: UNREADABLE },
    ],
    ['a cycle', cycle, { name: 'c', self: [UNREADABLE] }],
    ['the same object twice', { a: [1], b: [1] }, { a: [1], b: [1] }],
    ['numbers that JSON has not', { big: 2n ** 70n, nan: Number.NaN }, { big: '1180591620717411303424', nan: null }],
    ['a toJSON that throws', { a: { toJSON: throwing } }, { a: UNREADABLE }],
    ['a date', { at: new Date(0), never: new Date(Number.NaN) }, { at: '1970-01-01T00:00:00.000Z', never: null }],
    ['what is no data', { f: () => 1, s: Symbol('x'), u: undefined, list: [() => 1] }, { list: [null] }],
    ['a revoked proxy', { a: revoked() }, { a: UNREADABLE }],
    ['NUL and half characters', { 'k\0': 'a\0b\ud800' }, { 'k\ufffd': 'a\ufffdb\ufffd' }],
    ['a key that is a prototype', JSON.parse('{"__proto__": {"a": 1}}'), JSON.parse('{"__proto__": {"a": 1}}')],
  ])('B26 %s is written as far as it can be read', (_what, extra, expected) => {
    expect(JSON.parse(JSON.stringify(plain(extra)))).toEqual(expected)
  })

  test('B26 what never ends, or is nested deeper than anybody reads, neither hangs nor fails', () => {
    expect(plain(endless())).toBeUndefined()
    let deep: unknown = 1
    for (let depth = 0; depth < 100_000; depth += 1) deep = [deep]
    expect(JSON.stringify(plain({ deep }))).toContain('unreadable')
  })

  test('B34 what is longer than may be kept is not gone through to its end', () => {
    let read = 0
    const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`k${n}`, 1]))
    const counted = new Proxy(wide, {
      get(target, key) {
        read += 1
        return Reflect.get(target, key)
      },
    })
    expect(plain(counted)).toBeUndefined()
    expect(read).toBeLessThan(5000)
    expect(plain({ text: 'x'.repeat(4096) })).toBeUndefined()
    expect(plain({ text: 'x'.repeat(4080) })).toBeDefined()
  })

  function revoked(): object {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }
})

test.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a["b]', 'a[0]', 'a[b]'])('%j is no path', (path) => {
  try {
    parseMaskPath(path, 'maskContext')
    expect.unreachable()
  } catch (error) {
    expect(isDaybookError(error) && error.code).toBe('invalid_option')
    expect(String(error)).toContain('maskContext')
  }
})
