import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { install, track } from '../../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../../src/connection/pg.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase('snippets')
  process.env.DATABASE_URL = database.url
  await install(fromPgPool(database.pool))
  await database.pool.query(`create table invoice (id text primary key, status text)`)
  await track(fromPgPool(database.pool), 'public.invoice')
})
beforeEach(() => database.pool.query(`truncate invoice, daybook.entry; insert into invoice values ('117', 'open')`))
afterAll(async () => {
  const { daybook, pool } = await import('./snippets/audit.ts')
  daybook.close()
  await pool.end()
  await database.close()
})

/** Pays an invoice as Grace, and looks at the log as nobody, as Grace and as Ada. */
async function tryOut(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const paid = await fetch(`${url}/invoices/117/pay`, {
      method: 'POST',
      headers: { cookie: 'session=grace-session' },
    })
    expect(paid.status).toBeLessThan(300)
    const answers = []
    for (const cookie of ['', 'session=grace-session', 'session=ada-session']) {
      answers.push((await fetch(`${url}/audit`, { headers: { cookie }, redirect: 'manual' })).status)
    }
    expect(answers).toEqual([401, 403, 200])
  } finally {
    server.closeAllConnections()
    server.close()
  }
  expect(await updates()).toEqual([{ actor_id: '8', route: 'POST /invoices/:id/pay', other: null }])
}

async function updates() {
  const { rows } = await database.pool.query(
    `select actor_id, context->>'route' as route, context->'on_behalf_of'->>'id' as other from daybook.entries where action = 'update'`,
  )
  return rows
}

test('B29 the page’s Express application does what it says', async () => {
  await tryOut((await import('./snippets/express.ts')).app)
})

test('B29 the page’s Fastify application does what it says', async () => {
  const { app } = await import('./snippets/fastify.ts')
  await app.ready()
  await tryOut((request, response) => app.routing(request, response))
})

test('B29 the page’s Koa application does what it says', async () => {
  await tryOut((await import('./snippets/koa.ts')).app.callback())
})

test('B29 the page’s Hono application does what it says', async () => {
  await tryOut(getRequestListener((await import('./snippets/hono.ts')).app.fetch))
})

test('B35 the page’s job is itself, and for whom it was asked', async () => {
  const { work } = await import('./snippets/job.ts')
  await work({ id: '7', name: 'pay', data: { invoice: '117', askedBy: '8' } })
  expect(await updates()).toEqual([{ actor_id: 'pay', route: null, other: '8' }])
})
