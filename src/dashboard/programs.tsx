import type { Visit } from './visit.ts'

export interface ForProgramsProps {
  readonly visit: Visit
  /** The page's twin, as a path. */
  readonly href: string
}

/** How a program gets what the page shows, at its foot. */
export function ForPrograms({ visit, href }: ForProgramsProps) {
  return (
    <details class="raw">
      <summary>For programs</summary>
      <p class="note">
        The same <a href={href}>as JSON</a>, described by <a href={visit.api.document}>an OpenAPI document</a>. With
        curl, and the cookie or the header with which your application knows you:
      </p>
      <pre tabindex={0}>{curlOf(new URL(href, visit.url.origin))}</pre>
    </details>
  )
}

/** A command for a POSIX shell. */
function curlOf({ href }: URL): string {
  return `curl --header "Cookie: $COOKIE" '${href.replaceAll("'", "'\\''")}'`
}
