import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Backoffice, startBackoffice } from '../../examples/backoffice/backoffice.ts'
import { axeFindings, launchChromium } from './chromium.ts'

let dataFolder: string
let backoffice: Backoffice
let browser: Browser

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'backoffice-'))
  backoffice = await startBackoffice({ port: 0, databaseUrl: undefined, dataFolder }, () => {})
  browser = await launchChromium()
})

afterAll(async () => {
  await browser?.close()
  await backoffice?.close()
  await rm(dataFolder, { recursive: true, force: true })
})

/** What a page complained about: errors in the console, violations of the policy among them, and exceptions. */
type Complaints = string[]

interface Window {
  readonly page: Page
  readonly complaints: Complaints
  close(): Promise<void>
}

async function openWindow(options: BrowserContextOptions = {}): Promise<Window> {
  const context = await browser.newContext({ baseURL: backoffice.url, ...options })
  const page = await context.newPage()
  const complaints: Complaints = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
  page.on('requestfailed', (request) => {
    if (!request.failure()?.errorText.includes('ERR_ABORTED')) complaints.push(`failed: ${request.url()}`)
  })
  return { page, complaints, close: () => context.close() }
}

async function signIn(page: Page, email: string): Promise<void> {
  await page.goto('/sign-in')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill('daybook-demo')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('button', { name: 'Sign out' }).waitFor()
}

/** Looks for what keeps people out, and for a page that is wider than its window. */
async function expectAccessible(page: Page): Promise<void> {
  expect(await axeFindings(page), page.url()).toEqual([])
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  expect(overflow, `${page.url()} is too wide`).toBeLessThanOrEqual(0)
}

/** What can be read there, in one line. */
async function textOf(place: Locator): Promise<string> {
  return (await place.allInnerTexts()).join(' ').replace(/\s+/g, ' ')
}

const mainOf = (page: Page) => textOf(page.locator('main'))

describe.each([
  ['with JavaScript', true],
  ['without JavaScript', false],
])('a day in the back office, %s', (_, javaScriptEnabled) => {
  test('the superuser changes an invoice, the prices and a role, sees each in the log, exports them, and signs out', async () => {
    const { page, complaints, close } = await openWindow({ javaScriptEnabled, acceptDownloads: true })
    await signIn(page, 'admin@example.com')

    await page.getByRole('link', { name: 'Invoices', exact: true }).click()
    await page.goto('/invoices?status=sent')
    await page.locator('tbody a').first().click()
    const [, number = ''] = /Invoice (\S+)/.exec(await textOf(page.locator('h1'))) ?? []
    await page.getByRole('button', { name: 'Mark as paid' }).click()
    await page.getByText('The status is changed.').waitFor()
    const history = await textOf(page.locator('daybook-timeline .history'))
    expect(history).toContain(`admin@example.com changed Status from Sent to Paid on Invoice ${number}`)
    await page.getByRole('link', { name: 'History' }).click()
    const timeline = await mainOf(page)
    expect(timeline).toContain('admin@example.com')
    expect(timeline).toMatch(/Status.*Sent.*Paid/)
    expect(timeline).toContain('127.0.0.1')

    await page.goto('/products?category=Lighting')
    const before = Number((await textOf(page.locator('tbody tr').first().locator('td').last())).replace('€', ''))
    const product = await textOf(page.locator('tbody a').first())
    await page.getByRole('link', { name: 'Change prices' }).click()
    await page.getByLabel('By how many per cent').fill('10')
    await page.getByLabel('Reason').fill('brass got dearer')
    await page.getByRole('button', { name: 'Change the prices' }).click()
    await page.getByText('12 prices changed in one go.').waitFor()
    const after = Number((await textOf(page.locator('tbody tr').first().locator('td').last())).replace('€', ''))
    expect(after).toBeCloseTo(before * 1.1, 2)
    await page.getByRole('link', { name: 'See each of them in the log' }).click()
    expect(await page.locator('li[id^=e]').count()).toBe(12)
    // What one statement did is one line, which unfolds.
    await page.locator('summary', { hasText: '12 Products' }).click()
    await page.locator('li[id^=e]', { hasText: product }).locator('.open').click()
    const entry = await textOf(page.locator('#entry'))
    expect(entry).toContain('brass got dearer')
    expect(entry).toContain(String(before))
    expect(entry).toContain(String(after))
    expect(entry).toContain('admin@example.com')

    await page.goto('/users')
    await page.getByRole('link', { name: 'Clara Ortiz' }).click()
    await page.getByRole('button', { name: 'Grant auditor' }).click()
    await page.getByText('The role is granted.').waitFor()
    await page.goto('/audit')
    expect(await mainOf(page)).toMatch(/admin@example\.com granted auditor to .*clerk@example\.com/)
    await page.goBack()
    await page.getByRole('button', { name: 'Revoke auditor' }).click()
    await page.getByText('The role is revoked.').waitFor()

    await page.goto('/audit?q=model:Invoice+action:update')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Export CSV' }).click(),
    ])
    const csv = await readFile(await download.path(), 'utf8')
    const line = csv.split('\r\n').find((text) => text.includes(number) && text.includes('admin@example.com'))
    for (const part of ['127.0.0.1', 'update', 'status', 'sent', 'paid']) expect(line).toContain(part)

    await page.goto('/')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('You are signed out.').waitFor()
    expect((await page.goto('/audit'))?.url()).toContain('/sign-in')
    expect(complaints).toEqual([])
    await close()
  })
})

