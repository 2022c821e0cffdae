import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDashboard } from '../../src/dashboard/create-dashboard.tsx'
import { createTimeline } from '../../src/dashboard/index.ts'
import { expressDashboard } from '../../src/middleware/express.ts'
import { createTestLog, type TestLog } from '../store/log.ts'
import { axeFindings, launchChromium } from './chromium.ts'

const VIEWER = { id: '2', label: 'staff@example.com' }
const HOSTILE = `</template></daybook-timeline><script>globalThis.ran=1</script><img src=x onerror="globalThis.ran=2">`

/** What a page could have that was never meant for what is put into it. */
const UNKIND = `
  * { color: rgb(255, 0, 0) !important; font: italic 31px cursive !important; text-transform: uppercase !important; letter-spacing: 9px !important }
  li, p, div, a, span, b, dl, dd { display: none !important; padding: 40px !important; background: yellow !important }
  #host ol li::before { content: "x" !important }
  .root, .versions, .meta, .verb { visibility: hidden !important; opacity: 0 !important }
  :root { --ink: red; --update: red; --sans: cursive }`

let log: TestLog
let server: Server
let browser: Browser
let origin: string

beforeAll(async () => {
  log = await createTestLog()
  await log.write(
    {
      action: 'create',
      model: 'Invoice',
      object_id: '117',
      object_label: '2024-0117',
      actor_label: 'ada',
      changes: { n: [null, 1] },
      changed_fields: ['n'],
    },
    {
      model: 'Invoice',
      object_id: '117',
      object_label: '2024-0117',
      actor_label: 'ada',
      changes: { n: [1, 2], note: [null, HOSTILE] },
      changed_fields: ['n', 'note'],
    },
    {
      model: 'Invoice',
      object_id: '117',
      object_label: HOSTILE,
      actor_label: HOSTILE,
      action: 'delete',
      changes: { [HOSTILE]: [HOSTILE, null] },
      changed_fields: [HOSTILE],
    },
  )
  const { store } = log
  const timeline = createTimeline({ store, authorize: undefined, tables: undefined, onError: () => {} })
  const handler = createDashboard({ store, authorize: () => ({ allow: true, viewer: VIEWER }), recordAs: null })
  const dashboard = expressDashboard({ handler })
  server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (url.pathname.startsWith('/audit/')) {
      const asked = Object.assign(request, { baseUrl: '/audit', originalUrl: request.url ?? '/', protocol: 'http' })
      return dashboard(asked, response, () => response.writeHead(500).end())
    }
    if (url.pathname === '/favicon.ico') return response.writeHead(204).end()
    if (url.pathname === '/page.css')
      return response.writeHead(200, { 'content-type': 'text/css' }).end(url.searchParams.get('css'))
    const history = await timeline({ model: 'Invoice', id: '117', basePath: '/audit', viewer: VIEWER })
    const css = encodeURIComponent(url.searchParams.get('css') ?? '')
    response
      .writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'",
      })
      .end(
        `<!doctype html><html lang="en"><title>Invoice</title><link rel="stylesheet" href="/page.css?css=${css}"><main id="host"><h1>Invoice</h1><p class="meta root verb">of the page</p><del>gone</del>${history}</main>`,
      )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  server?.close()
  await log?.close()
})

/** The page with a stylesheet of its own, and how everything in the timeline, and the page's own parts, look. */
async function look(css: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ viewport: { width: 800, height: 900 }, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(`${origin}/?css=${encodeURIComponent(css)}`, { waitUntil: 'load' })
  const looks = await page.evaluate(() => {
    const PROPERTIES = [
      'color',
      'background-color',
      'display',
      'font-family',
      'font-size',
      'font-style',
      'text-transform',
      'letter-spacing',
      'visibility',
      'opacity',
      'padding-left',
      'width',
    ]
    const of = (element: Element) =>
      PROPERTIES.map((name) => getComputedStyle(element).getPropertyValue(name)).join(' ')
    const tree = document.querySelector('daybook-timeline')?.shadowRoot
    return {
      inside: [...(tree?.querySelectorAll('.root, .root *') ?? [])].map(
        (element) => `${element.localName}.${element.className} ${of(element)}`,
      ),
      outside: [...document.querySelectorAll('main, main > :not(daybook-timeline)')].map(of),
      text: (tree?.querySelector('.root')?.textContent ?? '').replace(/\s+/g, ' '),
      ran: (globalThis as { ran?: number }).ran,
    }
  })
  return { ...looks, page, complaints, close: () => context.close() }
}

test.each([true, false])('an unkind page does not reach into it (JavaScript: %s)', async (javaScriptEnabled) => {
  const plain = await look('')
  // Only the page is measured by a script: without one, by what a reader sees.
  const unkind = await look(UNKIND, { javaScriptEnabled })
  expect(plain.inside.length).toBeGreaterThan(20)
  expect(unkind.inside).toEqual(plain.inside)
  expect(unkind.text).toBe(plain.text)
  expect(unkind.text).toContain('ada changed n from 1 to 2 and 1 more on Invoice 2024-0117')
  await plain.close()
  await unkind.close()
})

test('B23 it does not reach out into the page, and no value of it runs or ends it', async () => {
  const shown = await look('')
  const without = await look('daybook-timeline { display: none }')
  expect(shown.outside.slice(1)).toEqual(without.outside.slice(1))
  expect(shown.ran).toBeUndefined()
  expect(shown.complaints).toEqual([])
  expect(shown.text).toContain('<script>globalThis.ran=1</script>')
  expect(await shown.page.locator('script, img').count()).toBe(0)
  await shown.close()
  await without.close()
})

test('the page says how it looks, by variables and by its color-scheme', async () => {
  const colour = async (css: string, options: BrowserContextOptions = {}) => {
    const { page, close } = await look(css, options)
    const shown = await page.locator('daybook-timeline .history').evaluate((element) => {
      const { color, fontFamily, fontSize } = getComputedStyle(element)
      return { color, fontFamily, fontSize }
    })
    await close()
    return shown
  }
  const light = await colour('')
  // A page that has no dark look has none in it either.
  expect(await colour('', { colorScheme: 'dark' })).toEqual(light)
  expect((await colour(':root { color-scheme: light dark }', { colorScheme: 'dark' })).color).not.toBe(light.color)
  expect(await colour('main { --db-ink: rgb(1, 2, 3); --db-sans: serif; --db-size: 20px }')).toEqual({
    color: 'rgb(1, 2, 3)',
    fontFamily: 'serif',
    fontSize: '20px',
  })
})

test.each([
  ['light', 1280],
  ['dark', 320],
] as const)('axe finds nothing in it, and it is never too wide (%s, %i px)', async (colorScheme, width) => {
  const css = ':root { color-scheme: light dark } body { background: Canvas; color: CanvasText }'
  const { page, close } = await look(css, { colorScheme, viewport: { width, height: 800 } })
  for (const summary of await page.locator('daybook-timeline summary').all()) await summary.click()
  expect(await axeFindings(page)).toEqual([])
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
  await close()
})
