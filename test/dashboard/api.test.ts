import { execFileSync } from 'node:child_process'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Authorization, Authorize } from '../../src/core/authorize.ts'
import { DaybookError } from '../../src/core/errors.ts'
import { printQuery } from '../../src/core/query.ts'
import { API_ROUTES } from '../../src/dashboard/api.ts'
import { createDashboard } from '../../src/dashboard/index.ts'
import { CSV_COLUMNS } from '../../src/export/index.ts'
import type { Store } from '../../src/store/index.ts'
import { createTestLog, type TestLog } from '../store/log.ts'

const STAFF: Authorization = { allow: true, viewer: { id: '2', label: 'staff@example.com' } }
const HOSTILE = `<script>alert(1)</script>'"&$(touch /tmp/x)\`x\`\u202e\\..`

let log: TestLog
let ids: string[]

interface Asking extends RequestInit {
  readonly authorize?: Authorize
  readonly store?: Partial<Store>
  readonly recordAs?: null
}

function ask(path: string, { authorize = () => STAFF, store, recordAs, ...init }: Asking = {}): Promise<Response> {
  const dashboard = createDashboard({
    store: { ...log.store, ...store },
    authorize,
    recordAs: recordAs === null ? null : async () => {},
    tables: { 'public.invoice': { fields: { status: { label: 'Status', choices: { o: 'Open' } } } } },
    onError: () => {},
  })
  return dashboard(new Request(`https://shop.example${path}`, init), { basePath: '/audit' })
}

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, which the document's schemas check
async function json(path: string, asking?: Asking): Promise<any> {
  const response = await ask(`/audit${path}`, asking)
  const text = await response.text()
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${path} gave ${response.status} ${text.slice(0, 200)}`)
  }
}

interface Document {
  readonly paths: Record<string, { readonly get: Operation }>
  readonly components: { readonly schemas: Record<string, object> }
}

interface Operation {
  readonly operationId: string
  readonly parameters: readonly { name: string; in: string; required?: true; schema: object }[]
  readonly responses: Record<string, { content: Record<string, { schema: { $ref: string } }> }>
}

/** What is wrong with a value, by the document's schema for an answer, where no member may be there that it doesn't name. */
function errorsOf(document: Document, operation: Operation, status: number, type: string, value: unknown): unknown {
  const ajv = new Ajv2020({
    keywords: ['components'],
    strict: true,
    allErrors: true,
    formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/ },
  })
  ajv.addSchema(closed({ $id: 'document', components: document.components }))
  const reference = operation.responses[status]?.content[type]?.schema.$ref
  if (reference === undefined) return `the document has no ${status} of ${type}`
  const validate = ajv.compile({ $ref: `document${reference}` })
  return validate(value) ? [] : validate.errors
}

function closed<T>(schema: T): T {
  if (typeof schema !== 'object' || schema === null) return schema
  if (Array.isArray(schema)) return schema.map(closed) as T
  const parts = Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, closed(part)]))
  const isObject = parts.type === 'object' && parts.properties && parts.additionalProperties === undefined
  return { ...parts, ...(isObject && { additionalProperties: false }) } as T
}

beforeAll(async () => {
  log = await createTestLog()
  ids = await log.write(
    {
      action: 'create',
      model: 'Invoice',
      object_id: '117',
      object_label: '2024-0117',
      actor_id: '7',
      actor_label: 'ada@example.com',
      ip_address: '203.0.113.9',
      request_id: 'req-1',
      tenant_id: 'north',
      table_name: 'public.invoice',
      changes: '{"total":[null,12345678901234567890.10],"note":[null,""],"tags":[null,{"a":[1,null]}]}',
      context: JSON.stringify({
        route: 'POST /invoices',
        user_agent: 'curl/8',
        reason: 'why',
        on_behalf_of: { type: 'user', id: '8', label: 'bob' },
        extra: { 'any thing': [1, { b: null }] },
      }),
    },
    {
      model: 'Invoice',
      object_id: '117',
      object_label: '2024-0117',
      table_name: 'public.invoice',
      actor_id: '7',
      actor_label: 'ada@example.com',
      changes: { status: ['o', 'p'], iban: [{ $daybook: 'masked' }, { $daybook: 'masked' }] },
      changed_fields: ['status', 'iban'],
    },
    ...Array.from({ length: 120 }, (_, n) => ({
      model: 'Product',
      object_id: `p${n}`,
      actor_type: 'job',
      actor_id: 'n',
    })),
    {
      model: HOSTILE,
      object_id: HOSTILE,
      object_label: HOSTILE,
      actor_label: HOSTILE,
      changes: { [HOSTILE]: [HOSTILE, null] },
    },
    { action: 'delete', model: 'Gone', object_id: 'a/b.json', object_label: 'gone' },
    { action: 'login', outcome: 'failure', actor_type: 'anonymous', object_label: 'grace@example.com' },
  )
})
afterAll(() => log.close())

/** Addresses of every route, with and without their parameters. */
function examples(): readonly (readonly [route: string, path: string])[] {
  const hostile = encodeURIComponent(HOSTILE)
  return [
    ['/entries.json', '/entries.json'],
    ['/entries.json', '/entries.json?count=bounded&limit=200'],
    ['/entries.json', '/entries.json?count=exactly&q=model:Product+actor:job:n'],
    ['/entries.json', `/entries.json?before=${ids[60]}`],
    ['/entries.json', `/entries.json?after=${ids[3]}&limit=2`],
    ['/entries.json', '/entries.json?q=nobody'],
    ['/entries.json', `/entries.json?q=${encodeURIComponent(printQuery({ model: [HOSTILE] }))}`],
    ['/entries/{id}.json', `/entries/${ids[0]}.json`],
    ['/entries/{id}.json', `/entries/${ids.at(-1)}.json`],
    ['/objects.json', '/objects.json?model=Invoice&id=117'],
    ['/objects.json', '/objects.json?model=Gone&id=a%2Fb.json&limit=1'],
    ['/objects.json', `/objects.json?model=${hostile}&id=${hostile}`],
    ['/objects.json', '/objects.json?model=Nothing&id=0'],
    ['/export.json', '/export.json'],
    ['/export.json', '/export.json?q=model:Invoice&count=exactly'],
    ['/openapi.json', '/openapi.json'],
  ]
}

describe('the document', () => {
  test('has every address, and each answer is as it says', async () => {
    const document: Document = await json('/openapi.json')
    expect(Object.keys(document.paths)).toEqual(API_ROUTES.map(({ path }) => path))
    expect(new Set(examples().map(([route]) => route))).toEqual(new Set(Object.keys(document.paths)))
    for (const [route, path] of examples()) {
      const response = await ask(`/audit${path}`)
      expect([response.status, response.headers.get('content-type')], path).toEqual([200, 'application/json'])
      const { get } = document.paths[route] ?? {}
      expect(get && errorsOf(document, get, 200, 'application/json', await response.json()), path).toEqual([])
    }
  })

  test('takes the query of the page, and understands each of its parameters', async () => {
    const document: Document = await json('/openapi.json')
    for (const route of ['/entries.json', '/export.json']) {
      const names = document.paths[route]?.get.parameters.map(({ name }) => name)
      expect(names?.[0]).toBe('q')
    }
    for (const [path, { get }] of Object.entries(document.paths)) {
      const required = get.parameters.filter((parameter) => parameter.required && parameter.in === 'query')
      for (const { name } of get.parameters.filter((parameter) => parameter.in === 'query')) {
        const given = new URLSearchParams(required.map((other) => [other.name, 'x']))
        given.set(name, ['limit', 'before', 'after'].includes(name) ? '5' : '')
        const { code, parameter } = await json(`${path.replace('{id}', ids[0] ?? '')}?${given}`)
        expect(code === undefined || parameter === 'count' || parameter === 'model', `${path} ${name}`).toBe(true)
      }
    }
  })

  test('is one of OpenAPI 3.1', async () => {
    const validator = new Validator()
    expect(await validator.validate(await json('/openapi.json'))).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
  })

  test('names each operation once, and refers to nothing that is not there', async () => {
    const document: Document = await json('/openapi.json')
    const operations = Object.values(document.paths).map(({ get }) => get.operationId)
    expect(operations).toEqual(['listEntries', 'getEntry', 'getTimeline', 'describeExport', 'getDocument'])
    const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g) ?? []
    for (const reference of references)
      expect(document.components.schemas).toHaveProperty(reference.split('/').at(-1) ?? '')
    expect(await json('/openapi.json')).toMatchObject({ openapi: '3.1.0', servers: [{ url: '/audit' }] })
  })
})

describe('the twin of the list', () => {
  test('goes through all entries by its links, both ways, and each is there once', async () => {
    const seen: string[] = []
    let path: string | null = '/entries.json?limit=50&q=model:Product'
    let last = ''
    while (path) {
      const page = await json(path)
      expect(page.count).toBeNull()
      seen.push(...page.entries.map(({ id }: { id: string }) => id))
      last = path
      path = page.older?.replace(/^\/audit/, '') ?? null
    }
    expect(seen).toEqual(ids.slice(2, 122).reverse())
    const back = (await json((await json(last)).newer.replace(/^\/audit/, ''))).entries
    expect(back.map(({ id }: { id: string }) => id)).toEqual(seen.slice(50, 100))
  })

  test('has the columns of the view, the digits that were recorded, and the sentence of the page', async () => {
    const response = await ask('/audit/entries.json?q=model:Invoice+action:create')
    const text = await response.text()
    expect(text).toContain('12345678901234567890.10')
    const [entry] = JSON.parse(text).entries
    expect(Object.keys(entry)).toEqual([...CSV_COLUMNS, 'sentence'])
    expect(entry).toMatchObject({ id: ids[0], recorded_at: expect.stringMatching(/Z$/), tenant_id: 'north' })
    const [changed] = (await json('/entries.json?q=model:Invoice+action:update')).entries
    expect(changed.changes).toEqual({ status: ['o', 'p'], iban: [{ $daybook: 'masked' }, { $daybook: 'masked' }] })
    expect(changed.sentence).toBe('ada@example.com changed Status from Open to p and 1 more on Invoice 2024-0117')
  })

  test('B46 counts nothing unless it is asked, and then says whether it counted them all', async () => {
    const uncounted = {
      count: () => Promise.reject(new Error('counted')),
      countExactly: () => Promise.reject(new Error()),
    }
    expect((await json('/entries.json', { store: uncounted })).entries).toHaveLength(50)
    const bounded = { count: async () => ({ count: 10_000, orMore: true }) }
    const { count } = await json('/entries.json?count=bounded', { store: bounded })
    expect(count).toEqual({ count: 10_000, or_more: true })
    expect((await json('/entries.json?count=exactly&q=model:Product')).count).toEqual({ count: 120, or_more: false })
  })

  test('says how far a search came', async () => {
    const searchedTo = new Date('2026-03-03T00:00:00Z')
    const page = async () => ({ entries: [], older: { before: '5' }, searchedTo })
    expect(await json('/entries.json?q=rare', { store: { page } })).toMatchObject({
      searched_to: '2026-03-03T00:00:00.000Z',
      older: '/audit/entries.json?q=rare&before=5',
    })
  })
})

test('the twins of an entry, an object and an export tell what the pages tell', async () => {
  const { entry, newer, older } = await json(`/entries/${ids[1]}.json`)
  expect([entry.id, newer, older]).toEqual([ids[1], `/audit/entries/${ids[2]}.json`, `/audit/entries/${ids[0]}.json`])
  const timeline = await json('/objects.json?model=Invoice&id=117&limit=1')
  expect(timeline).toMatchObject({ model: 'Invoice', object_id: '117', object_label: '2024-0117', deleted: false })
  expect(timeline.older).toBe(`/audit/objects.json?model=Invoice&id=117&limit=1&before=${ids[1]}`)
  expect((await json(timeline.older.replace('/audit', ''))).entries[0].id).toBe(ids[0])
  expect(await json('/objects.json?model=Gone&id=a%2Fb.json')).toMatchObject({ deleted: true, object_label: 'gone' })
  expect(await json('/export.json?q=model:Invoice')).toEqual({
    href: '/audit/export.csv?q=model:Invoice',
    format: 'csv',
    columns: CSV_COLUMNS,
    time_zone: 'UTC',
    filter: 'model:Invoice',
    count: { count: 2, or_more: false },
    allowed: true,
  })
  expect(await json('/export.json', { recordAs: null })).toMatchObject({ allowed: false })
})

test('B23 hostile values come as they are, and no browser takes them for markup', async () => {
  const response = await ask(`/audit/objects.json?${new URLSearchParams({ model: HOSTILE, id: HOSTILE })}`)
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
  expect(response.headers.get('cache-control')).toBe('no-store')
  const { model, entries } = await response.json()
  expect([model, entries[0].object_label, Object.keys(entries[0].changes)]).toEqual([HOSTILE, HOSTILE, [HOSTILE]])
})

describe('a problem', () => {
  const invalid = (parameter: string) => ({ status: 400, code: 'invalid_filter', parameter })
  test.each([
    ['/entries.json?form=x', invalid('form')],
    [
      '/entries.json?q=at:yesterday',
      { ...invalid('q'), detail: expect.stringContaining('at character 4: '), start: 3, end: 12 },
    ],
    ['/export.json?q=model:a+foo:b', { ...invalid('q'), start: 8, end: 12 }],
    ['/entries.json?limit=0', invalid('limit')],
    ['/entries.json?limit=201', invalid('limit')],
    ['/entries.json?limit=1&limit=2', invalid('limit')],
    ['/entries.json?limit=', invalid('limit')],
    ['/entries.json?count=all', invalid('count')],
    ['/entries.json?entry=5', invalid('entry')],
    ['/entries.json?before=x', { status: 400, code: 'invalid_cursor', parameter: 'before' }],
    ['/entries.json?before=1&after=2', { status: 400, code: 'invalid_cursor' }],
    ['/entries/x.json', { status: 400, code: 'invalid_filter' }],
    ['/entries/0.json', { status: 400, code: 'invalid_filter' }],
    ['/entries/9223372036854775807.json', { status: 404, code: 'not_found' }],
    ['/entries/1.json?model=x', invalid('model')],
    ['/objects.json', invalid('model')],
    ['/objects.json?model=a&model=b&id=1', invalid('model')],
    ['/objects.json?model=%00&id=1', invalid('model')],
    ['/export.json?before=5', invalid('before')],
    ['/export.json?count=bounded', invalid('count')],
    ['/openapi.json?x=%3Cb%3E', { status: 400, code: 'invalid_filter' }],
    ['/nothing.json', { status: 404, code: 'not_found' }],
    ['/entries/.json', { status: 400, code: 'invalid_filter' }],
  ])('%s', async (path, expected) => {
    const document: Document = await json('/openapi.json')
    const response = await ask(`/audit${path}`)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const problem = await response.json()
    expect(problem).toMatchObject(expected)
    expect(response.status).toBe(expected.status)
    const operation = Object.values(document.paths)[0]?.get
    expect(operation && errorsOf(document, operation, response.status, 'application/problem+json', problem)).toEqual([])
    expect(problem.title).toBe({ 400: 'Bad Request', 404: 'Not Found' }[expected.status])
  })

  test.each([
    [new DaybookError('database_unreachable', 'No answer from db.internal:5432.'), 503, 'database_unreachable'],
    [new DaybookError('not_installed', 'The log is not there.'), 503, 'not_installed'],
    [Object.assign(new Error('secret 4711'), { code: '57P01' }), 503, 'database_unreachable'],
    [new Error('secret 4711'), 500, 'failed'],
  ])('never tells what is the operator’s alone: %s', async (error, status, code) => {
    const problem = await json('/entries.json', { store: { page: () => Promise.reject(error) } })
    expect(problem).toMatchObject({ status, code })
    expect(JSON.stringify(problem)).not.toMatch(/secret|db\.internal/)
  })

  test('the addresses of pages go on answering with pages, also for keys that end like a program’s', async () => {
    for (const path of [
      '/objects/Invoice/117.json',
      '/objects/a/entries.json',
      '/nothing',
      '/entries/x',
      '/entries.json/',
    ]) {
      expect((await ask(`/audit${path}`)).headers.get('content-type'), path).toBe('text/html; charset=utf-8')
    }
  })
})

describe('who may', () => {
  const REFUSALS: readonly (readonly [string, Authorize, number, string])[] = [
    ['nobody is signed in', () => ({ allow: false, reason: 'unauthenticated' }), 401, 'unauthenticated'],
    ['they may not', () => ({ allow: false, reason: 'forbidden', viewer: { id: '3' } }), 403, 'forbidden'],
    ['authorize answers nothing', () => undefined as unknown as Authorization, 403, 'forbidden'],
    ['authorize fails', () => Promise.reject(new Error('x')), 500, 'failed'],
  ]

  test.each(REFUSALS)('B43 no address answers where %s, whatever the method', async (_, authorize, status, code) => {
    const paths = [...examples().map(([, path]) => path), '/nothing.json', '/entries/x.json']
    const untouched = new Proxy({}, { get: () => () => Promise.reject(new Error('read')) }) as Store
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE']) {
        const response = await ask(`/audit${path}`, { authorize, method, store: untouched })
        expect([response.status, response.headers.get('content-type')], `${method} ${path}`).toEqual([
          status,
          'application/problem+json',
        ])
        const text = await response.text()
        if (method === 'HEAD') expect(text).toBe('')
        else expect(JSON.parse(text)).toMatchObject({ status, code })
      }
    }
  })

  test('a browser is led to the sign-in, a program is told', async () => {
    const authorize: Authorize = () => ({ allow: false, reason: 'unauthenticated', signInUrl: '/sign-in' })
    expect((await ask('/audit/entries.json', { authorize, headers: { accept: 'text/html' } })).status).toBe(303)
    expect((await ask('/audit/entries.json', { authorize, headers: { accept: 'application/json' } })).status).toBe(401)
  })
})

test('HEAD gives the headers of GET and no body; other methods are refused, with those that are not', async () => {
  for (const [, path] of examples()) {
    const [get, head] = await Promise.all([ask(`/audit${path}`), ask(`/audit${path}`, { method: 'HEAD' })])
    expect([head.status, await head.text()], path).toEqual([200, ''])
    expect([...head.headers], path).toEqual([...get.headers])
    for (const method of ['OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const refused = await ask(`/audit${path}`, { method })
      expect([refused.status, refused.headers.get('allow')], `${method} ${path}`).toEqual([405, 'GET, HEAD'])
      expect(refused.headers.get('access-control-allow-origin')).toBeNull()
      expect(await refused.json()).toMatchObject({ code: 'method_not_allowed' })
    }
  }
})

describe('the pages', () => {
  const query = (text: string) => new URLSearchParams({ q: printQuery({ text: [text] }) })

  /** The arguments that a shell gives to the command on a page. */
  async function commandOf(path: string): Promise<string[]> {
    const html = await (await ask(`/audit${path}`)).text()
    const [, command = ''] = /<pre tabindex="0">(curl .*?)<\/pre>/s.exec(html) ?? []
    const unescaped = command
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&')
    const script = unescaped.replace(/^curl/, "printf '%s\\n'")
    return execFileSync('sh', ['-c', script], { env: { COOKIE: 'session=1' }, encoding: 'utf8' })
      .trimEnd()
      .split('\n')
  }

  test.each([
    ['/', '/entries.json'],
    ['/?q=model:Invoice&count=exactly&entry=1', '/entries.json?q=model:Invoice'],
    ['/?q=model:Product&before=40', '/entries.json?q=model:Product&before=40'],
    ['/entries/1', '/entries/1.json'],
    ['/objects/Invoice/117', '/objects.json?model=Invoice&id=117'],
    [
      `/objects?${new URLSearchParams({ model: HOSTILE, id: HOSTILE })}`,
      `/objects.json?${new URLSearchParams({ model: HOSTILE, id: HOSTILE })}`,
    ],
    [`/?${query(HOSTILE)}`, `/entries.json?${query(HOSTILE)}`],
  ])('%s offers its twin for the shell', async (page, twin) => {
    const [option, cookie, url = ''] = await commandOf(page)
    expect([option, cookie, url]).toEqual([
      '--header',
      'Cookie: session=1',
      `https://shop.example/audit${twin.replace(/%(3A|2F|40|2C)/g, decodeURIComponent)}`,
    ])
    expect((await ask(url.replace('https://shop.example', ''))).status).toBe(200)
  })
})
