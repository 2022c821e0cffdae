import { AsyncLocalStorage } from 'node:async_hooks'
import type { Server, ServerResponse } from 'node:http'
import type { Authorize, Viewer } from '../core/authorize.ts'
import { openContext } from '../core/context.ts'
import type { Dashboard } from '../dashboard/index.ts'
import { type ExpressRequest, expressContext, expressDashboard } from '../middleware/express.ts'
import type { Door } from './door.ts'

export interface DashboardServerOptions {
  readonly door: Door
  /** The prefix of the pages, such as `/audit`; empty for none. */
  readonly basePath: string
  /** Makes the dashboard, which asks the door who may look. */
  readonly create: (authorize: Authorize) => Dashboard
}

/** Answers the requests of a server with a dashboard, to whom the door lets in. */
export function serveDashboard(server: Server, { door, basePath, create }: DashboardServerOptions): void {
  const viewers = new AsyncLocalStorage<Viewer | undefined>()
  const handler = create(() => {
    const viewer = viewers.getStore()
    return viewer ? { allow: true, viewer } : { allow: false, reason: 'unauthenticated', message: door.message }
  })
  const inContext = expressContext({ openContext }, { trustedProxies: door.trustedProxies })
  const dashboard = expressDashboard({ handler })

  server.on('request', (request, response) => {
    if (!door.isOurs(request)) return misdirected(response)
    if (door.answer(request, response)) return
    const asked: ExpressRequest = Object.assign(request, {
      baseUrl: basePath,
      originalUrl: request.url ?? '/',
      protocol: door.isHttps(request) ? 'https' : 'http',
    })
    viewers.run(door.viewerOf(request), () =>
      inContext(asked, response, () => dashboard(asked, response, () => fail(response))),
    )
  })
}

function misdirected(response: ServerResponse): void {
  response.writeHead(421, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(
    'The dashboard is not known by this name. On the machine itself it is 127.0.0.1; for a proxy, name it with --allowed-host.\n',
  )
}

/** An error that came once a part of the answer had gone can only cut it short. */
function fail(response: ServerResponse): void {
  if (response.headersSent) response.destroy()
  else response.writeHead(500).end()
}
