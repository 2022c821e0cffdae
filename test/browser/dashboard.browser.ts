import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Authorization } from '../../src/core/authorize.ts'
import { createDashboard } from '../../src/dashboard/index.ts'
import { expressDashboard } from '../../src/middleware/express.ts'
import type { Store } from '../../src/store/index.ts'
import { createLoginRole } from '../database.ts'
import { createTestLog, type TestLog } from '../store/log.ts'
import { axeFindings, launchChromium } from './chromium.ts'

let log: TestLog
let empty: TestLog
let server: Server
let browser: Browser
let base: string
let newest: string

const STAFF: Authorization = { allow: true, viewer: { id: '2', label: 'staff@example.com' } }
const CLERK: Authorization = { allow: false, reason: 'forbidden', viewer: { id: '3', label: 'clerk@example.com' } }

const FIELDS = {
  status: { choices: { open: 'Still open', paid: '<b>Paid</b> & done' } },
  reference: { label: 'Reference of the customer, as it stood on the order' },
  customer_id: { label: 'Customer', references: 'Customer' },
}

function mounted(store: Store, authorization: Authorization) {
  const dashboard = createDashboard({
    store,
    tables: { invoice: { fields: FIELDS } },
    title: 'Back office',
    authorize: () => authorization,
    recordAs: async () => {},
    onError: () => {},
  })
  return expressDashboard({ handler: dashboard } as never)
}

beforeAll(async () => {
  log = await createTestLog()
  empty = await createTestLog()
  await empty.pool.query('create table invoice (id int primary key)')
  await empty.pool.query("select daybook.configure_table('public.invoice', 'Invoice')")
  await createLoginRole(log.pool, 'browser_app')
  await log.pool.query('grant daybook_writer to browser_app')
  await fill(log)
  const away = new Proxy({}, { get: () => () => Promise.reject(Object.assign(new Error(), { code: 'ECONNREFUSED' })) })
  const app = express()
  app.use('/audit', mounted(log.store, STAFF))
  app.use('/empty', mounted(empty.store, STAFF))
  app.use('/refused', mounted(log.store, CLERK))
  app.use('/away', mounted(away as Store, STAFF))
  server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  server?.closeAllConnections()
  server?.close()
  await log?.close()
  await empty?.close()
})

async function fill({ write }: TestLog): Promise<void> {
  const ada = { actor_id: '7', actor_label: 'ada@example.com', ip_address: '203.0.113.9', request_id: '0193f2c8-7c1e' }
  const invoice = { ...ada, model: 'Invoice', object_id: '117', object_label: '2024-0117' }
  const nobody = { actor_type: 'database', actor_id: 'browser_app', actor_label: 'browser_app', model: 'Customer' }
  await write(
    ...Array.from({ length: 12 }, (_, n) => ({ ...nobody, object_id: String(n), object_label: `Customer ${n}` })),
  )
  const recorded_at = '2026-11-21T02:00:00Z'
  const price = {
    recorded_at,
    model: 'Product',
    changes: { price: [1, 2] },
    changed_fields: ['price'],
    actor_type: 'job',
  }
  const [first = ''] = await write({ ...price, object_id: '0', actor_label: 'nightly-prices' })
  await write(...Array.from({ length: 120 }, (_, n) => ({ ...price, object_id: String(n + 1), statement_id: first })))
  await write(
    ...Array.from({ length: 60 }, (_, n) => ({
      action: 'create',
      model: 'Customer',
      object_id: String(n),
      object_label: `Customer ${n}`,
    })),
    { action: 'login', outcome: 'failure', actor_type: 'anonymous', object_label: 'grace@example.com' },
    { ...invoice, action: 'delete', outcome: 'denied' },
    { ...invoice, action: 'create', changes: { n: [null, 1], note: [null, ''] }, changed_fields: ['n', 'note'] },
  )
  const ids = await write({
    ...invoice,
    changes: {
      status: ['open', 'paid'],
      customer_id: [9999, 7],
      notes: ['Due on receipt, call first', 'Due on receipt, paid by transfer'],
      address: [{ city: 'Helsinki' }, { city: 'Espoo', zip: null }],
      iban: [{ $daybook: 'masked' }, { $daybook: 'masked' }],
      reference: ['', 'x'.repeat(400)],
    },
    changed_fields: ['status', 'customer_id', 'notes', 'address', 'iban', 'reference'],
    context: '{"route":"PATCH /invoices/:id","database":{"role":"app","address":"10.0.3.4"}}',
  })
  newest = ids[0] ?? ''
}

