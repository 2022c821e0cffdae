import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CarryingSocket } from '../../src/connection/carrying-socket.ts'
import { Seals } from '../../src/connection/seals.ts'
import { currentContext, runInContext } from '../../src/core/context.ts'

const STARTUP = Buffer.from([0, 0, 0, 8, 0, 3, 0, 0])
const NOTICE = Buffer.from([...Buffer.from('N'), 0, 0, 0, 5, 0])

const server = createServer()
let port: number

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  port = (server.address() as { port: number }).port
})
afterAll(() => server.close())

async function open() {
  const socket = new CarryingSocket({ host: ['127.0.0.1'], port: [port] }, new Seals(), () => {})
  const connected = once(server, 'connection') as Promise<[Socket]>
  socket.write(STARTUP)
  const [peer] = await connected
  return { socket, peer }
}

test('B31 what a connection sets off is in nobody’s context, also when somebody lets it go on', async () => {
  const { socket, peer } = await runInContext({ requestId: 'opener' }, open)
  const contexts: unknown[] = []
  const note = () => contexts.push(currentContext())
  await runInContext({ requestId: 'listener' }, async () => {
    const told = once(socket.on('data', note), 'data')
    socket.pause()
    peer.write(NOTICE)
    while (socket.readableLength === 0) await new Promise((next) => setImmediate(next))
    socket.resume()
    await told
  })
  await runInContext({ requestId: 'closer' }, async () => {
    const closed = once(socket.on('close', note), 'close')
    socket.destroy()
    await closed
  })
  expect(contexts).toEqual([undefined, undefined])
})

test('tells of an end as a socket does: whether it was for an error', async () => {
  const { socket, peer } = await open()
  const closed = once(socket, 'close')
  socket.resume()
  peer.end()
  expect(await closed).toEqual([false])
  expect(socket.readyState).toBe('closed')

  const other = await open()
  const reset = new Promise((done) => {
    other.socket.on('error', () => {}).on('close', done)
  })
  other.peer.resetAndDestroy()
  expect(await reset).toBe(true)
})
