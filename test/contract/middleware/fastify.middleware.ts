import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import multipart from '@fastify/multipart'
import fastify from 'fastify'
import fastify4 from 'fastify4'
import { fastifyContext, fastifyDashboard } from '../../../src/middleware/fastify.ts'
import { middlewareContract } from './contract.ts'
import type { Application, Host } from './host.ts'

async function start(create: typeof fastify, host: Host): Promise<Application> {
  const app = create({ forceCloseConnections: true })
  await app.register(fastifyContext(host.daybook, host.options))
  // Fastify 4 reads multipart by a plugin of its own time; what it would do with a body is the same.
  if (create === fastify) await app.register(multipart, { attachFieldsToBody: 'keyValues' })
  else
    app.addContentTypeParser('multipart/form-data', (_request, payload, done) => {
      text(payload).then((body) => done(null, { id: /name="id"\r\n\r\n(.*)\r\n/.exec(body)?.[1] }), done)
    })
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
  await app.register(
    async (shop) => {
      await shop.register(
        async (invoices) => {
          invoices.post<{ Params: { id: string } }>('/:id/pay', async (request) => {
            await host.write(request.params.id)
            return {}
          })
        },
        { prefix: '/invoices' },
      )
    },
    { prefix: '/shop' },
  )
  for (const path of ['/json', '/upload']) {
    app.post<{ Body: { id: string } }>(path, async (request) => {
      await host.write(request.body.id)
      return {}
    })
  }
  app.post<{ Body: Readable }>('/raw', (request, reply) => {
    let body = ''
    request.body.on('data', (chunk) => {
      body += chunk
    })
    request.body.on('end', () => host.write(body).then(() => reply.send({})))
  })
  app.post('/fail', async () => {
    await host.write('before the failure')
    throw new Error('refused')
  })
  app.post('/late', async () => {
    await host.writeLate()
    return {}
  })
  app.get<{ Params: { id: string } }>('/stream/:id', async (request) => Readable.from(host.chunks(request.params.id)))
  app.post('/gate', async () => {
    await host.writeAtGate('at the gate')
    return {}
  })
  app.post('/after', (_request, reply) => {
    void host.writeAtGate('after')
    reply.send({})
  })
  await app.register(fastifyDashboard(host.guarded), { prefix: '/audit' })
  await app.register(fastifyDashboard(host.echo), { prefix: '/echo' })
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), close: () => app.close() }
}

middlewareContract({ name: 'Fastify 5', start: (host) => start(fastify, host) })
middlewareContract({ name: 'Fastify 4', start: (host) => start(fastify4 as never, host) })