const PAGES = {
  list: () => '/audit/',
  'a filtered list': () =>
    '/audit/?q=actor:ada@example.com+model:Invoice+-action:login+field:status+at:2026-01-01..+0117',
  'a list with an open entry': () => `/audit/?q=-action:login&entry=${newest}`,
  'a list of entries that name nobody': () => '/audit/?q=actor:database:browser_app',
  'an entry': () => `/audit/entries/${newest}`,
  'a timeline': () => '/audit/objects/Invoice/117',
  'an empty result': () => '/audit/?q=model:Invoice+ip:192.0.2.1+-action:login',
  'an empty result that has no single reason': () => '/audit/?q=actor:user:99+ip:192.0.2.1',
  'an empty log': () => '/empty/',
  'a query that is wrong': () => '/audit/?q=actor:ada@example.com+acton:login+-ip:203.0.113.0/24',
  'an address that is wrong': () => '/audit/?colour=red',
  'an unknown entry': () => '/audit/entries/999999999',
  'a refusal': () => '/refused/',
  'an unreachable log': () => '/away/',
}

async function open(path: string, options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ baseURL: base, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    // That a page answers with 403 is what it is about.
    if (message.type() === 'error' && !/status of [45]\d\d/.test(message.text())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(path)
  return { page, complaints }
}

describe.each(Object.entries(PAGES))('%s', (_name, path) => {
  test.each(['light', 'dark'] as const)('has nothing that axe finds, %s', async (colorScheme) => {
    for (const width of [1440, 390]) {
      const { page } = await open(path(), { colorScheme, viewport: { width, height: 900 } })
      expect(await axeFindings(page)).toEqual([])
      await page.context().close()
    }
  })

  test.each([1440, 1024, 720, 390, 320])(
    'fits a window of %i pixels, and its policy stops nothing of it',
    async (width) => {
      const { page, complaints } = await open(path(), { viewport: { width, height: 800 } })
      const beyond = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      )
      expect(beyond).toBe(0)
      expect(complaints).toEqual([])
      await page.context().close()
    },
  )
})

test('without JavaScript it lists, filters, pages, opens and exports', async () => {
  const { page } = await open('/audit/', { javaScriptEnabled: false, viewport: { width: 1440, height: 900 } })
  await page.getByRole('link', { name: 'Older →' }).click()
  await page.getByRole('link', { name: '← Newer' }).click()
  await page.getByRole('link', { name: 'Invoice', exact: true }).click()
  await page.getByRole('link', { name: 'Changed', exact: true }).click()
  await page.getByRole('link', { name: 'Exclude Signed in', exact: true }).click()
  expect(new URL(page.url()).search).toBe('?q=model:Invoice+action:update+-action:login')
  expect(await page.getByLabel('Query').inputValue()).toBe('model:Invoice action:update -action:login')
  await page.getByRole('link', { name: 'Remove -action:login' }).click()
  await page.getByLabel('Query').fill('model:Invoice  at:2026-01.. ACTION:update')
  await page.getByRole('button', { name: 'Search', exact: true }).click()
  expect(new URL(page.url()).search).toBe('?q=model:Invoice+action:update+at:2026-01..')
  await page.getByRole('link', { name: /changed status/ }).click()
  await page.getByRole('heading', { name: /changed status/ }).waitFor()
  await page.getByRole('link', { name: 'Timeline of this Invoice' }).click()
  await page.getByRole('heading', { level: 1, name: 'Invoice 2024-0117' }).waitFor()
  await page.goBack()
  await page.getByRole('link', { name: 'Close' }).click()
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Export CSV' }).click()
  expect((await download).suggestedFilename()).toMatch(/^daybook-.*\.csv$/)
  await page.context().close()
})

test('B21 a key leads to the object that it is shown by, and one that the log does not know leads nowhere', async () => {
  const { page } = await open(`/audit/entries/${newest}`, { javaScriptEnabled: false })
  await page.getByText('<b>Paid</b> & done').first().waitFor()
  expect(await page.getByText('not in the log').count()).toBe(1)
  expect(await page.getByRole('link', { name: '9999' }).count()).toBe(0)
  await page.getByRole('link', { name: 'Customer 7' }).click()
  await page.getByRole('heading', { level: 1, name: 'Customer 7' }).waitFor()
  await page.context().close()
})

test('on a narrow screen the filters fold away, and an open entry takes the place of the list', async () => {
  const { page } = await open('/audit/', { javaScriptEnabled: false, viewport: { width: 390, height: 800 } })
  expect(await page.getByRole('button', { name: 'Show these days' }).isVisible()).toBe(false)
  await page.getByText('Filters', { exact: true }).click()
  await page.getByRole('link', { name: 'Invoice', exact: true }).click()
  await page.getByRole('link', { name: /changed status/ }).click()
  await page.getByText('What changed').waitFor()
  expect(await page.getByRole('link', { name: /changed status/ }).isVisible()).toBe(false)
  await page.context().close()
})

test('keys move through the list, open and close, unless they are switched off', async () => {
  const { page } = await open('/audit/', { viewport: { width: 1440, height: 900 } })
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`entry=${newest}`))
  await page.keyboard.press('Escape')
  await page.waitForURL((url) => url.search === '')
  await page.keyboard.press('/')
  expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('q')
  await page.keyboard.type('jk/')
  expect(await page.getByRole('combobox').inputValue()).toBe('jk/')
  await page.getByRole('button', { name: 'switch keys off' }).click()
  await page.keyboard.press('/')
  expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBeNull()
  await page.context().close()
})

