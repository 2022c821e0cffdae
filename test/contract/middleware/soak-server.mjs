// An Express application with Daybook, as it is built, in a process of its own: it tells its memory and its listeners when it is asked.
import { createDaybook } from 'daybook'
import { createPool } from 'daybook/connection/pg'
import { expressContext } from 'daybook/middleware/express'
import express from 'express'

const pool = createPool({ connectionString: process.argv[2], max: 4 })
const daybook = createDaybook({ pool })
const clients = new Set()
const sockets = new Set()
pool.on('connect', (client) => clients.add(client))

const app = express()
app.use(expressContext(daybook, { actor: async ({ headers }) => ({ id: headers['x-person'] }) }))
app.use(express.json())
app.patch('/invoices/:id', async (request, response) => {
  const { rows } = await pool.query('select * from invoice where id = $1', [request.params.id])
  await pool.query('update invoice set total = $2 where id = $1', [request.params.id, rows[0].total + 1])
  response.json({})
})

const listenersOf = (emitter) => emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)

process.on('message', () => {
  for (let time = 0; time < 4; time++) globalThis.gc()
  const emitters = [process, pool, server, ...clients, ...[...clients].map((client) => client.connection), ...sockets]
  process.send({ heapBytes: process.memoryUsage().heapUsed, listeners: emitters.map(listenersOf) })
})
const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port))
server.on('connection', (socket) => {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
})
