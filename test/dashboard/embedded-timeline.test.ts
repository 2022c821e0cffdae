import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Authorization, Authorize } from '../../src/core/authorize.ts'
import { createDashboard, createTimeline, type TimelineOptions } from '../../src/dashboard/index.ts'
import type { Store } from '../../src/store/index.ts'
import { createTestLog, type TestLog } from '../store/log.ts'

const VIEWER = { id: '2', label: 'staff@example.com' }
const STAFF: Authorization = { allow: true, viewer: VIEWER }
const HOSTILE = `</template></daybook-timeline><script>alert(1)</script><img src=x onerror=alert(2)>"'\u202e{{7*7}}`

let log: TestLog

beforeAll(async () => {
  log = await createTestLog()
  const ada = { actor_id: '7', actor_label: 'ada@example.com', object_label: '2024-0117' }
  await log.write(
    { ...ada, action: 'create', model: 'Invoice', object_id: '117', changes: { n: [null, 1] }, changed_fields: ['n'] },
    ...[1, 2, 3, 4].map((n) => ({
      ...ada,
      model: 'Invoice',
      object_id: '117',
      changes: { n: [n, n + 1], note: ['a', `b${n}`] },
    })),
    {
      model: HOSTILE,
      object_id: HOSTILE,
      object_label: HOSTILE,
      actor_label: HOSTILE,
      changes: { [HOSTILE]: [HOSTILE, `${HOSTILE}!`], b: [1, HOSTILE] },
      changed_fields: [HOSTILE, 'b'],
      context: JSON.stringify({ route: HOSTILE, reason: HOSTILE }),
    },
  )
})
afterAll(() => log.close())

const UNREAD = new Proxy({}, { get: () => () => Promise.reject(new Error('read')) }) as Store

interface Making {
  readonly authorize?: Authorize | undefined
  readonly store?: Store
  readonly onError?: (error: unknown) => void
}

const timelineWith = ({ authorize, store = log.store, onError = () => {} }: Making = {}) =>
  createTimeline({ store, authorize, tables: undefined, onError })

const request = new Request('https://shop.example/invoices/117')
const INVOICE = { model: 'Invoice', id: '117' }

/** The elements of a fragment, and the angle brackets that belong to none. */
function markupOf(html: string) {
  const TAG = /<\/?([a-z][a-z0-9-]*)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*\/?>/g
  const attributes = [...html.matchAll(TAG)].flatMap(([, , all = '']) => [...all.matchAll(/\s([a-z-]+)=/g)])
  return {
    elements: new Set([...html.matchAll(TAG)].map(([, name = '']) => name)),
    attributes: new Set(attributes.map(([, name = '']) => name)),
    strayBrackets: html.replace(TAG, '').match(/[<>]/g),
  }
}

describe('the history of an object as a fragment', () => {
  test('has the newest entries in words, in a tree of its own, and leads into the dashboard', async () => {
    const html = await timelineWith()({ ...INVOICE, limit: 2, basePath: '/audit/', viewer: VIEWER })
    expect(html).toMatch(/^<daybook-timeline><template shadowrootmode="open">.*<\/template><\/daybook-timeline>$/s)
    expect(html.match(/<li /g)).toHaveLength(2)
    expect(html.replace(/<[^>]*>/g, '')).toContain(
      'ada@example.com changed n from 4 to 5 and 1 more on Invoice 2024-0117',
    )
    expect(html.match(/(href)="[^"]*"/g)).toEqual([
      expect.stringMatching(/^href="\/audit\/assets\/timeline-[0-9a-f]{12}\.css"$/),
      'href="/audit/entries/5"',
      'href="/audit/entries/4"',
      'href="/audit/objects/Invoice/117"',
    ])
    expect(html).toContain('The whole history')
    expect(html).not.toMatch(/<script|style=|\son[a-z]+=/)
    const all = await timelineWith()({ ...INVOICE, viewer: VIEWER })
    expect(all.match(/<li /g)).toHaveLength(5)
    expect(all).toContain('In the audit log')
  })

  test('says where nothing is on record, also of what can be the name of nothing', async () => {
    const errors: unknown[] = []
    const timeline = timelineWith({ onError: (error) => errors.push(error) })
    for (const id of ['0', '', '\0', '\ud800', 'x'.repeat(5000)]) {
      expect(await timeline({ model: 'Invoice', id, viewer: VIEWER }), JSON.stringify(id)).toContain(
        'Nothing is on record.',
      )
    }
    expect(await timeline({ model: '', id: '1', viewer: VIEWER })).toContain('Nothing is on record.')
    expect(errors).toEqual([])
  })

  test('B23 values, names and keys are text in it, and can’t end its tree', async () => {
    const html = await timelineWith()({ model: HOSTILE, id: HOSTILE, viewer: VIEWER })
    const plain = await timelineWith()({ ...INVOICE, viewer: VIEWER })
    const { elements, attributes, strayBrackets } = markupOf(html)
    expect(strayBrackets).toBeNull()
    for (const name of elements) expect([...markupOf(plain).elements, 'span', 'code']).toContain(name)
    for (const name of attributes)
      expect([
        'class',
        'href',
        'rel',
        'title',
        'datetime',
        'shadowrootmode',
        'aria-hidden',
        'scope',
        'colspan',
      ]).toContain(name)
    expect(html.match(/<\/template>/g)).toHaveLength(1)
    expect(html).toContain('&lt;script&gt;')
    expect(html).not.toContain('\u202e')
  })
})

