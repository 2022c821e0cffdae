import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import express from 'express'
import express4 from 'express4'
import multer from 'multer'
import { expressContext, expressDashboard } from '../../../src/middleware/express.ts'
import { serve } from '../../middleware/web-server.ts'
import { middlewareContract } from './contract.ts'
import type { Host } from './host.ts'

function createApplication(create: typeof express, host: Host) {
  const app = create()
  app.use(expressContext(host.daybook, host.options))
  app.use(create.json())
  const invoices = create.Router()
  invoices.post('/:id/pay', async (request, response) => {
    await host.write(request.params.id)
    response.json({})
  })
  const shop = create.Router()
  shop.use('/invoices', invoices)
  app.use('/shop', shop)
  app.post('/json', async (request, response) => {
    await host.write(request.body.id)
    response.json({})
  })
  app.post('/upload', multer().any(), async (request, response) => {
    await host.write(request.body.id)
    response.json({})
  })
  app.post('/raw', (request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => host.write(body).then(() => response.json({})))
  })
  app.post('/fail', (_request, _response, next) => {
    host.write('before the failure').then(() => next(new Error('refused')))
  })
  app.post('/late', async (_request, response) => {
    await host.writeLate()
    response.json({})
  })
  app.get('/stream/:id', (request, response) => pipeline(Readable.from(host.chunks(request.params.id)), response))
  app.post('/gate', async (_request, response) => {
    await host.writeAtGate('at the gate')
    response.json({})
  })
  app.post('/after', (_request, response) => {
    void host.writeAtGate('after')
    response.json({})
  })
  app.use('/audit', expressDashboard(host.guarded))
  app.use('/echo', expressDashboard(host.echo))
  app.use(((_error, _request, response, _next) => {
    response.status(500).end()
  }) satisfies express.ErrorRequestHandler)
  return app
}

middlewareContract({ name: 'Express 5', start: (host) => serve(createApplication(express, host)) })
middlewareContract({ name: 'Express 4', start: (host) => serve(createApplication(express4, host)) })
