import type { JSX } from 'hono/jsx/jsx-runtime'
import { embedRoute } from './embedded-timeline.tsx'
import { entryPage } from './entry-page.tsx'
import { exportRoute } from './export-route.ts'
import { listPage } from './list-page.tsx'
import { suggestRoute } from './suggest-route.ts'
import { timelinePage } from './timeline-page.tsx'
import type { Visit } from './visit.ts'

/** A page's markup. */
export type Page = JSX.Element

/** Makes a page, or an answer of its own, from a request that was allowed. */
export type Route = (visit: Visit, params: Readonly<Record<string, string>>) => Promise<Page | Response>

/** Every page, by its path below the prefix. All of them only read. */
export const ROUTES: Readonly<Record<string, Route>> = {
  '/': listPage,
  '/entries/:id': entryPage,
  '/objects': timelinePage,
  '/objects/:model/:id': timelinePage,
  '/embed/objects': embedRoute,
  '/embed/objects/:model/:id': embedRoute,
  '/export.csv': exportRoute,
  '/suggest': suggestRoute,
}
