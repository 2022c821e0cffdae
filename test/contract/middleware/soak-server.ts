import { type EventEmitter, once } from 'node:events'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { serve } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import type pg from 'pg'
import { createPool } from '../../../src/connection/pg.ts'
import { createDaybook } from '../../../src/daybook.ts'
import { expressContext } from '../../../src/middleware/express.ts'
import { fastifyContext } from '../../../src/middleware/fastify.ts'
import { honoContext } from '../../../src/middleware/hono.ts'

/** An application with Daybook, of the framework that it is told, in a process of its own, that tells its memory and its listeners when it is asked. */
const pool = createPool({ connectionString: process.argv[2] ?? '', max: 4 })
const daybook = createDaybook({ pool })
const clients = new Set<pg.PoolClient>()
const sockets = new Set<Socket>()
pool.on('connect', (client) => clients.add(client))

const options = {
  actor: async (request: object) => ({ id: personOf(request) }),
}

function personOf(request: object): string {
  const { headers, req } = request as { headers?: IncomingHttpHeaders; req?: { header(name: string): string } }
  return String(req?.header('x-person') ?? headers?.['x-person'])
}

async function change(id: string | undefined): Promise<void> {
  await pool.query('select * from invoice where id = $1', [id])
  // Counted by the database: two requests that wrote the same total would be one change.
  await pool.query('update invoice set total = total + 1 where id = $1', [id])
}

const FRAMEWORKS: Readonly<Record<string, () => Promise<Server>>> = {
  async Express() {
    const app = express()
    app.use(expressContext(daybook, options))
    app.use(express.json())
    app.patch('/invoices/:id', async (request, response) => {
      await change(request.params.id)
      response.json({})
    })
    return app.listen(0, '127.0.0.1')
  },
  async Fastify() {
    const app = fastify()
    await app.register(fastifyContext(daybook, options))
    app.patch<{ Params: { id: string } }>('/invoices/:id', async (request) => {
      await change(request.params.id)
      return {}
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return app.server
  },
  async Hono() {
    const app = new Hono()
    app.use(honoContext(daybook, options))
    app.patch('/invoices/:id', async (c) => {
      await change(c.req.param('id'))
      return c.json({})
    })
    return serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server
  },
}

function listenersOf(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}

process.on('message', () => {
  for (let time = 0; time < 4; time++) globalThis.gc?.()
  const connections = [...clients].map((client) => (client as unknown as { connection: EventEmitter }).connection)
  const emitters: EventEmitter[] = [process, pool, server, ...clients, ...connections, ...sockets]
  process.send?.({ heapBytes: process.memoryUsage().heapUsed, listeners: emitters.map(listenersOf) })
})
const server = (await FRAMEWORKS[process.argv[3] ?? '']?.()) as Server
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})
if (!server.listening) await once(server, 'listening')
process.send?.((server.address() as AddressInfo).port)
process.once('disconnect', () => process.exit())
