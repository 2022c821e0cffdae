import { Hono } from 'hono'
import type { Authorization, Authorize, Viewer } from '../core/authorize.ts'
import { DaybookError } from '../core/errors.ts'
import { writeExactJson } from '../core/exact-json.ts'
import type { Tables } from '../core/table.ts'
import type { Store } from '../store/index.ts'
import { API_ROUTES, checkParameters, isApiPath } from './api.ts'
import { createApiLinks } from './api-links.ts'
import { type Asset, readAssets } from './assets.ts'
import { displayWith } from './display-of.ts'
import { isEmbedPath } from './embedded-timeline.tsx'
import {
  ErrorPage,
  type ErrorPageProps,
  FORBIDDEN,
  NO_METHOD,
  type Refusal,
  refusalOf,
  UNAUTHENTICATED,
} from './error-page.tsx'
import { createLinks } from './links.ts'
import { writeMarkup } from './markup.ts'
import { problemOf } from './problem.ts'
import { type Page, ROUTES } from './routes.ts'
import type { RecordAs, Visit } from './visit.ts'

export interface DashboardOptions {
  readonly store: Store
  /** May this request read the log? Asked before everything. There is no default. */
  readonly authorize: Authorize
  /** Records what a viewer did, such as an export. `null` where nothing can be recorded: then nothing can be exported. */
  readonly recordAs: RecordAs | null
  /** What the application is called. Default: nothing but Daybook's own name. */
  readonly title?: string
  /** The tables as they are configured: how their fields are shown. */
  readonly tables?: Tables
  /** Where the application begins, such as `/`: its name leads back there. A path, or an address of http or https. */
  readonly home?: string
  /**
   * Told of work that goes on after an answer has been given, and never fails: an export goes on record when its last entry has left, or its
   * client has. A process that ends waits for it. Default: nobody is told.
   */
  readonly waitUntil?: (work: Promise<unknown>) => void
  /** Told of errors that a page could only answer with "something went wrong". Default: a process warning. */
  readonly onError?: (error: unknown) => void
}

/** Where the dashboard is mounted. */
export interface Mount {
  /** The prefix of its URLs, such as `/audit`. Default: none. */
  readonly basePath?: string
}

/** Answers a request below the prefix. It never rejects. */
export type Dashboard = (request: Request, mount?: Mount) => Promise<Response>

interface Bindings {
  readonly prefix: string
  readonly visit: Visit
}

/** Nothing from elsewhere, nothing inline, no frame around it. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

/**
 * The dashboard: pages for staff who look something up in the log, rendered on the server and whole without JavaScript.
 * `authorize` is asked before anything else for every path and method; only the stylesheets, which hold no data, are open to all.
 *
 * @throws DaybookError `invalid_option` where `authorize`, `store` or `recordAs` is missing.
 */
export function createDashboard(options: DashboardOptions): Dashboard {
  checkOptions(options)
  const { store, authorize, recordAs, tables, title, home, onError = warn, waitUntil = () => {} } = options
  const assets = readAssets()
  const app = createApp()
  const displayOf = displayWith(store, tables)

  return async (request, { basePath = '' } = {}) => {
    const url = new URL(request.url)
    const prefix = basePath.replace(/\/+$/, '')
    const links = createLinks(prefix, assets, home)
    const path = pathBelow(prefix, url.pathname)
    const asset = assets.find(({ name }) => url.pathname === `${prefix}/assets/${name}`)

    async function answer(): Promise<Response> {
      if (asset?.isOpen && isReading(request)) return assetResponse(asset)
      let viewer: Viewer | undefined
      try {
        const authorization = await authorize(request)
        if (authorization?.allow !== true) return await denied(authorization)
        viewer = authorization.viewer
        if (!isReading(request)) return await refuse(NO_METHOD, { viewer })
        if (asset) return assetResponse(asset)
        const api = createApiLinks(prefix)
        const visit: Visit = {
          request,
          url,
          viewer,
          store,
          links,
          api,
          title,
          now: new Date(),
          displayOf,
          recordAs,
          waitUntil,
        }
        return await app.fetch(request, { prefix, visit } satisfies Bindings)
      } catch (error) {
        const refusal = refusalOf(error)
        if (refusal.status >= 500) onError(error)
        return refuse(refusal, { viewer })
      }
    }

    async function denied(authorization: Exclude<Authorization, { allow: true }> | undefined): Promise<Response> {
      if (authorization?.reason !== 'unauthenticated') return refuse(FORBIDDEN, { viewer: authorization?.viewer })
      const { signInUrl, message } = authorization
      if (signInUrl !== undefined && asksForPage(request) && !isEmbedPath(path)) {
        return new Response(null, { status: 303, headers: { location: signInUrl } })
      }
      return refuse({ ...UNAUTHENTICATED, ...(message !== undefined && { message }) }, { signInUrl })
    }

    async function refuse(refusal: Refusal, about: Pick<ErrorPageProps, 'viewer' | 'signInUrl'>): Promise<Response> {
      const { status } = refusal
      const response = isApiPath(path)
        ? jsonResponse(problemOf(refusal), { status, type: 'application/problem+json' })
        : isEmbedPath(path)
          ? textResponse(refusal.message, status)
          : await pageResponse(<ErrorPage refusal={refusal} links={links} title={title} url={url} {...about} />, status)
      if (status === 405) response.headers.set('allow', 'GET, HEAD')
      return response
    }

    const response = await answer()
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!response.headers.has(name)) response.headers.set(name, value)
    }
    return request.method === 'HEAD' ? new Response(null, response) : response
  }
}

