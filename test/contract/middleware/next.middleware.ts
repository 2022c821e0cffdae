import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import next from 'next'
import { nextContext, nextDashboard } from '../../../src/middleware/next.ts'
import { serve } from '../../middleware/web-server.ts'
import { middlewareContract } from './contract.ts'
import { type Application, type Host, webStream } from './host.ts'

// The module is its function, which its types call the default.
const createNext = next as unknown as typeof next.default
const dir = fileURLToPath(new URL('./next/', import.meta.url))

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
  const program = fileURLToPath(import.meta.resolve('next/dist/bin/next'))
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
