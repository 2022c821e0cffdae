import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Viewer } from '../core/authorize.ts'
import type { Filter } from '../core/filter.ts'
import { printQuery } from '../core/query.ts'
import type { Links } from './links.ts'

export interface LayoutProps {
  readonly links: Links
  readonly heading: string
  readonly title?: string | undefined
  readonly viewer?: Viewer | undefined
  /** The filter of the list, to mark the view that it is. */
  readonly filter?: Filter
  readonly script?: boolean
  readonly children?: Child
}

const VIEWS: readonly (readonly [name: string, filter: Filter])[] = [
  ['Entries', {}],
  ['Sign-ins', { action: ['login', 'logout', 'password_changed'] }],
  ['Permissions', { action: ['permission_granted', 'permission_revoked'] }],
  ['Deleted', { action: ['delete', 'truncate'] }],
  ['Failures', { outcome: ['failure', 'denied'] }],
]

/** The frame of every page. */
export function Layout({ links, heading, title, viewer, filter, script = false, children }: LayoutProps) {
  const name = title || (links.home === undefined ? undefined : 'Back to the application')
  const reader = viewer && (viewer.label ?? viewer.id)
  const here = filter && printQuery(filter)
  return html`<!DOCTYPE html>${(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${heading} · ${title ?? 'Daybook'}`}</title>
        <link rel="stylesheet" href={links.asset('daybook.css')} />
        {script && <script type="module" src={links.asset('daybook.js')} />}
        {script && <script type="module" src={links.asset('query.js')} />}
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to content
        </a>
        <header class="bar">
          <a class="brand" href={links.list({ filter: {} })}>
            Daybook<i>.</i>
          </a>
          {viewer && (
            <nav aria-label="Views">
              {VIEWS.map(([name, view]) => (
                <a href={links.list({ filter: view })} aria-current={here === printQuery(view) ? 'page' : undefined}>
                  {name}
                </a>
              ))}
            </nav>
          )}
          {(name || reader) && (
            <p class="who">
              {name && links.home !== undefined ? <a href={links.home}>{name}</a> : name}
              {name && reader && ' · '}
              {reader}
            </p>
          )}
        </header>
        {children}
      </body>
    </html>
  )}`
}