function createApp(): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>({
    getPath: (request, options) => pathBelow(options?.env?.prefix ?? '', new URL(request.url).pathname),
  })
  for (const route of API_ROUTES) {
    app.get(route.path.replace(/\{(\w+)\}(\.json)$/, ':$1{[^/]+$2}'), async ({ env: { visit }, req }) => {
      checkParameters(route, visit.url.searchParams)
      const params = Object.entries<string>(req.param()).map(([name, value]) => [name, value.replace(/\.json$/, '')])
      return jsonResponse(await route.read(visit, Object.fromEntries(params)))
    })
  }
  for (const [path, route] of Object.entries(ROUTES)) {
    app.get(path, async ({ env, req }) => {
      const answer = await route(env.visit, req.param())
      return answer instanceof Response ? answer : pageResponse(answer, 200)
    })
  }
  app.notFound(() => {
    throw new DaybookError('not_found', 'Nothing is shown at this address.')
  })
  app.onError((error) => {
    throw error
  })
  return app
}

function pathBelow(prefix: string, path: string): string {
  if (path === prefix) return '/'
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : '//'
}

async function pageResponse(page: Page, status: number): Promise<Response> {
  return new Response(await writeMarkup(page), { status, headers: { 'content-type': 'text/html; charset=utf-8' } })
}

function textResponse(text: string, status: number): Response {
  return new Response(`${text}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}

function jsonResponse(value: unknown, { status = 200, type = 'application/json' } = {}): Response {
  return new Response(`${writeExactJson(value)}\n`, { status, headers: { 'content-type': type } })
}

function assetResponse({ body, type, isOpen }: Asset): Response {
  const scope = isOpen ? 'public' : 'private'
  return new Response(body, {
    headers: { 'content-type': type, 'cache-control': `${scope}, max-age=31536000, immutable` },
  })
}

function isReading(request: Request): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}

function asksForPage(request: Request): boolean {
  return isReading(request) && /\btext\/html\b/.test(request.headers.get('accept') ?? '')
}

function checkOptions(options: DashboardOptions): void {
  const needed = { store: 'object', authorize: 'function', recordAs: 'function' } as const
  for (const [name, type] of Object.entries(needed)) {
    const given: unknown = options?.[name as keyof typeof needed]
    if (name === 'recordAs' && given === null) continue
    if (typeof given !== type || given === null) {
      throw new DaybookError(
        'invalid_option',
        `createDashboard: ${name} must be ${type === 'object' ? 'an object' : 'a function'}, not ${typeof given}.`,
        { details: { option: name } },
      )
    }
  }
  if (options.home !== undefined && !/^(\/(?!\/)|https?:\/\/)/.test(options.home)) {
    throw new DaybookError(
      'invalid_option',
      'createDashboard: home must be a path such as "/" or an address of http or https.',
      {
        details: { option: 'home' },
      },
    )
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}