describe('B43 whom it is for', () => {
  test('authorize is asked about the request, and is not where the application names the viewer', async () => {
    const asked: Request[] = []
    const authorize: Authorize = (given) => {
      asked.push(given)
      return STAFF
    }
    expect(await timelineWith({ authorize })({ ...INVOICE, request })).toContain('2024-0117')
    expect(asked).toEqual([request])
    expect(await timelineWith({ authorize })({ ...INVOICE, viewer: VIEWER })).toContain('2024-0117')
    expect(asked).toHaveLength(1)
  })

  test.each<[string, Authorize]>([
    ['nobody is signed in', () => ({ allow: false, reason: 'unauthenticated', signInUrl: '/sign-in' })],
    ['they may not', () => ({ allow: false, reason: 'forbidden', viewer: VIEWER })],
    ['authorize answers nothing', () => undefined as unknown as Authorization],
    ['authorize answers something else', () => ({ allow: 'yes' }) as unknown as Authorization],
  ])('it is empty, and nothing is read, where %s', async (_, authorize) => {
    expect(await timelineWith({ authorize, store: UNREAD })({ ...INVOICE, request })).toBe('')
  })

  test.each([
    ['neither a request nor a viewer', INVOICE],
    ['both', { ...INVOICE, request, viewer: VIEWER }],
    ['no model', { id: '1', viewer: VIEWER }],
    ['a key that is no text', { ...INVOICE, id: 117, viewer: VIEWER }],
    ['a limit of 0', { ...INVOICE, limit: 0, viewer: VIEWER }],
    ['a limit of 101', { ...INVOICE, limit: 101, viewer: VIEWER }],
  ])('%s is refused', async (_, options) => {
    await expect(
      timelineWith({ authorize: () => STAFF, store: UNREAD })(options as unknown as TimelineOptions),
    ).rejects.toMatchObject({ code: 'invalid_option' })
  })

  test('a request is refused where there is no authorize to ask', async () => {
    const asking = timelineWith({ store: UNREAD })({ ...INVOICE, request })
    await expect(asking).rejects.toMatchObject({ code: 'invalid_option' })
  })
})

test('where the log or authorize fails, the page around it stays whole and nothing of the failure is shown', async () => {
  const failures: Making[] = [
    { store: UNREAD, authorize: () => STAFF },
    { store: UNREAD, authorize: () => Promise.reject(new Error('read')) },
  ]
  for (const failure of failures) {
    const errors: unknown[] = []
    const html = await timelineWith({ ...failure, onError: (error) => errors.push(error) })({ ...INVOICE, request })
    expect(html).toContain('The history can’t be shown at the moment.')
    expect(html).not.toContain('2024-0117')
    expect(errors).toEqual([new Error('read')])
  }
})

describe('by HTTP', () => {
  const ask = (path: string, init: RequestInit = {}, { authorize = () => STAFF, store = log.store }: Making = {}) => {
    const dashboard = createDashboard({ store, authorize, recordAs: null, onError: () => {} })
    return dashboard(new Request(`https://shop.example/audit${path}`, init), { basePath: '/audit' })
  }

  test('it is the same fragment, for keys of any kind', async () => {
    const response = await ask('/embed/objects/Invoice/117?limit=3')
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(await response.text()).toBe(
      await timelineWith()({ ...INVOICE, limit: 3, basePath: '/audit', viewer: VIEWER }),
    )
    const hostile = await ask(`/embed/objects?${new URLSearchParams({ model: HOSTILE, id: HOSTILE })}`)
    expect(await hostile.text()).toBe(
      await timelineWith()({ model: HOSTILE, id: HOSTILE, basePath: '/audit', viewer: VIEWER }),
    )
    const head = await ask('/embed/objects/Invoice/117', { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('B43 what is not answered is told in a line, never by a page or a way to one', async () => {
    const unauthenticated = {
      authorize: (() => ({ allow: false, reason: 'unauthenticated', signInUrl: '/x' })) as Authorize,
    }
    const forbidden = { authorize: (() => ({ allow: false, reason: 'forbidden' })) as Authorize }
    const html = { headers: { accept: 'text/html' } }
    const cases: readonly (readonly [number, Promise<Response>])[] = [
      [401, ask('/embed/objects/Invoice/117', html, { ...unauthenticated, store: UNREAD })],
      [403, ask('/embed/objects/Invoice/117', html, { ...forbidden, store: UNREAD })],
      [405, ask('/embed/objects/Invoice/117', { method: 'POST' })],
      [405, ask('/embed/objects/Invoice/117', { method: 'OPTIONS' })],
      [400, ask('/embed/objects')],
      [400, ask('/embed/objects/Invoice/117?limit=101')],
      [400, ask('/embed/objects/Invoice/117?limit=x')],
      [404, ask('/embed')],
      [404, ask('/embed/objects/Invoice/117/x')],
      [500, ask('/embed/objects/Invoice/117', {}, { store: UNREAD })],
    ]
    for (const [status, asking] of cases) {
      const response = await asking
      expect([response.status, response.headers.get('content-type')]).toEqual([status, 'text/plain; charset=utf-8'])
      expect(await response.text()).toMatch(/^[^<>\n]+\n$/)
    }
  })

  test('its stylesheet is open to all, kept for ever, and asks nobody else for anything', async () => {
    const forbidden = { authorize: (() => ({ allow: false, reason: 'forbidden' })) as Authorize }
    const [, path = ''] =
      /href="\/audit(\/assets\/[^"]*)"/.exec(await (await ask('/embed/objects/Invoice/117')).text()) ?? []
    const sheet = await ask(path, {}, forbidden)
    expect([sheet.status, sheet.headers.get('content-type')]).toEqual([200, 'text/css; charset=utf-8'])
    expect(sheet.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(await sheet.text()).not.toMatch(/url\(|@import/)
  })
})
