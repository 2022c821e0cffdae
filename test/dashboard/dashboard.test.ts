import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Authorization, Authorize } from '../../src/core/authorize.ts'
import { currentContext, openContext } from '../../src/core/context.ts'
import { DaybookError } from '../../src/core/errors.ts'
import { printQuery } from '../../src/core/query.ts'
import { createDashboard, type Dashboard } from '../../src/dashboard/index.ts'
import { unescapeCell } from '../../src/export/index.ts'
import type { Store } from '../../src/store/index.ts'
import { parseCsv } from '../export/csv-lines.ts'
import { createTestLog, type TestLog } from '../store/log.ts'

const STAFF: Authorization = { allow: true, viewer: { id: '2', label: 'staff@example.com' } }

let log: TestLog
let ids: string[]
let recorded: { actor: unknown; event: unknown; context: unknown }[] = []

const base = 'http://127.0.0.1/audit'

function dashboardFor(authorize: Authorize, store: Store = log.store): Dashboard {
  return createDashboard({
    store,
    authorize,
    title: 'Back office',
    recordAs: async (actor, event) => {
      recorded.push({ actor, event, context: currentContext() })
    },
    onError: () => {},
  })
}

const get = (dashboard: Dashboard, path: string, init?: RequestInit) =>
  dashboard(new Request(`${base}${path}`, init), { basePath: '/audit' })

async function page(path: string, dashboard = dashboardFor(() => STAFF)) {
  const response = await get(dashboard, path)
  return { status: response.status, headers: response.headers, html: await response.text() }
}

