import 'reflect-metadata'
import { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import {
  Body,
  Controller,
  Get,
  type INestApplication,
  Module,
  Param,
  Post,
  Req,
  StreamableFile,
  UseInterceptors,
} from '@nestjs/common'
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core'
import { AnyFilesInterceptor, type NestExpressApplication } from '@nestjs/platform-express'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import express from 'express'
import { expressContext, expressDashboard } from '../../../src/middleware/express.ts'
import { fastifyContext, fastifyDashboard } from '../../../src/middleware/fastify.ts'
import { nestActor } from '../../../src/middleware/nest.ts'
import { middlewareContract } from './contract.ts'
import type { Application, Host } from './host.ts'

/** Decorates a method by hand, for tests are compiled without decorators. */
function decorate(
  target: object,
  method: string,
  decorators: readonly MethodDecorator[],
  parameters: readonly ParameterDecorator[] = [],
): void {
  const descriptor = Object.getOwnPropertyDescriptor(target, method)
  if (!descriptor) throw new Error(`there is no method ${method}`)
  for (const [index, parameter] of parameters.entries()) parameter(target, method, index)
  for (const one of decorators) one(target, method, descriptor)
}

function createModule(host: Host, uploads: MethodDecorator[]) {
  class Invoices {
    async pay(id: string) {
      await host.write(id)
      return {}
    }
  }
  decorate(Invoices.prototype, 'pay', [Post(':id/pay')], [Param('id')])
  Controller('shop/invoices')(Invoices)

  class Root {
    async json(body: { id: string }) {
      await host.write(body.id)
      return {}
    }
    async upload(body: { id: string }) {
      await host.write(body.id)
      return {}
    }
    raw(request: { readonly body: unknown }) {
      const source = (request.body instanceof Readable ? request.body : request) as Readable
      return new Promise((resolve, reject) => {
        let body = ''
        source.on('data', (chunk) => {
          body += chunk
        })
        source.on('end', () => host.write(body).then(() => resolve({}), reject))
      })
    }
    async fail() {
      await host.write('before the failure')
      throw new Error('refused')
    }
    async late() {
      await host.writeLate()
      return {}
    }
    stream(id: string) {
      return new StreamableFile(Readable.from(host.chunks(id), { objectMode: false }))
    }
    async gate() {
      await host.writeAtGate('at the gate')
      return {}
    }
    after() {
      void host.writeAtGate('after')
      return {}
    }
  }
  decorate(Root.prototype, 'json', [Post('json')], [Body()])
  decorate(Root.prototype, 'upload', [Post('upload'), ...uploads], [Body()])
  decorate(Root.prototype, 'raw', [Post('raw')], [Req()])
  decorate(Root.prototype, 'fail', [Post('fail')])
  decorate(Root.prototype, 'late', [Post('late')])
  decorate(Root.prototype, 'stream', [Get('stream/:id')], [Param('id')])
  decorate(Root.prototype, 'gate', [Post('gate')])
  decorate(Root.prototype, 'after', [Post('after')])
  Controller()(Root)

  class Shop {}
  Module({
    controllers: [Invoices, Root],
    providers: [{ provide: APP_INTERCEPTOR, useValue: nestActor(host.options.actor ?? (() => undefined)) }],
  })(Shop)
  return Shop
}

/** Everything but the actor, who is named by the interceptor. */
function withoutActor({ actor: _, ...options }: Host['options']): Host['options'] {
  return options
}

async function onExpress(host: Host): Promise<Application> {
  const module = createModule(host, [UseInterceptors(AnyFilesInterceptor())])
  const app = await NestFactory.create<NestExpressApplication>(module, {
    logger: false,
    bodyParser: false,
    forceCloseConnections: true,
  })
  app.use(expressContext(host.daybook, withoutActor(host.options)))
  app.use(express.json())
  app.use('/audit', expressDashboard(host.guarded))
  app.use('/echo', expressDashboard(host.echo))
  return listen(app)
}

async function onFastify(host: Host): Promise<Application> {
  const adapter = new FastifyAdapter({ forceCloseConnections: true })
  const app = await NestFactory.create<NestFastifyApplication>(createModule(host, []), adapter, { logger: false })
  await app.register(fastifyContext(host.daybook, withoutActor(host.options)))
  await app.register(multipart as never, { attachFieldsToBody: 'keyValues' })
  adapter
    .getInstance()
    .addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
  await app.register(fastifyDashboard(host.guarded), { prefix: '/audit' })
  await app.register(fastifyDashboard(host.echo), { prefix: '/echo' })
  return listen(app)
}

async function listen(app: INestApplication): Promise<Application> {
  await app.listen(0, '127.0.0.1')
  const { port } = app.getHttpServer().address()
  return { url: `http://127.0.0.1:${port}`, close: () => app.close() }
}

middlewareContract({ name: 'NestJS on Express', start: onExpress })
middlewareContract({ name: 'NestJS on Fastify', start: onFastify })
