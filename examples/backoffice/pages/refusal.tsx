import type { Person } from '../access.ts'
import { Page } from './layout.tsx'

export interface RefusalProps {
  readonly person: Person | undefined
  readonly title: string
  readonly explanation: string
}

/** The page that is shown instead of the one asked for. */
export function RefusalPage({ person, title, explanation }: RefusalProps) {
  return (
    <Page title={title} person={person}>
      <div class="refusal">
        <h1>{title}</h1>
        <p class="about">{explanation}</p>
        <a class="button" href="/">
          {person ? 'To the overview' : 'To the sign-in page'}
        </a>
      </div>
    </Page>
  )
}
