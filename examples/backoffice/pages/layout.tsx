import type { Child } from 'hono/jsx'
import type { Person } from '../access.ts'

const SECTIONS = [
  { path: '/', name: 'Overview' },
  { path: '/invoices', name: 'Invoices' },
  { path: '/customers', name: 'Customers' },
  { path: '/products', name: 'Products' },
] as const

/** What a page says of itself. */
export interface PageProps {
  readonly title: string
  readonly person: Person | undefined
  /** The path of the section that the page belongs to. */
  readonly section?: string
  /** What was just done, shown once on top. */
  readonly notice?: Child
  readonly children?: Child
}

/** The frame of every page: head, navigation, and the person who is signed in. */
export function Page({ title, person, section, notice, children }: PageProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} · Larkfield`}</title>
        <link rel="icon" href="/assets/larkfield.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/backoffice.css" />
      </head>
      <body>
        <a class="skip" href="#content">
          Skip to content
        </a>
        <header class="bar">
          <a class="brand" href="/">
            <img src="/assets/larkfield.svg" alt="" width="26" height="26" />
            Larkfield
          </a>
          {person && <Navigation person={person} section={section} />}
        </header>
        <main id="content" tabindex={-1}>
          {notice && (
            <p class="notice" role="status">
              {notice}
            </p>
          )}
          {children}
        </main>
      </body>
    </html>
  )
}

function Navigation({ person, section }: { person: Person; section: string | undefined }) {
  const sections = [
    ...SECTIONS,
    ...(person.may('users') ? [{ path: '/users', name: 'Users' }] : []),
    ...(person.may('log') ? [{ path: '/audit', name: 'Audit log' }] : []),
  ]
  return (
    <>
      <nav class="sections" aria-label="Sections">
        {sections.map(({ path, name }) => (
          <a href={path} aria-current={path === section ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <div class="who">
        <a href="/account" aria-current={section === '/account' ? 'page' : undefined} title={person.email}>
          {person.name}
        </a>
        <form method="post" action="/sign-out">
          <button type="submit" class="quiet">
            Sign out
          </button>
        </form>
      </div>
    </>
  )
}