test('a query is completed from the keyboard: keys, then values of the log, and told to who can not see it', async () => {
  const { page, complaints } = await open('/audit/', { viewport: { width: 1440, height: 900 } })
  const box = page.getByRole('combobox', { name: 'Query' })
  const options = page.getByRole('listbox', { name: 'Suggestions' }).getByRole('option')
  expect(await box.getAttribute('aria-expanded')).toBe('false')
  await page.keyboard.press('/')
  await page.keyboard.type('mod')
  await options.filter({ hasText: 'model:' }).waitFor()
  expect(await box.getAttribute('aria-expanded')).toBe('true')
  expect(await axeFindings(page)).toEqual([])
  await page.keyboard.press('ArrowDown')
  const active = await box.getAttribute('aria-activedescendant')
  expect(await page.locator(`#${active}`).getAttribute('aria-selected')).toBe('true')
  await page.keyboard.press('Enter')
  expect(await box.inputValue()).toBe('model:')
  await options.filter({ hasText: 'Invoice' }).waitFor()
  expect(await page.getByRole('status').textContent()).toMatch(/^\d+ suggestions$/)
  await page.keyboard.type('inv')
  await expect.poll(() => options.allTextContents()).toEqual(['Invoice'])
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  expect(await box.inputValue()).toBe('model:Invoice ')
  await page.keyboard.type('-action:')
  await options.filter({ hasText: 'Created' }).click()
  expect(await box.inputValue()).toBe('model:Invoice -action:create ')
  await page.keyboard.type('a')
  await options.first().waitFor()
  await page.keyboard.press('Escape')
  expect(await options.count()).toBe(0)
  await page.keyboard.press('Backspace')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.search === '?q=model:Invoice+-action:create')
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a click on a value filters by it, with Shift it leaves it out, by mouse and by keys', async () => {
  const { page, complaints } = await open('/audit/', { viewport: { width: 1440, height: 900 } })
  const row = page.locator(`#e${newest}`)
  await row.getByText('changed', { exact: true }).click({ modifiers: ['Shift'] })
  await page.waitForURL((url) => url.search === '?q=-action:update')
  await page.goto('/audit/')
  await row.getByText('changed', { exact: true }).click()
  await page.waitForURL((url) => url.search === '?q=action:update')
  await page.keyboard.press('j')
  await page.keyboard.press('f')
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('ada@example.com')
  await page.keyboard.press('Shift+Enter')
  await page.waitForURL((url) => url.search === '?q=-actor:user:7+action:update')
  await page.goto('/audit/')
  await page.keyboard.press('j')
  await page.keyboard.press('f')
  await page.keyboard.press('f')
  await page.keyboard.press('f')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.search === '?q=field:status')
  await row.getByText('203.0.113.9').click()
  await page.waitForURL((url) => url.search === '?q=field:status+ip:203.0.113.9')
  // Beside the list, each value of an entry has a way to leave it out that can be seen.
  await row.locator('.open').click()
  await page.getByRole('link', { name: 'Exclude this actor' }).click()
  await page.waitForURL((url) => url.search === '?q=-actor:user:7+field:status+ip:203.0.113.9')
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a query that is wrong stays in the box, with the place marked and selected', async () => {
  const { page } = await open('/audit/?q=actor:ada@example.com+acton:login')
  const box = page.getByRole('combobox', { name: 'Query' })
  expect(await box.inputValue()).toBe('actor:ada@example.com acton:login')
  expect(await page.locator('mark').textContent()).toBe('acton:')
  expect(
    await box.evaluate((input: HTMLInputElement) => [
      document.activeElement === input,
      input.value.slice(input.selectionStart ?? 0, input.selectionEnd ?? 0),
      document.getElementById(input.getAttribute('aria-describedby') ?? '')?.textContent,
    ]),
  ).toEqual([true, 'acton:', expect.stringContaining('at character 23: there is no such key')])
  await page.getByRole('link', { name: 'Leave this part out' }).click()
  expect(new URL(page.url()).search).toBe('?q=actor:ada@example.com')
  await page.context().close()
})

test('what names nobody is one link away, and told what it is', async () => {
  const { page } = await open('/audit/', { javaScriptEnabled: false, viewport: { width: 390, height: 800 } })
  await page.getByRole('link', { name: '12 of the last 24 hours name nobody' }).click()
  await page.getByText('These entries name nobody').waitFor()
  expect(await page.locator('.row > .open').count()).toBe(12)
  await page.context().close()
})

test('a folded statement opens to its entries', async () => {
  const { page } = await open('/audit/?q=model:Product', {
    javaScriptEnabled: false,
    viewport: { width: 1440, height: 900 },
  })
  await page.getByText('121 Products').click()
  await page.getByRole('link', { name: 'Show all of this statement' }).click()
  expect(await page.locator('.row > .open').count()).toBe(50)
  await page.context().close()
})
