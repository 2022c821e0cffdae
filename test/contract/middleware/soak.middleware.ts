import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { install, track } from '../../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../../src/connection/pg.ts'
import { createTestDatabase } from '../../database.ts'

const REQUESTS = Number(process.env.DAYBOOK_SOAK_REQUESTS ?? 10_000)
/** A kilobyte a request would show in these as well. */
const FEW_REQUESTS = Math.min(REQUESTS, 10_000)
const CONNECTIONS = 8
/** What a heap of some 30 MB moves by itself between two looks. A kilobyte a request would be ten times as much over 100,000. */
const SLACK_BYTES = 4 * 2 ** 20

interface Look {
  readonly heapBytes: number
  readonly listeners: readonly number[]
}

test.each([
  ['Express', REQUESTS],
  ['Fastify', FEW_REQUESTS],
  ['Hono', FEW_REQUESTS],
])('B29 %s: %d requests leave neither memory nor listeners behind', { timeout: 1_800_000 }, async (name, requests) => {
  const database = await createTestDatabase('soak')
  await install(fromPgPool(database.pool))
  await database.pool.query('create table invoice (id int primary key, total int not null)')
  await database.pool.query('insert into invoice select g, 0 from generate_series(1, 100) g')
  await track(fromPgPool(database.pool), 'public.invoice')
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const server = fork(fileURLToPath(new URL('./soak-server.ts', import.meta.url)), [database.url, name], {
    execArgv: ['--import', 'tsx', '--expose-gc'],
  })
  try {
    const [port] = (await once(server, 'message')) as [number]
    let sent = 0
    async function ask(): Promise<void> {
      sent += 1
      const request = httpRequest({
        ...{ host: '127.0.0.1', port, agent, method: 'PATCH', path: `/invoices/${1 + (sent % 100)}` },
        headers: { 'x-person': `p-${sent}`, 'user-agent': `Test/${sent}`, 'content-length': 0 },
      }).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      expect(response.statusCode).toBe(200)
      await once(response.resume(), 'end')
    }
    async function send(count: number): Promise<void> {
      const last = sent + count
      const one = async () => {
        while (sent < last) await ask()
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, one))
    }
    async function look(): Promise<Look> {
      server.send('look')
      return ((await once(server, 'message')) as [Look])[0]
    }

    await send(3_000)
    const before = await look()
    await send(requests)
    const after = await look()
    expect(after.listeners).toEqual(before.listeners)
    expect(after.heapBytes - before.heapBytes).toBeLessThan(SLACK_BYTES)
    const { rows } = await database.pool.query("select count(*)::int from daybook.entries where action = 'update'")
    expect(rows).toEqual([{ count: sent }])
    console.log(`${name}, ${requests} requests: heap ${before.heapBytes} → ${after.heapBytes} bytes`)
  } finally {
    agent.destroy()
    server.kill()
    await database.close()
  }
})