/** What a reader of the page sees, near enough. */
function textOf(html: string): string {
  return html
    .replace(/<title>.*?<\/title>/s, '')
    .replace(/<[^>]*>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
}

const TAG = /<(!DOCTYPE html|\/?[a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*\/?>/g

/** The names of elements and attributes of a page, and whatever angle brackets are left outside of them. */
function markupOf(html: string) {
  const attributes = [...html.matchAll(TAG)].flatMap(([, , all = '']) => [...all.matchAll(/\s([a-z-]+)(?:="[^"]*")?/g)])
  return {
    elements: new Set([...html.matchAll(TAG)].map(([, name = '']) => name.replace('/', ''))),
    attributes: new Set(attributes.map(([, name = '']) => name)),
    strayBrackets: html.replace(TAG, '').match(/[<>]/g),
  }
}

const linksOf = (html: string) =>
  [...html.matchAll(/<a [^>]*?href="([^"]*)"[^>]*>(.*?)<\/a>/gs)].map(([, href = '', inner = '']) => ({
    href: href.replaceAll('&amp;', '&'),
    text: textOf(inner),
  }))

const linkTo = (html: string, text: string) => linksOf(html).find((link) => link.text.includes(text))?.href ?? ''

/** The path below the prefix. */
const below = (href: string) => href.replace(/^\/audit/, '').replace(/#.*/, '')

beforeAll(async () => {
  log = await createTestLog()
  const ada = { actor_id: '7', actor_label: 'ada@example.com', ip_address: '203.0.113.9', request_id: 'req-1' }
  ids = await log.write(
    {
      action: 'create',
      model: 'Invoice',
      object_id: '117',
      object_label: '2024-0117',
      ...ada,
      changes: { n: [null, 1], note: [null, ''] },
    },
    {
      ...ada,
      model: 'Invoice',
      object_id: '117',
      object_label: '2024-0117',
      changes: { status: ['open', 'paid'], iban: [{ $daybook: 'masked' }, { $daybook: 'masked' }] },
      changed_fields: ['status', 'iban'],
      context: '{"route":"PATCH /invoices/:id"}',
    },
    ...Array.from({ length: 120 }, (_, n) => ({
      model: 'Product',
      object_id: `p${n}`,
      actor_type: 'job',
      actor_id: 'nightly',
    })),
    { action: 'login', outcome: 'failure', actor_type: 'anonymous', object_label: 'grace@example.com' },
  )
})
afterAll(() => log.close())
beforeEach(() => {
  recorded = []
})

describe('entries that name nobody', () => {
  /** The log with so many of them. */
  const withNobody = (count: number, orMore = false): Store => ({
    ...log.store,
    unattributed: async () => ({ count, orMore, filter: { actor: ['database:app'], at: ['2026-11-22T12:00:00Z..'] } }),
  })
  const shown = (path: string, store: Store) =>
    page(
      path,
      dashboardFor(() => STAFF, store),
    )

  test('B46 are counted on the list of everything, with a bound, and lead to themselves', async () => {
    const { html } = await shown('/', withNobody(1000, true))
    expect(textOf(html)).toContain('1,000+ of the last 24 hours name nobody')
    expect(linkTo(html, 'name nobody')).toBe('/audit/?q=actor:database:app+at:2026-11-22T12:00:00Z..')
    expect(textOf((await shown('/', withNobody(1))).html)).toContain('1 of the last 24 hours names nobody')
  })

  test('are not spoken of where there are none, and not counted where the list is filtered or another page', async () => {
    expect(textOf((await shown('/', withNobody(0))).html)).not.toContain('nobody')
    const uncounted = { ...log.store, unattributed: () => Promise.reject(new Error('counted')) }
    for (const path of ['/?q=model:Invoice', `/?before=${ids.at(-1)}`]) {
      expect(await shown(path, uncounted)).toMatchObject({ status: 200 })
    }
  })

  test('are explained where they are asked for', async () => {
    expect(textOf((await shown('/?q=actor:database:app', withNobody(0))).html)).toContain('These entries name nobody')
    expect(textOf((await shown('/?q=actor:user:7', withNobody(0))).html)).not.toContain('name nobody')
  })
})

describe('who may look', () => {
  test('B43 is never decided by default: without authorize there is no dashboard', () => {
    const options = { store: log.store, recordAs: async () => {} }
    expect(() => createDashboard(options as never)).toThrow(DaybookError)
    expect(() => createDashboard(options as never)).toThrow(/authorize must be a function/)
  })

  test('leads back to the application, and to nowhere that is no address of a page', async () => {
    const options = { store: log.store, recordAs: async () => {}, authorize: () => STAFF }
    const shown = createDashboard({ ...options, title: 'Larkfield', home: '/desk' })
    expect(await (await shown(new Request('http://shop.test/'))).text()).toContain('<a href="/desk">Larkfield</a>')
    for (const home of ['javascript:alert(1)', '//elsewhere.test', 'desk']) {
      expect(() => createDashboard({ ...options, home })).toThrow(/home must be a path/)
    }
  })

  const paths = [
    '',
    '/',
    '/entries/1',
    '/entries/x',
    '/objects/Invoice/117',
    '/objects?model=Invoice&id=117',
    '/export.csv',
    '/suggest?q=actor:',
    '/nowhere',
    '/%zz',
    '/assets/daybook.js',
    '/?q=ip:junk',
    '/../audit',
  ]
  const methods = ['GET', 'HEAD', 'POST', 'OPTIONS', 'DELETE', 'PROPFIND']
  const requests = paths.flatMap((path) => methods.map((method) => [method, path] as const))

  test.each(requests)('B43 is asked before everything: %s %j', async (method, path) => {
    const untouched = new Proxy({}, { get: () => () => Promise.reject(new Error('the store was read')) }) as Store
    const asked: string[] = []
    const answers: [Authorization, number][] = [
      [{ allow: false, reason: 'unauthenticated' }, 401],
      [{ allow: false, reason: 'forbidden', viewer: { id: '3', label: 'clerk@example.com' } }, 403],
    ]
    for (const [authorization, status] of answers) {
      const dashboard = dashboardFor((request) => {
        asked.push(request.url)
        return authorization
      }, untouched)
      const response = await get(dashboard, path, { method })
      expect(response.status).toBe(status)
      expect(await response.text()).not.toContain('2024-0117')
    }
    expect(asked).toHaveLength(2)
  })

  test('B43 an answer that is none, and one that fails, show nothing', async () => {
    expect(
      (
        await page(
          '/',
          dashboardFor(() => undefined as never),
        )
      ).status,
    ).toBe(403)
    const failing = await page(
      '/',
      dashboardFor(() => Promise.reject(new Error('session store of 10.0.0.1 is down'))),
    )
    expect(failing.status).toBe(500)
    expect(failing.html).not.toContain('10.0.0.1')
    expect(failing.html).not.toContain('2024-0117')
  })

  test('a browser that asks for a page is sent to sign in; a program gets 401', async () => {
    const dashboard = dashboardFor(() => ({ allow: false, reason: 'unauthenticated', signInUrl: '/sign-in' }))
    const browser = await get(dashboard, '/', { headers: { accept: 'text/html,*/*' } })
    expect([browser.status, browser.headers.get('location')]).toEqual([303, '/sign-in'])
    expect((await get(dashboard, '/')).status).toBe(401)
  })

  test('methods that change something are refused', async () => {
    const response = await get(
      dashboardFor(() => STAFF),
      '/',
      { method: 'POST', body: 'x' },
    )
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})

describe('the list', () => {
  test('says each entry in a sentence, under its day, newest first', async () => {
    const { status, html } = await page('/?q=model:Invoice')
    expect(status).toBe(200)
    const text = textOf(html)
    expect(text).toContain('ada@example.com changed status from open to paid and 1 more on Invoice 2024-0117')
    expect(text.indexOf('changed status')).toBeLessThan(text.indexOf('created Invoice 2024-0117 with 2 values'))
    expect(text).toContain('203.0.113.9 · PATCH /invoices/:id · 2 fields')
    expect(html).toMatch(/<h2>\w+day \d+ \w+ \d{4}/)
  })

  test('B46 pages both ways by links and never counts without a bound', async () => {
    const first = await page('/')
    expect(textOf(first.html)).toContain('123 entries')
    const second = await page(below(linkTo(first.html, 'Older')))
    const third = await page(below(linkTo(second.html, 'Older')))
    expect(linkTo(third.html, 'Older')).toBe('')
    const rows = [first, second, third].map(({ html }) => [...html.matchAll(/<li id="e(\d+)"/g)].map(([, id]) => id))
    expect(rows.flat()).toEqual([...ids].reverse())
    const back = await page(below(linkTo(third.html, 'Newer')))
    expect([...back.html.matchAll(/<li id="e(\d+)"/g)].map(([, id]) => id)).toEqual(rows[1])
  })

  test('B47 keeps its whole state in the URL, and brings a query to its one form', async () => {
    const location = async (path: string) =>
      (
        await get(
          dashboardFor(() => STAFF),
          path,
        )
      ).headers.get('location')
    const q = 'model:Invoice+action:update'
    expect(await location(`/?q=+action:update+MODEL:"Invoice"&entry=${ids[1]}`)).toBe(
      `/audit/?q=${q}&entry=${ids[1]}#e${ids[1]}`,
    )
    expect(await location('/?q=')).toBeNull()
    const { html } = await page(`/?q=${q}&entry=${ids[1]}`)
    expect(html).toContain('value="model:Invoice action:update"')
    expect(linkTo(html, 'Export CSV')).toBe(`/audit/export.csv?q=${q}`)
  })

  test('has a chip for each value, which turns it round or drops it, and a choice that is switched', async () => {
    const { html } = await page('/?q=model:Invoice+-action:create+at:-7d..+"Aalto+Oy"')
    const links = linksOf(html)
    const labelled = (label: string) =>
      new RegExp(`href="([^"]*)"[^>]*aria-label="${label}"`)
        .exec(html)?.[1]
        ?.replaceAll('&amp;', '&')
        .replaceAll('&quot;', '"')
    expect(textOf(html)).toContain('not action Created')
    expect(textOf(html)).toContain('time last 7 days')
    expect(labelled('Remove model:Invoice')).toBe('/audit/?q=-action:create+at:-7d..+%22Aalto+Oy%22')
    expect(labelled('Exclude text Aalto Oy')).toBe('/audit/?q=model:Invoice+-action:create+at:-7d..+-%22Aalto+Oy%22')
    expect(labelled('Include action Created')).toBe('/audit/?q=model:Invoice+action:create+at:-7d..+%22Aalto+Oy%22')
    expect(links.find(({ text }) => text === 'Changed')?.href).toBe(
      '/audit/?q=model:Invoice+action:update+-action:create+at:-7d..+%22Aalto+Oy%22',
    )
    expect(links.find(({ text }) => text === '30 days')?.href).toBe(
      '/audit/?q=model:Invoice+-action:create+at:-30d..+%22Aalto+Oy%22',
    )
  })

  test('calls people and objects by name in its chips', async () => {
    const { html } = await page('/?q=actor:user:7+model:Invoice+object-id:117')
    expect(textOf(html)).toMatch(/actor ada@example\.com.*object id 2024-0117/)
    expect(html).toContain('aria-label="Exclude actor ada@example.com"')
  })

  test('takes two days of a form into the query', async () => {
    const dashboard = dashboardFor(() => STAFF)
    const location = async (query: string) => (await get(dashboard, `/?${query}`)).headers.get('location')
    expect(await location('q=model:Invoice&from=2026-11-01&to=2026-11-07')).toBe(
      '/audit/?q=model:Invoice+at:2026-11-01..2026-11-07',
    )
    expect(await location('q=&from=2026-11-01&to=')).toBe('/audit/?q=at:2026-11-01..')
    expect(await location('q=model:Invoice&from=&to=')).toBe('/audit/?q=model:Invoice')
    // What is no day comes to the page that says so.
    expect(await location('q=&from=x"+y&to=')).toBe('/audit/?q=at:%22x%5C%22+y..%22')
  })

  test('leads from each value of an entry to its like, and to all others', async () => {
    const { html } = await page('/?q=model:Invoice')
    const cells = [...html.matchAll(/<a class="cell" href="([^"]*)"(?: data-without="([^"]*)")?[^>]*>(.*?)<\/a>/g)].map(
      ([, only, without, text = '']) => [textOf(text), only, without],
    )
    expect(cells).toContainEqual([
      'ada@example.com',
      '/audit/?q=actor:user:7+model:Invoice',
      '/audit/?q=-actor:user:7+model:Invoice',
    ])
    expect(cells).toContainEqual([
      'changed',
      '/audit/?q=model:Invoice+action:update',
      '/audit/?q=model:Invoice+-action:update',
    ])
    expect(cells).toContainEqual([
      'status',
      '/audit/?q=model:Invoice+field:status',
      '/audit/?q=model:Invoice+-field:status',
    ])
    expect(cells).toContainEqual(['Invoice 2024-0117', '/audit/?q=model:Invoice+object-id:117', undefined])
    expect(cells).toContainEqual([
      '203.0.113.9',
      '/audit/?q=model:Invoice+ip:203.0.113.9',
      '/audit/?q=model:Invoice+-ip:203.0.113.9',
    ])
  })

  test('opens an entry beside it, with what changed and links to all that belongs to it', async () => {
    const { html } = await page(`/?q=model:Invoice&entry=${ids[1]}`)
    const text = textOf(html)
    expect(text).toContain('What changed')
    expect(text).toContain('masked: it changed, the value is not kept')
    expect(linkTo(html, 'Timeline of this Invoice')).toBe('/audit/objects/Invoice/117')
    expect(linkTo(html, 'This request')).toBe('/audit/?q=request:req-1')
    expect(linkTo(html, '203.0.113.9')).not.toBe('')
    expect(linkTo(html, 'Close')).toBe('/audit/?q=model:Invoice')
    expect(linkTo(html, 'Older entry')).toBe(`/audit/?q=model:Invoice&entry=${ids[0]}#e${ids[0]}`)
  })

  test('folds what one statement did to many objects into one line, however many pages it would take', async () => {
    const recorded_at = '2026-11-23T10:00:00Z'
    const change = { model: 'Price', changes: { price: [1, 2] }, recorded_at }
    const before = await log.write(...Array.from({ length: 60 }, () => ({ ...change, object_id: 'before' })))
    const [first = ''] = await log.write({
      ...change,
      object_id: '0',
      changed_fields: ['price'],
      actor_label: 'nightly-prices',
    })
    await log.pool.query(
      `insert into daybook.entry (recorded_at, action, actor_type, model, object_id, statement_id, changes, changed_fields)
       select $1, 'update', 'user', 'Price', n, $2, '{"price":[1,2]}', '{price}' from generate_series(1, 1203) n`,
      [recorded_at, first],
    )
    const { html } = await page('/?q=model:Price')
    expect(textOf(html)).toContain('nightly-prices changed price on 1,204 Prices')
    expect(textOf(html)).toContain('50 of 1,204 are on this page')
    // The one line would be a poor page: what is older follows it, and the next page goes on behind that.
    const newestFirst = before.toReversed()
    const singles = (text: string) =>
      [...text.matchAll(/<li id="e(\d+)"/g)].map(([, id = '']) => id).filter((id) => before.includes(id))
    expect(singles(html)).toEqual(newestFirst.slice(0, 50))
    const older = await page(below(linkTo(html, 'Older')))
    expect(singles(older.html)).toEqual(newestFirst.slice(50))
    expect(textOf(older.html)).not.toContain('1,204 Prices')

    const all = await page(below(linkTo(html, 'Show all of this statement')))
    expect(textOf(all.html)).not.toContain('1,204 Prices')
    expect(all.html.match(/<li id="e/g)).toHaveLength(50)
    expect(linkTo(all.html, 'Older')).toContain('before=')
    await log.pool.query("delete from daybook.entry where model = 'Price'")
  })

  test('says when nothing matches which part takes everything away, and drops it', async () => {
    const { status, html } = await page('/?q=model:Invoice+ip:192.0.2.1+ip:192.0.2.2')
    expect(status).toBe(200)
    expect(textOf(html)).toContain('No entry matches')
    expect(textOf(html)).toMatch(/Without this part there are entries: ?ip:192.0.2.1 ip:192.0.2.2 ?Drop it: 2 entries/)
    expect(textOf(html)).not.toContain('model:Invoice Drop')
    expect(linkTo(html, 'Drop it')).toBe('/audit/?q=model:Invoice')
    const both = await page('/?q=actor:nobody+ip:192.0.2.1')
    expect(textOf(both.html)).toContain('No single part is the reason')
    const left = await page('/?q=model:Invoice+-model:Invoice')
    expect(linksOf(left.html).filter(({ text }) => text.startsWith('Drop it'))).toHaveLength(2)
    const alone = await page('/?q=-at:2000..')
    expect(textOf(alone.html)).toMatch(/No entry of the log has this. ?-at:2000.. ?Drop it: 123 entries/)
  })

  test('of an empty log shows what is tracked', async () => {
    const empty = await createTestLog()
    try {
      const nothing = await page(
        '/',
        dashboardFor(() => STAFF, empty.store),
      )
      expect(textOf(nothing.html)).toContain('No table is tracked')
      await empty.pool.query('create table invoice (id int primary key)')
      await empty.pool.query("select daybook.configure_table('public.invoice', 'Invoice'); delete from daybook.entry")
      const tracked = await page(
        '/',
        dashboardFor(() => STAFF, empty.store),
      )
      expect(textOf(tracked.html)).toMatch(/One table is tracked: ?Invoice/)
    } finally {
      await empty.close()
    }
  })
})

describe('a page of one entry or object', () => {
  test('shows the entry whole', async () => {
    const { html } = await page(`/entries/${ids[0]}`)
    const text = textOf(html)
    expect(text).toContain('Recorded values')
    expect(text).toMatch(/note ?\+ ?empty/)
    expect(text).toContain('user app')
    expect(text).toContain('"objectLabel": "2024-0117"')
  })

  test('shows the timeline of an object, also one whose key is no segment of a path', async () => {
    await log.write(
      { action: 'create', model: 'Odd', object_id: '..', object_label: 'dots' },
      { action: 'delete', model: 'Odd', object_id: '..', object_label: 'dots' },
      { action: 'create', model: 'Odd', object_id: 'a/b?c#d%2F ü', object_label: 'slash' },
    )
    for (const [key, name] of [
      ['..', 'dots'],
      ['a/b?c#d%2F ü', 'slash'],
    ] as const) {
      const { html: list } = await page(
        `/?${new URLSearchParams({ q: printQuery({ model: ['Odd'], objectId: [key] }) })}`,
      )
      const entry = below(linksOf(list).find((link) => link.href.includes('entry='))?.href ?? '')
      const href = linkTo((await page(entry)).html, 'Timeline of this Odd')
      const timeline = await page(below(new URL(href, base).href.slice('http://127.0.0.1'.length)))
      expect(timeline.status).toBe(200)
      expect(textOf(timeline.html)).toContain(`created Odd ${name}`)
    }
    const gone = await page('/objects?model=Odd&id=..')
    expect(textOf(gone.html)).toMatch(/Odd dots ?deleted/)
  })

  test('of an object that is not on record says so', async () => {
    const { status, html } = await page('/objects/Nothing/1')
    expect(status).toBe(200)
    expect(textOf(html)).toContain('Nothing is on record')
  })
})

describe('what can’t be shown', () => {
  test.each([
    ['/?q=at:2026-13-01', 'at character 4'],
    ['/?q=ip:999.1.1.1', 'ip'],
    ['/?q=outcome:maybe', 'outcome'],
    ['/?q=action:DROP%20TABLE', 'action'],
    ['/?q=actor:ada+acton:login', 'at character 11'],
    ['/?q="open', 'at character 1:'],
    ['/?q=a&q=b', 'q'],
    ['/?model=Invoice', 'model'],
    ['/?before=abc', 'before'],
    [`/?after=${10n ** 30n}`, 'after'],
    ['/?before=1&after=2', 'after'],
    ['/?entry=0', 'entry'],
    ['/?colour=red', 'colour'],
    ['/?q=actor:%00', 'actor'],
    ['/?q=actor:%ED%A0%80', undefined],
    ['/export.csv?q=at:never', 'at'],
    ['/export.csv?before=5', 'before'],
    ['/entries/abc', 'entry'],
    [`/entries/${10n ** 30n}`, 'entry'],
    ['/objects/A/%00', 'id'],
    ['/objects', 'model'],
    ['/objects/A/1?before=x', 'before'],
  ])('%s is answered with 400 and the part that is wrong, never 500', async (path, parameter) => {
    const { status, html } = await page(path)
    // A lone surrogate can't come through a URL: it has become a replacement character, which is only found nowhere.
    expect(status).toBe(parameter === undefined ? 200 : 400)
    if (parameter !== undefined) expect(textOf(html)).toContain(parameter)
  })

  test.each([
    '/nowhere',
    '/entries',
    '/entries/1/2',
    '/assets/other.css',
    '/assets/..%2fdaybook.css',
    '/%zz',
    '//',
    '/entries/999999999',
  ])('%s is 404', async (path) => {
    expect((await page(path)).status).toBe(404)
  })

  test('a database that is away is 503, without its address; another failure is 500 without its message', async () => {
    const failing = (error: unknown) => new Proxy({}, { get: () => () => Promise.reject(error) }) as Store
    const away = await page(
      '/',
      dashboardFor(() => STAFF, failing(Object.assign(new Error('connect 10.1.1.1'), { code: 'ECONNREFUSED' }))),
    )
    expect(away.status).toBe(503)
    expect(away.html).not.toContain('10.1.1.1')
    const other = await page(
      '/',
      dashboardFor(() => STAFF, failing(new Error('secret'))),
    )
    expect(other.status).toBe(500)
    expect(other.html).not.toContain('secret')
    const missing = await page(
      '/',
      dashboardFor(() => STAFF, failing(new DaybookError('not_installed', 'Run `npx daybook init`.'))),
    )
    expect(missing.status).toBe(503)
    expect(textOf(missing.html)).toContain('npx daybook init')
  })
})

describe('every page', () => {
  test('B23 shows characters that turn the direction of text as what they are', async () => {
    const [id = ''] = await log.write({ model: 'Customer', object_id: '9', object_label: 'live \u202e;evil\u2066' })
    const { html } = await page(`/entries/${id}`)
    expect(html).toContain('live \\u202e;evil\\u2066')
    expect(html).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/)
  })

  test('B23 shows markup as text, wherever a value comes from', async () => {
    const evil = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;`
    const [id = ''] = await log.write({
      action: 'update',
      actor_id: evil,
      actor_label: evil,
      request_id: evil,
      tenant_id: evil,
      model: evil,
      table_name: evil,
      object_id: evil,
      object_label: evil,
      previous_object_id: `${evil}0`,
      related_model: evil,
      related_id: evil,
      related_label: evil,
      database_user: evil,
      changes: {
        [evil]: [evil, `${evil} more ${evil}`],
        json: [
          { [evil]: evil, a: 1 },
          { [evil]: `${evil}!`, a: 1 },
        ],
      },
      changed_fields: [evil, 'json'],
      context: JSON.stringify({
        user_agent: evil,
        route: evil,
        reason: evil,
        on_behalf_of: { type: evil, id: evil, label: evil },
        extra: { [evil]: evil, filter: evil },
        database: { application: evil, role: evil, address: evil },
      }),
    })
    const query = new URLSearchParams({
      q: printQuery({ model: [evil], actor: [evil], text: [evil], objectId: [evil], not: { request: [evil] } }),
    })
    const clerk = dashboardFor(() => ({ allow: false, reason: 'forbidden', viewer: { id: evil, label: evil } }))
    const pages = [
      await page(`/?entry=${id}`),
      await page(`/entries/${id}`),
      await page(`/objects/${encodeURIComponent(evil)}/${encodeURIComponent(evil)}`),
      await page(`/?${query}`),
      await page(`/?${new URLSearchParams({ q: `model:A ip:${evil}` })}`),
      await page(`/?${new URLSearchParams({ q: evil })}`),
      await page(`/?${new URLSearchParams([[evil, evil]])}`),
      await page(`/${encodeURIComponent(evil)}`),
      await page('/', clerk),
      await page(
        '/',
        dashboardFor(() => ({ allow: true, viewer: { id: '1', label: evil } })),
      ),
    ]
    for (const { html } of pages) {
      const { elements, attributes, strayBrackets } = markupOf(html)
      expect(strayBrackets).toBeNull()
      expect(elements).not.toContain('img')
      expect([...attributes].filter((name) => name.startsWith('on') || name === 'style')).toEqual([])
      expect(html.match(/<script/g)?.length ?? 0).toBeLessThanOrEqual(2)
    }
    expect(textOf(pages[1]?.html ?? '')).toContain(evil)
    expect(textOf(pages[2]?.html ?? '')).toContain(evil)
    await log.pool.query('delete from daybook.entry where id = $1', [id])
  })

  test('has no inline script or style, and headers that allow none', async () => {
    for (const path of [
      '/',
      `/?entry=${ids[1]}`,
      `/entries/${ids[0]}`,
      '/objects/Invoice/117',
      '/?q=ip:x',
      '/nowhere',
    ]) {
      const { html, headers } = await page(path)
      const { elements, attributes } = markupOf(html)
      expect(elements).not.toContain('style')
      expect([...attributes].filter((name) => name.startsWith('on') || name === 'style')).toEqual([])
      expect(html).not.toMatch(/<script[^>]*>[^<]/)
      expect(html).not.toMatch(/(?:src|href|action)="(?:https?:)?\/\//)
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      )
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('same-origin')
      expect(headers.get('cache-control')).toBe('no-store')
    }
  })

  test('links to nothing outside its prefix, whatever the prefix is', async () => {
    for (const basePath of ['', '/audit', '/a/b/']) {
      const prefix = basePath.replace(/\/$/, '')
      const response = await dashboardFor(() => STAFF)(new Request(`http://127.0.0.1${prefix}/?entry=${ids[1]}`), {
        basePath,
      })
      expect(response.status).toBe(200)
      for (const { href } of linksOf(await response.text())) {
        expect(href.startsWith(`${prefix}/`) || href.startsWith('#')).toBe(true)
      }
    }
    const bare = await dashboardFor(() => STAFF)(new Request('http://127.0.0.1/audit'), { basePath: '/audit' })
    expect(bare.status).toBe(200)
    const beyond = await dashboardFor(() => STAFF)(new Request('http://127.0.0.1/auditing'), { basePath: '/audit' })
    expect(beyond.status).toBe(404)
  })

  test('loads a stylesheet that is open to all and scripts that are not, kept for ever under the name of their content', async () => {
    const { html } = await page('/')
    const files = [...html.matchAll(/(?:href|src)="\/audit(\/assets\/[^"]+)"/g)].map(([, path = '']) => path)
    expect(files).toHaveLength(3)
    const scripts = await Promise.all(
      files
        .filter((path) => path.endsWith('.js'))
        .map(async (path) =>
          (
            await get(
              dashboardFor(() => STAFF),
              path,
            )
          ).arrayBuffer(),
        ),
    )
    const size = scripts.reduce((sum, script) => sum + gzipSync(script).length, 0)
    expect(size).toBeLessThan(60_000)
    const nobody = dashboardFor(() => ({ allow: false, reason: 'forbidden' }))
    for (const path of files) {
      const response = await get(
        dashboardFor(() => STAFF),
        path,
      )
      expect(response.headers.get('cache-control')).toContain('immutable')
      expect((await get(nobody, path)).status).toBe(path.endsWith('.css') ? 200 : 403)
    }
  })

  test('answers HEAD like GET, without a body', async () => {
    for (const path of ['/', '/export.csv', '/nowhere']) {
      const [head, full] = [
        await get(
          dashboardFor(() => STAFF),
          path,
          { method: 'HEAD' },
        ),
        await get(
          dashboardFor(() => STAFF),
          path,
        ),
      ]
      expect(head.status).toBe(full.status)
      expect(head.headers.get('content-type')).toBe(full.headers.get('content-type'))
      expect(await head.text()).toBe('')
      await full.text()
    }
    expect(recorded).toHaveLength(1)
  })
})

describe('what a query can be completed to', () => {
  interface Completions {
    start: number
    end: number
    completions: { text: string; label: string; note?: string }[]
  }
  const suggested = async (typed: string) => {
    const place = typed.indexOf('|')
    const query = new URLSearchParams({ q: typed.replace('|', ''), place: String(place) })
    const response = await get(
      dashboardFor(() => STAFF),
      `/suggest?${query}`,
    )
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json'])
    const { start, end, completions } = (await response.json()) as Completions
    return { word: typed.replace('|', '').slice(start, end), texts: completions.map(({ text }) => text), completions }
  }

  test.each([
    ['ac|', 'ac', ['actor:', 'action:']],
    ['model:Invoice -act|', '-act', ['-actor:', '-action:']],
    ['x action:cr|eate y', 'action:create', ['action:create']],
    ['action:eat|', 'action:eat', ['action:create']],
    ['-model:inv|', '-model:inv', ['-model:Invoice']],
    ['actor:ADA|', 'actor:ADA', ['actor:user:7']],
    ['actor:user:7|', 'actor:user:7', ['actor:user:7']],
    ['outcome:f|', 'outcome:f', ['outcome:failure']],
    ['ip:203|', 'ip:203', ['ip:203.0.113.9']],
    ['object:0117|', 'object:0117', ['object:2024-0117']],
    ['at:-2|', 'at:-2', ['at:-24h..']],
    ['request:r|', 'request:r', []],
    ['ada|', 'ada', ['actor:user:7']],
    ['tenant:"|', 'tenant:"', []],
  ])('%s', async (typed, word, texts) => {
    expect(await suggested(typed)).toMatchObject({ word, texts })
  })

  test('begins with the keys, says what each is, and takes any text', async () => {
    const { completions } = await suggested('|')
    expect(completions.map(({ label }) => label).slice(0, 3)).toEqual(['actor:', 'model:', 'object:'])
    expect(completions[0]?.note).toContain('TYPE:ID')
    for (const typed of [
      '\0|',
      'model:\ud800|',
      `${'x'.repeat(3000)}|`,
      'action:%|',
      'actor:\\|',
      '"|',
      '\u{10ffff}|',
      "'; drop table x|",
    ]) {
      expect((await suggested(typed)).texts, typed).toEqual([])
    }
  })
})

describe('an export', () => {
  test('B54 B42 holds what the filter shows, and is on record with filter and count', async () => {
    const context = openContext({ requestId: 'req-9', ipAddress: '198.51.100.1' })
    const response = await context.run(() =>
      get(
        dashboardFor(() => STAFF),
        '/export.csv?q=model:Invoice',
      ),
    )
    context.end()
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="daybook-\d{4}-\d\d-\d\d\.csv"$/)
    const [header = [], ...lines] = parseCsv((await response.text()).replace('\uFEFF', ''))
    expect(lines.map(([id]) => id)).toEqual([ids[1], ids[0]])
    expect(unescapeCell(lines[0]?.[header.indexOf('object_label')] ?? '')).toBe('2024-0117')
    expect(recorded).toEqual([
      {
        actor: { id: '2', label: 'staff@example.com' },
        event: { action: 'export', outcome: 'success', extra: { filter: 'model:Invoice', format: 'csv', count: 2 } },
        // The request was over before the last entry left.
        context: expect.objectContaining({ requestId: 'req-9', ipAddress: '198.51.100.1' }),
      },
    ])
  })

  test('B55 that the client leaves is on record as a failure, and its query is over', async () => {
    await log.pool.query(
      "insert into daybook.entry (recorded_at, action, actor_type, database_user, model, object_id) select now(), 'update', 'job', 'app', 'Bulk', n from generate_series(1, 5000) n",
    )
    const response = await get(
      dashboardFor(() => STAFF),
      '/export.csv?q=model:Bulk',
    )
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.read()
    await reader?.cancel()
    expect(recorded).toMatchObject([{ event: { action: 'export', outcome: 'failure' } }])
    const { rows } = await log.pool.query(
      "select count(*)::int as n from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'",
    )
    expect(rows[0].n).toBe(0)
  })

  test('that can’t be recorded does not look whole', async () => {
    const dashboard = createDashboard({
      store: log.store,
      authorize: () => STAFF,
      recordAs: () => Promise.reject(new Error('the log refused')),
      onError: () => {},
    })
    const response = await get(dashboard, '/export.csv?q=model:Invoice')
    await expect(response.text()).rejects.toThrow('the log refused')
  })
})
