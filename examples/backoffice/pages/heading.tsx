import type { Child } from 'hono/jsx'
import type { Person } from '../access.ts'

export interface HeadingProps {
  readonly title: Child
  /** Where the page hangs: path and name of the list above it. */
  readonly above?: readonly [path: string, name: string]
  readonly about?: Child
  /** Buttons and links at the right. */
  readonly children?: Child
}

/** The top of a page: where it is, what it is, what can be done with it. */
export function Heading({ title, above, about, children }: HeadingProps) {
  return (
    <header class="heading">
      <div>
        {above && (
          <a class="above" href={above[0]}>
            ← {above[1]}
          </a>
        )}
        <h1>{title}</h1>
        {about && <p class="about">{about}</p>}
      </div>
      {children && <div class="actions">{children}</div>}
    </header>
  )
}

/** The way from an object to its timeline in the log, for those who may read it. */
export function TimelineLink({ person, model, id }: { person: Person; model: string; id: number }) {
  if (!person.may('log')) return null
  return (
    <a class="button" href={`/audit/objects/${model}/${id}`}>
      History
    </a>
  )
}
