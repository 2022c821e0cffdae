import { AsyncResource } from 'node:async_hooks'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { currentContext, openContext } from '../../src/core/context.ts'
import { honoContext } from '../../src/middleware/hono.ts'
import { nextContext } from '../../src/middleware/next.ts'

const daybook = { openContext }

describe('Hono without Node’s server', () => {
  const app = new Hono()
  app.use(honoContext(daybook, { peerAddress: () => '203.0.113.9', trustedProxies: ['203.0.113.9'] }))
  app.get('/invoices/:id', (c) => c.json(currentContext()))
  app.get('/unknown/*', (c) => c.json(currentContext()))
  app.get('/away', (c) => c.redirect('/elsewhere'))

  test('B29 a request has address, route and id', async () => {
    const response = await app.request('http://shop/invoices/7?token=hush', {
      headers: { 'x-forwarded-for': '198.51.100.4' },
    })
    expect(await response.json()).toMatchObject({
      ipAddress: '198.51.100.4',
      route: 'GET /invoices/:id',
      requestId: response.headers.get('x-request-id'),
    })
    expect(currentContext()).toBeUndefined()
  })

  test('a redirect keeps its status and its target', async () => {
    const response = await app.request('/away')
    expect([response.status, response.headers.get('location')]).toEqual([302, '/elsewhere'])
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('a route handler of Next.js', () => {
  const audited = nextContext(daybook)
  const routeOf = async (path: string, params: object) => {
    const handler = audited(() => Response.json(currentContext()?.route))
    return (await handler(new Request(`http://shop${path}`), { params: Promise.resolve(params) })).json()
  }

  test.each([
    ['/invoices/7/lines/9?token=hush', { id: '7', line: '9' }, 'GET /invoices/[id]/lines/[line]'],
    ['/files/a/b/c', { path: ['a', 'b', 'c'] }, 'GET /files/[...path]'],
    ['/audit', {}, 'GET /audit'],
    ['/invoices/invoices', { id: 'invoices' }, 'GET /invoices/invoices'],
    ['/pairs/7/7', { left: '7', right: '7' }, 'GET /pairs/7/7'],
    ['/rewritten', { id: '7' }, 'GET /rewritten'],
  ])('B29 the route of %s is its pattern, or the path where that is in doubt', async (path, params, route) => {
    expect(await routeOf(path, params)).toBe(route)
  })

  test('B37 without a server of Node’s the address is unknown, whatever a header says', async () => {
    const handler = audited(() => Response.json(currentContext() ?? null))
    const headers = { 'x-forwarded-for': '6.6.6.6' }
    const response = await handler(new Request('http://shop/', { headers }), { params: {} })
    expect(await response.json()).not.toHaveProperty('ipAddress')
  })

  test('an answer with headers that can’t be changed, and an error, go through', async () => {
    const away = await audited(() => Response.redirect('http://shop/elsewhere', 307))(new Request('http://shop/'), {
      params: {},
    })
    expect([away.status, away.headers.get('location')]).toEqual([307, 'http://shop/elsewhere'])
    expect(away.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    const error = Response.error()
    expect(await audited(() => error)(new Request('http://shop/'), { params: {} })).toBe(error)
  })

  test('B29 the context of a streamed answer ends with it', async () => {
    let later: (() => unknown) | undefined
    const response = await audited(() => {
      const body = new ReadableStream({
        pull(controller) {
          later = AsyncResource.bind(() => currentContext())
          controller.enqueue(new TextEncoder().encode(String(currentContext()?.route)))
          controller.close()
        },
      })
      return new Response(body)
    })(new Request('http://shop/report'), { params: {} })
    expect(await response.text()).toBe('GET /report')
    expect(later?.()).toBeUndefined()
  })
})
