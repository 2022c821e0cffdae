import { Readable } from 'node:stream'
import { bodyParser } from '@koa/bodyparser'
import Router from '@koa/router'
import busboy from 'busboy'
import Koa from 'koa'
import Koa2 from 'koa2'
import { koaContext, koaDashboard } from '../../../src/middleware/koa.ts'
import { serve } from '../../middleware/web-server.ts'
import { middlewareContract } from './contract.ts'
import { type Host, webStream } from './host.ts'

function createApplication(Application: typeof Koa, host: Host) {
  const app = new Application()
  app.silent = true
  app.use(koaContext(host.daybook, host.options))
  app.use(bodyParser())
  const invoices = new Router({ prefix: '/invoices' })
  invoices.post('/:id/pay', async (ctx) => {
    await host.write(String(ctx.params.id))
    ctx.body = {}
  })
  const router = new Router()
  router.use('/shop', invoices.routes())
  router.post('/json', async (ctx) => {
    await host.write((ctx.request.body as { id: string }).id)
    ctx.body = {}
  })
  router.post('/upload', async (ctx) => {
    let id = ''
    await new Promise<void>((resolve, reject) => {
      const parser = busboy({ headers: ctx.headers })
      parser.on('field', (_name, value) => {
        id = value
      })
      parser.on('file', (_name, file) => file.resume())
      parser.on('close', () => host.write(id).then(resolve, reject))
      ctx.req.pipe(parser)
    })
    ctx.body = {}
  })
  router.post('/raw', async (ctx) => {
    let body = ''
    await new Promise<void>((resolve, reject) => {
      ctx.req.on('data', (chunk) => {
        body += chunk
      })
      ctx.req.on('end', () => host.write(body).then(resolve, reject))
    })
    ctx.body = {}
  })
  router.post('/fail', async () => {
    await host.write('before the failure')
    throw new Error('refused')
  })
  router.post('/late', async (ctx) => {
    await host.writeLate()
    ctx.body = {}
  })
  router.get('/stream/:id', (ctx) => {
    ctx.body = Readable.from(host.chunks(String(ctx.params.id)))
  })
  router.get('/web-stream/:id', (ctx) => {
    ctx.body = webStream(host.chunks(String(ctx.params.id)))
  })
  router.get('/response/:id', (ctx) => {
    ctx.body = new Response(webStream(host.chunks(String(ctx.params.id))))
  })
  router.post('/gate', async (ctx) => {
    await host.writeAtGate('at the gate')
    ctx.body = {}
  })
  router.post('/after', (ctx) => {
    void host.writeAtGate('after')
    ctx.body = {}
  })
  app.use(router.routes())
  app.use(koaDashboard(host.guarded, { basePath: '/audit' }))
  app.use(koaDashboard(host.echo, { basePath: '/echo' }))
  return app.callback()
}

const streams = ['/stream', '/web-stream', '/response']
middlewareContract({ name: 'Koa 3', streams, start: (host) => serve(createApplication(Koa, host)) })
middlewareContract({ name: 'Koa 2', start: (host) => serve(createApplication(Koa2 as never, host)) })
