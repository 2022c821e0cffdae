import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { createOneTimeLink } from '../../src/cli/one-time-link.ts'

test('B43 a link that nobody has opened in its time lets nobody in; who is in stays in', async () => {
  let time = 0
  const link = () => createOneTimeLink({ cookie: 'test', page: '/', lifetimeMs: 1000, now: () => time })
  const links = [link(), link()]
  const server = createServer((request, response) => {
    if (!links.shift()?.redeem(request, response)) response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const [inTime, late] = links.map(({ query }) => `http://127.0.0.1:${port}/${query}`)
  const [first] = links
  time = 999
  const opened = await fetch(inTime ?? '', { redirect: 'manual' })
  expect(opened.status).toBe(303)
  time = 1000
  const missed = await fetch(late ?? '', { redirect: 'manual' })
  expect([missed.status, missed.headers.get('set-cookie')]).toEqual([401, null])
  expect(first?.isHolder(opened.headers.get('set-cookie')?.split(';')[0])).toBe(true)
  server.close()
})