test('staff read the log, find the sign-out in it, and see no users', async () => {
  const { page, complaints, close } = await openWindow()
  await signIn(page, 'staff@example.com')
  await page.getByRole('link', { name: 'Audit log' }).click()
  expect(await mainOf(page)).toContain('staff@example.com signed in')
  await page.goto('/audit?q=action:logout')
  expect(await mainOf(page)).toContain('admin@example.com signed out')
  expect(complaints).toEqual([])
  expect((await page.goto('/users'))?.status()).toBe(403)
  await close()
})

test('the clerk works, is not shown the log, and is refused where it is asked for', async () => {
  const { page, complaints, close } = await openWindow()
  await signIn(page, 'clerk@example.com')
  expect(await page.getByRole('link', { name: 'Audit log' }).count()).toBe(0)
  await page.goto('/invoices?status=draft')
  await page.locator('tbody a').first().click()
  await page.getByRole('button', { name: 'Mark as sent' }).click()
  await page.getByText('The status is changed.').waitFor()
  expect(await page.getByRole('link', { name: 'History' }).count()).toBe(0)
  expect(await page.locator('daybook-timeline').count()).toBe(0)
  expect(complaints).toEqual([])
  for (const path of [
    '/audit',
    '/audit/entries/1',
    '/audit/objects/Invoice/1',
    '/audit/entries.json',
    '/audit/export.csv',
  ]) {
    expect((await page.goto(path))?.status(), path).toBe(403)
    expect(await textOf(page.locator('body'))).not.toContain('admin@example.com')
  }
  await close()
})

test('localhost is as good as 127.0.0.1', async () => {
  const { page, complaints, close } = await openWindow({ baseURL: backoffice.url.replace('127.0.0.1', 'localhost') })
  await signIn(page, 'staff@example.com')
  await page.getByRole('link', { name: 'Audit log' }).click()
  await page.getByRole('link', { name: 'Export CSV' }).waitFor()
  expect(complaints).toEqual([])
  await close()
})

test.each([
  ['light', 1280],
  ['dark', 1280],
  ['light', 390],
  ['dark', 390],
  ['light', 320],
] as const)('axe finds nothing on any page, and none is too wide (%s, %i px)', async (colorScheme, width) => {
  const { page, complaints, close } = await openWindow({ colorScheme, viewport: { width, height: 844 } })
  await page.goto('/sign-in')
  await expectAccessible(page)
  await signIn(page, 'admin@example.com')
  for (const path of [
    '/',
    '/invoices',
    '/invoices/7',
    '/invoices/7/edit',
    '/invoices/7/delete',
    '/invoices/new',
    '/customers',
    '/customers/3',
    '/customers/3/edit',
    '/customers/3/delete',
    '/products',
    '/products/3',
    '/products/prices',
    '/users',
    '/users/3',
    '/account',
    '/audit',
    '/audit?entry=3',
    '/audit/entries/3',
    '/audit/objects/Invoice/7',
    '/audit?q=model:Nothing',
    '/audit?q=model:',
  ]) {
    await page.goto(path)
    await expectAccessible(page)
  }
  await page.goto('/customers/new')
  await page.getByRole('button', { name: 'Create customer' }).click()
  await page.getByText('Enter the company’s name.').waitFor()
  await expectAccessible(page)
  // That answer is a 422, and the query that is none a 400, which the console notes.
  expect(complaints.filter((text) => !/status of 4(00|22)/.test(text))).toEqual([])
  await close()
})
