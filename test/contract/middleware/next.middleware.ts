import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import next from 'next'
import { expect, onTestFinished, test } from 'vitest'
import { install, track } from '../../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../../src/connection/pg.ts'
import { nextContext, nextDashboard } from '../../../src/middleware/next.ts'
import { createTestDatabase } from '../../database.ts'
import { serve } from '../../middleware/web-server.ts'
import { middlewareContract } from './contract.ts'
import { type Application, type Host, webStream } from './host.ts'

// The module is its function, which its types call the default.
const createNext = next as unknown as typeof next.default
const dir = fileURLToPath(new URL('./next/', import.meta.url))
const program = fileURLToPath(import.meta.resolve('next/dist/bin/next'))

interface About {
  readonly params: Promise<Readonly<Record<string, string>>>
}

/** What the application's route handlers do: they find it in their process, so that it is the test's own. */
function createRoutes(host: Host) {
  const audited = nextContext(host.daybook, host.options)
  return {
    pay: audited(async (_request, { params }: About) => {
      await host.write(String((await params).id))
      return Response.json({})
    }),
    json: audited(async (request) => {
      await host.write((await request.json()).id)
      return Response.json({})
    }),
    upload: audited(async (request) => {
      await host.write(String((await request.formData()).get('id')))
      return Response.json({})
    }),
    raw: audited(async (request) => {
      let body = ''
      for await (const chunk of request.body ?? []) body += Buffer.from(chunk)
      await host.write(body)
      return Response.json({})
    }),
    fail: audited(async () => {
      await host.write('before the failure')
      throw new Error('refused')
    }),
    late: audited(async () => {
      await host.writeLate()
      return Response.json({})
    }),
    stream: audited(async (_request, { params }: About) => {
      return new Response(webStream(host.chunks(String((await params).id))))
    }),
    gate: audited(async () => {
      await host.writeAtGate('at the gate')
      return Response.json({})
    }),
    after: audited(() => {
      void host.writeAtGate('after')
      return Response.json({})
    }),
    audit: nextDashboard(host.guarded, { basePath: '/audit' }),
    echo: nextDashboard(host.echo, { basePath: '/echo' }),
  }
}

async function start(host: Host): Promise<Application> {
  const env = { ...process.env, NODE_ENV: 'production' as const, NEXT_TELEMETRY_DISABLED: '1' }
  await promisify(execFile)(process.execPath, [program, 'build', '--webpack'], { cwd: dir, env })
  Object.assign(globalThis, { contract: { routes: createRoutes(host) } })
  const app = createNext({ dev: false, dir })
  await app.prepare()
  const handle = app.getRequestHandler()
  const server = await serve((request, response) => void handle(request, response))
  return {
    url: server.url,
    async close() {
      await server.close()
      await app.close()
    },
  }
}

middlewareContract({ name: 'Next.js', parameter: '[id]', start })

/** Runs what the contract has built, as it runs in production: in a process of its own. Gives its URL. */
async function startProduction(env: Readonly<Record<string, string>>): Promise<string> {
  const server = spawn(process.execPath, ['--import', 'tsx', program, 'start', '-p', '0', '-H', '127.0.0.1'], {
    cwd: dir,
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(async () => {
    server.kill()
    await once(server, 'exit')
  })
  for await (const line of createInterface(server.stdout)) {
    const url = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(line)?.[0]
    if (!url) continue
    // It tells its address, and that it is ready, before it is: what it answers, it answers once it has started.
    expect((await fetch(`${url}/nowhere`)).status).toBe(404)
    return url
  }
  throw new Error('Next.js told no address')
}

test.each([
  ['has the address', 'imports', { CONTRACT_INSTRUMENTED: 'yes' }, '127.0.0.1'],
  ['has none, whatever its header says', 'does not import', {}, null],
])(
  'B29 the first request to a route in production %s: instrumentation.js %s the middleware',
  { timeout: 240_000 },
  async (_has, _imports, env, address) => {
    const database = await createTestDatabase('next')
    onTestFinished(() => database.close())
    await install(fromPgPool(database.pool))
    await database.pool.query('create table invoice (id text not null)')
    await track(fromPgPool(database.pool), 'public.invoice')
    const application = new URL('./next-application.ts', import.meta.url).href
    const url = await startProduction({ DATABASE_URL: database.url, CONTRACT_APPLICATION: application, ...env })
    const pay = () => fetch(`${url}/first`, { method: 'POST', headers: { 'x-forwarded-for': '203.0.113.9' } })
    expect((await pay()).status).toBe(200)
    expect((await pay()).status).toBe(200)
    const { rows } = await database.pool.query(
      "select ip_address from daybook.entries where action = 'create' order by id",
    )
    expect(rows).toEqual([{ ip_address: address }, { ip_address: '127.0.0.1' }])
  },
)
