import type { EventEmitter } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import express from 'express'
import type pg from 'pg'
import { createPool } from '../../../src/connection/pg.ts'
import { createDaybook } from '../../../src/daybook.ts'
import { expressContext } from '../../../src/middleware/express.ts'

/** An Express application with Daybook, in a process of its own, that tells its memory and its listeners when it is asked. */
const pool = createPool({ connectionString: process.argv[2] ?? '', max: 4 })
const daybook = createDaybook({ pool })
const clients = new Set<pg.PoolClient>()
const sockets = new Set<Socket>()
pool.on('connect', (client) => clients.add(client))

const app = express()
app.use(expressContext(daybook, { actor: async ({ headers }) => ({ id: String(headers['x-person']) }) }))
app.use(express.json())
app.patch('/invoices/:id', async (request, response) => {
  await pool.query('select * from invoice where id = $1', [request.params.id])
  // Counted by the database: two requests that wrote the same total would be one change.
  await pool.query('update invoice set total = total + 1 where id = $1', [request.params.id])
  response.json({})
})

function listenersOf(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}

process.on('message', () => {
  for (let time = 0; time < 4; time++) globalThis.gc?.()
  const connections = [...clients].map((client) => (client as unknown as { connection: EventEmitter }).connection)
  const emitters: EventEmitter[] = [process, pool, server, ...clients, ...connections, ...sockets]
  process.send?.({ heapBytes: process.memoryUsage().heapUsed, listeners: emitters.map(listenersOf) })
})
const server = app.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})
process.once('disconnect', () => process.exit())
