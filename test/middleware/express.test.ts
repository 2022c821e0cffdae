import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import express4 from 'express4'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { install, track } from '../../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../../src/connection/pg.ts'
import { createDaybook, type Daybook } from '../../src/daybook.ts'
import { expressContext, expressDashboard, type RequestActor } from '../../src/middleware/express.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { serve, type WebServer } from './web-server.ts'

interface Recorded {
  readonly action: string
  readonly actor_type: string
  readonly actor_id: string | null
  readonly actor_label: string | null
  readonly ip_address: string | null
  readonly request_id: string | null
  readonly tenant_id: string | null
  readonly object_id: string
  readonly context: { readonly route?: string; readonly user_agent?: string; readonly on_behalf_of?: { id: string } }
}

/** Something that a test waits for. */
function signal() {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { give, given }
}

let database: TestDatabase
let pool: Pool
let daybook: Daybook
const servers: WebServer[] = []

beforeAll(async () => {
  database = await createTestDatabase('express')
  await install(fromPgPool(database.pool))
  await database.pool.query('create table invoice (id text primary key, total int not null)')
  await track(fromPgPool(database.pool), 'public.invoice')
  pool = createPool({ connectionString: database.url, max: 3 })
  daybook = createDaybook({ pool })
})
afterAll(async () => {
  daybook.close()
  await pool.end()
  await database.close()
})
beforeEach(() => database.pool.query('truncate daybook.entry'))
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function entries(): Promise<Recorded[]> {
  const { rows } = await database.pool.query<Recorded>('select * from daybook.entries order by id')
  return rows
}

async function entry(): Promise<Recorded> {
  const [only, ...others] = await entries()
  expect(others).toEqual([])
  if (!only) throw new Error('there is no entry')
  return only
}

let invoices = 0

/** Writes through the application's own pool. */
async function writeInvoice(): Promise<string> {
  invoices += 1
  const id = `I-${invoices}`
  await pool.query('insert into invoice values ($1, 1)', [id])
  return id
}

async function write(_request: Request, response: Response): Promise<void> {
  response.json({ id: await writeInvoice() })
}

const mara: RequestActor = { id: 'u-1', label: 'mara@example.com' }

async function listen(application: Express): Promise<string> {
  const server = await serve(application)
  servers.push(server)
  return server.url
}

