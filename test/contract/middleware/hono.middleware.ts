import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { honoContext, honoDashboard } from '../../../src/middleware/hono.ts'
import { middlewareContract } from './contract.ts'
import { type Application, type Host, webStream } from './host.ts'

async function start(host: Host): Promise<Application> {
  const app = new Hono()
  app.use(honoContext(host.daybook, host.options))
  const invoices = new Hono()
  invoices.post('/:id/pay', async (c) => {
    await host.write(c.req.param('id'))
    return c.json({})
  })
  app.route('/shop', new Hono().route('/invoices', invoices))
  app.post('/json', async (c) => {
    await host.write((await c.req.json()).id)
    return c.json({})
  })
  app.post('/upload', async (c) => {
    await host.write(String((await c.req.parseBody()).id))
    return c.json({})
  })
  app.post('/raw', async (c) => {
    let body = ''
    for await (const chunk of c.req.raw.body ?? []) body += Buffer.from(chunk)
    await host.write(body)
    return c.json({})
  })
  app.post('/fail', async () => {
    await host.write('before the failure')
    throw new Error('refused')
  })
  app.post('/late', async (c) => {
    await host.writeLate()
    return c.json({})
  })
  app.get('/stream/:id', (c) =>
    stream(c, async (answer) => {
      for await (const chunk of host.chunks(c.req.param('id'))) await answer.write(chunk)
    }),
  )
  app.get('/web-stream/:id', (c) => c.body(webStream(host.chunks(c.req.param('id')))))
  app.get('/response/:id', (c) => new Response(webStream(host.chunks(c.req.param('id')))))
  app.post('/gate', async (c) => {
    await host.writeAtGate('at the gate')
    return c.json({})
  })
  app.post('/after', (c) => {
    void host.writeAtGate('after')
    return c.json({})
  })
  app.use('/echo/*', async (c, next) => {
    await c.req.json()
    await next()
  })
  app.all('/audit/*', honoDashboard(host.guarded, { basePath: '/audit' }))
  app.all('/echo/*', honoDashboard(host.echo, { basePath: '/echo' }))
  app.onError((_error, c) => c.text('failed', 500))
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

middlewareContract({ name: 'Hono', streams: ['/stream', '/web-stream', '/response'], start })