describe.each([
  ['Express 5', express],
  ['Express 4', express4],
])('%s', (_name, express) => {
  test('B29 an entry made in a signed-in request carries actor, address, request id, user agent and route', async () => {
    const application = express()
    application.use(expressContext(daybook, { actor: () => mara, tenantId: () => 'acme' }))
    application.patch('/invoices/:id', write)
    const url = await listen(application)

    const response = await fetch(`${url}/invoices/7?token=hush`, {
      method: 'PATCH',
      headers: { 'user-agent': 'Test/1' },
    })

    const recorded = await entry()
    expect(recorded).toMatchObject({
      action: 'create',
      actor_type: 'user',
      actor_id: 'u-1',
      actor_label: 'mara@example.com',
      ip_address: '127.0.0.1',
      tenant_id: 'acme',
      context: { user_agent: 'Test/1', route: 'PATCH /invoices/:id' },
    })
    expect(recorded.request_id).toBe(response.headers.get('x-request-id'))
    expect(JSON.stringify(recorded)).not.toContain('hush')
  })

  test('B29 an anonymous request keeps the address', async () => {
    const application = express()
    application.use(expressContext(daybook, { actor: () => undefined }))
    application.post('/', write)
    await fetch(await listen(application), { method: 'POST' })

    expect(await entry()).toMatchObject({ actor_type: 'anonymous', actor_id: null, ip_address: '127.0.0.1' })
  })

  test('B29 after the response the context is empty', async () => {
    const finished = signal()
    const application = express()
    application.use(expressContext(daybook, { actor: () => mara }))
    application.post('/', async (_request, response) => {
      const closed = once(response, 'close')
      response.end()
      await closed
      expect(daybook.currentContext()).toBeUndefined()
      await writeInvoice()
      finished.give()
    })
    await fetch(await listen(application), { method: 'POST' })
    await finished.given

    expect(await entry()).toMatchObject({ actor_type: 'database', request_id: null })
  })

  test('B29 after an error the context is empty too', async () => {
    const application = express()
    application.use(expressContext(daybook, { actor: () => mara }))
    const finished = signal()
    application.post('/', (_request, response, next) => {
      once(response, 'close').then(async () => {
        await writeInvoice()
        finished.give()
      })
      next(new Error('refused'))
    })
    application.use(((_error, _request, response, _next) => {
      response.status(500).end()
    }) satisfies express.ErrorRequestHandler)
    const response = await fetch(await listen(application), { method: 'POST' })
    expect(response.status).toBe(500)
    await finished.given

    expect(await entry()).toMatchObject({ actor_type: 'database', request_id: null })
  })

  test('B29 a handler whose client hung up still writes as that client', async () => {
    const arrived = signal()
    const finished = signal()
    const application = express()
    application.use(expressContext(daybook, { actor: () => mara }))
    application.post('/', async (_request, response) => {
      const closed = once(response, 'close')
      arrived.give()
      await closed
      await writeInvoice()
      finished.give()
    })
    const { port } = new URL(await listen(application))
    const socket = connect(Number(port), '127.0.0.1')
    socket.write('POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n')
    await arrived.given
    socket.destroy()
    await finished.given

    expect(await entry()).toMatchObject({ actor_id: 'u-1', ip_address: '127.0.0.1' })
  })

  test('B29 requests on one kept connection do not share a context', async () => {
    const application = express()
    application.use(expressContext(daybook, { actor: (request) => ({ id: String(request.headers['x-person']) }) }))
    application.post('/', write)
    const url = await listen(application)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const sockets = new Set<unknown>()
    for (const person of ['first', 'second', 'third']) {
      const request = httpRequest(url, { method: 'POST', agent, headers: { 'x-person': person } }).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      sockets.add(request.socket)
      await text(response)
    }
    agent.destroy()

    const recorded = await entries()
    expect(sockets.size).toBe(1)
    expect(recorded.map(({ actor_id }) => actor_id)).toEqual(['first', 'second', 'third'])
    expect(new Set(recorded.map(({ request_id }) => request_id)).size).toBe(3)
  })

  test('B30 an actor who is learned in the handler stands in the entries made after that', async () => {
    const application = express()
    application.use(expressContext(daybook))
    application.post('/', async (_request, response) => {
      await writeInvoice()
      await Promise.resolve().then(() => daybook.setActor(mara))
      await writeInvoice()
      response.end()
    })
    await fetch(await listen(application), { method: 'POST' })

    expect(await entries()).toMatchObject([{ actor_type: 'anonymous' }, { actor_type: 'user', actor_id: 'u-1' }])
  })

  test('B31 interleaved requests over a small pool keep their own actors', async () => {
    const application = express()
    application.use(
      expressContext(daybook, {
        actor: async (request) => {
          await new Promise(setImmediate)
          return { id: String(request.headers['x-person']) }
        },
      }),
    )
    application.use(express.json())
    application.post('/', async (request, response) => {
      await pool.query('select pg_sleep(0.001)')
      await pool.query('insert into invoice values ($1, 1)', [request.body.id])
      response.end()
    })
    const url = await listen(application)
    await Promise.all(
      Array.from({ length: 200 }, (_, number) =>
        fetch(url, {
          method: 'POST',
          headers: { 'x-person': `p-${number}`, 'content-type': 'application/json' },
          body: JSON.stringify({ id: `of p-${number} in ${_name}` }),
        }),
      ),
    )

    const recorded = await entries()
    expect(recorded).toHaveLength(200)
    expect(recorded.filter(({ actor_id, object_id }) => object_id !== `of ${actor_id} in ${_name}`)).toEqual([])
  })

  test('B35 an impersonation keeps both people', async () => {
    const application = express()
    application.use(expressContext(daybook, { actor: () => ({ ...mara, onBehalfOf: { id: 'u-2', label: 'Bo' } }) }))
    application.post('/', write)
    await fetch(await listen(application), { method: 'POST' })

    expect(await entry()).toMatchObject({ actor_id: 'u-1', context: { on_behalf_of: { id: 'u-2', label: 'Bo' } } })
  })

  test('an actor who can’t be told makes the request fail', async () => {
    const application = express()
    application.use(expressContext(daybook, { actor: () => Promise.reject(new Error('the session store is away')) }))
    application.post('/', write)
    application.use(((error, _request, response, _next) => {
      response.status(503).end(error.message)
    }) satisfies express.ErrorRequestHandler)
    const response = await fetch(await listen(application), { method: 'POST' })

    expect([response.status, await response.text()]).toEqual([503, 'the session store is away'])
    expect(await entries()).toEqual([])
  })

  test('the context reaches handlers behind body parsers', async () => {
    const application = express()
    application.use(express.urlencoded({ extended: true }))
    application.use(expressContext(daybook, { actor: () => mara }))
    application.use(express.json())
    application.post('/', write)
    const url = await listen(application)
    await fetch(url, { method: 'POST', body: new URLSearchParams({ a: 'b' }) })
    await fetch(url, { method: 'POST', body: '{"a":"b"}', headers: { 'content-type': 'application/json' } })

    expect(await entries()).toMatchObject([{ actor_id: 'u-1' }, { actor_id: 'u-1' }])
  })

  test('B37 the address is found through the proxies that were named', async () => {
    const application = express()
    application.use('/direct', expressContext(daybook))
    application.use('/proxied', expressContext(daybook, { trustedProxies: ['loopback'] }))
    application.use(write)
    const url = await listen(application)
    const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.9' }
    await fetch(`${url}/direct`, { method: 'POST', headers })
    await fetch(`${url}/proxied`, { method: 'POST', headers })
    await fetch(`${url}/proxied`, { method: 'POST', headers: { 'x-forwarded-for': 'junk' } })

    expect((await entries()).map(({ ip_address }) => ip_address)).toEqual(['127.0.0.1', '203.0.113.9', null])
  })

  test('B38 a request id is used from the header that was named, and from no other', async () => {
    const application = express()
    application.use('/unnamed', expressContext(daybook))
    application.use('/named', expressContext(daybook, { requestIdHeader: 'X-Amzn-Trace-Id' }))
    application.use(write)
    const url = await listen(application)
    const answers = []
    for (const [path, id] of [
      ['/named', 'Root=1-abc'],
      ['/unnamed', 'Root=1-abc'],
      ['/named', 'x'.repeat(129)],
      ['/named', '<b>'],
    ] as const) {
      const headers = { 'x-amzn-trace-id': id, 'x-request-id': id }
      answers.push(await fetch(url + path, { method: 'POST', headers }))
    }

    const ids = (await entries()).map(({ request_id }) => request_id)
    expect(ids).toEqual(answers.map(({ headers }) => headers.get('x-request-id')))
    expect(ids).toEqual(['Root=1-abc', ...Array(3).fill(expect.stringMatching(/^[0-9a-f-]{36}$/))])
  })

  test('the header of the response can be named otherwise, left out, or set by the application', async () => {
    const application = express()
    application.use('/other', expressContext(daybook, { requestIdResponseHeader: 'X-Trace' }))
    application.use('/none', expressContext(daybook, { requestIdResponseHeader: false }))
    application.use('/own', (_request, response, next) => {
      response.setHeader('X-Request-Id', 'own')
      next()
    })
    application.use('/own', expressContext(daybook))
    application.use((_request, response) => void response.end())
    const url = await listen(application)
    const get = async (path: string) => (await fetch(url + path)).headers

    expect((await get('/other')).get('x-trace')).toMatch(/^[0-9a-f-]{36}$/)
    expect((await get('/other')).get('x-request-id')).toBeNull()
    expect((await get('/none')).get('x-request-id')).toBeNull()
    expect((await get('/own')).get('x-request-id')).toBe('own')
  })

  test('the route is the path until it is known, then the pattern with the prefix of its router', async () => {
    const application = express()
    application.use(expressContext(daybook))
    application.use(async (_request, _response, next) => {
      await writeInvoice()
      next()
    })
    const router = express.Router()
    const inner = express.Router()
    inner.post('/:id/lines/:line', write)
    inner.post(/^\/regular/, write)
    inner.post('/', write)
    router.use('/invoices', inner)
    application.use('/api', router)
    const url = await listen(application)
    for (const path of ['7/lines/9?secret=hush', 'regular', '']) {
      await fetch(`${url}/api/invoices/${path}`, { method: 'POST' })
    }

    expect((await entries()).map(({ context }) => context.route)).toEqual([
      'POST /api/invoices/7/lines/9',
      'POST /api/invoices/:id/lines/:line',
      'POST /api/invoices/regular',
      'POST /api/invoices/regular',
      'POST /api/invoices/',
      'POST /api/invoices',
    ])
  })

  test('a handler still finds its route on the request', async () => {
    const application = express()
    application.use(expressContext(daybook))
    application.get('/things/:id', (request, response) => void response.json(request.route.path))
    const url = await listen(application)

    expect(await (await fetch(`${url}/things/1`)).json()).toBe('/things/:id')
  })

  describe('the dashboard', () => {
    /** A host that answers with what `handler` makes of the web request. */
    function host(handler: Daybook['handler'], ...before: RequestHandler[]): Promise<string> {
      const application = express()
      for (const middleware of before) application.use(middleware)
      application.use('/back/audit', expressDashboard({ handler }))
      application.use(((error, _request, response, _next) => {
        response.status(500).end(`failed: ${error.message}`)
      }) satisfies express.ErrorRequestHandler)
      return listen(application)
    }

    const echo: Daybook['handler'] = async (request, mount) =>
      Response.json({
        method: request.method,
        url: request.url,
        basePath: mount?.basePath,
        type: request.headers.get('content-type'),
        cookie: request.headers.get('cookie'),
        body: await request.text(),
      })

    test('is given method, address, prefix and headers', async () => {
      const url = await host(echo)
      const response = await fetch(`${url}/back/audit/entries/7?actor=a%20b&x=1`, { headers: { cookie: 'a=1; b=2' } })
      expect(await response.json()).toMatchObject({
        method: 'GET',
        url: `${url}/back/audit/entries/7?actor=a%20b&x=1`,
        basePath: '/back/audit',
        cookie: 'a=1; b=2',
        body: '',
      })
    })

    test('B43 shows the log below its prefix to whom the host lets in, and to nobody else', async () => {
      await daybook.runAs(mara, writeInvoice)
      const guarded = createDaybook({
        pool,
        authorize: (request) =>
          request.headers.get('x-staff') === 'yes'
            ? { allow: true, viewer: { id: 'u-9' } }
            : { allow: false, reason: 'forbidden' },
      })
      try {
        const url = await host(guarded.handler)
        const page = await fetch(`${url}/back/audit`, { headers: { 'x-staff': 'yes' } })
        expect([page.status, await page.text()]).toEqual([
          200,
          expect.stringMatching(/"\/back\/audit.*mara@example\.com/s),
        ])
        const refused = await fetch(`${url}/back/audit`)
        expect([refused.status, await refused.text()]).toEqual([403, expect.not.stringContaining('mara')])
      } finally {
        guarded.close()
      }
      const unguarded = await host(daybook.handler)
      const response = await fetch(`${unguarded}/back/audit`)
      expect([response.status, await response.text()]).toEqual([500, expect.stringContaining('authorize is missing')])
    })

    const form = 'application/x-www-form-urlencoded'
    test.each([
      ['no parser', form, 'a=1&a=2&b%5Bc%5D=3+4', []],
      ['a form parser', form, 'a=1&a=2&b%5Bc%5D=3+4', [express.urlencoded({ extended: true })]],
      ['a JSON parser', 'application/json', '{"a":[1,{"b":null}]}', [express.json()]],
      ['a text parser', 'text/plain', 'gr\u00fc\u00dfe', [express.text()]],
      ['a raw parser', 'application/octet-stream', 'bytes', [express.raw()]],
      ['a parser of something else', form, 'a=1', [express.json()]],
    ])('reads a body behind %s', async (_parser, type, body, parsers) => {
      const url = await host(echo, ...parsers)
      const response = await fetch(`${url}/back/audit`, { method: 'POST', body, headers: { 'content-type': type } })
      expect(await response.json()).toMatchObject({ method: 'POST', type, body })
    })

    test('answers with status, every cookie and the body', async () => {
      const url = await host(async () => {
        const headers = new Headers({ 'content-type': 'text/csv' })
        headers.append('set-cookie', 'a=1; Path=/')
        headers.append('set-cookie', 'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT')
        return new Response('one,two', { status: 201, headers })
      })
      const response = await fetch(`${url}/back/audit`)
      expect(response.status).toBe(201)
      expect(response.headers.get('content-type')).toBe('text/csv')
      expect(response.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT'])
      expect(await response.text()).toBe('one,two')
    })

    test('answers HEAD without a body, whose source is stopped', async () => {
      const stopped = signal()
      const url = await host(async () => new Response(new ReadableStream({ cancel: stopped.give })))
      const response = await fetch(`${url}/back/audit`, { method: 'HEAD' })
      expect([response.status, await response.text()]).toEqual([200, ''])
      await stopped.given
    })

    test('hands an error to the application', async () => {
      const url = await host(() => Promise.reject(new Error('no authorize')))
      const response = await fetch(`${url}/back/audit`)
      expect([response.status, await response.text()]).toEqual([500, 'failed: no authorize'])
    })

    test('answers 400 to a host that can’t be', async () => {
      const { port } = new URL(await host(echo))
      const socket = connect(Number(port), '127.0.0.1')
      socket.end('GET /back/audit HTTP/1.1\r\nHost: a@b:c/d\r\nConnection: close\r\n\r\n')
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 /)
    })

    test('B55 a client that goes away stops the source of a streamed answer', async () => {
      const stopped = signal()
      let aborted = false
      const url = await host(async (request) => {
        request.signal.addEventListener('abort', () => {
          aborted = true
        })
        const body = new ReadableStream<Uint8Array>({
          pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
          cancel: stopped.give,
        })
        return new Response(body)
      })
      const leaving = new AbortController()
      const response = await fetch(`${url}/back/audit`, { signal: leaving.signal })
      await response.body?.getReader().read()
      leaving.abort()
      await stopped.given
      expect(aborted).toBe(true)
    })

    test('B55 a client that goes away before the first byte stops the source', async () => {
      const stopped = signal()
      const asked = signal()
      const url = await host(async () => {
        asked.give()
        return new Response(new ReadableStream({ pull: () => new Promise(() => {}), cancel: stopped.give }))
      })
      const leaving = new AbortController()
      const response = fetch(`${url}/back/audit`, { signal: leaving.signal })
      await asked.given
      await response
      leaving.abort()
      await stopped.given
    })

    test('B55 a client that reads slowly holds the source back', async () => {
      let produced = 0
      const url = await host(async () => {
        const body = new ReadableStream<Uint8Array>({
          async pull(controller) {
            produced += 1
            if (produced > 10_000) controller.close()
            else controller.enqueue(new Uint8Array(64 * 1024))
            // A source that waits as a database does, so that the test goes on meanwhile.
            await new Promise(setImmediate)
          },
        })
        return new Response(body)
      })
      const request = httpRequest(`${url}/back/audit`).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      response.pause()
      let before = -1
      while (before !== produced) {
        before = produced
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      expect(produced).toBeLessThan(10_000)
      request.destroy()
    })

    test('an answer whose source fails midway is cut off, never ended as if it were whole', async () => {
      let pulls = 0
      const url = await host(async () => {
        const body = new ReadableStream<Uint8Array>({
          pull(controller) {
            pulls += 1
            if (pulls > 1) throw new Error('the query was ended')
            controller.enqueue(new Uint8Array(10))
          },
        })
        return new Response(body)
      })
      const response = await fetch(`${url}/back/audit`)
      await expect(response.arrayBuffer()).rejects.toThrow()
    })
  })
})

test.each([
  { trustedProxies: ['nowhere'] },
  { requestIdHeader: 'two words' },
  { requestIdHeader: 1 as never },
  { requestIdResponseHeader: '' },
])('the option %j is refused where the middleware is made', (options) => {
  expect(() => expressContext(daybook, options)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
})
