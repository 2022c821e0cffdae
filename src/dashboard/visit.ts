import type { Viewer } from '../core/authorize.ts'
import type { Actor } from '../core/context.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import type { AuditEvent } from '../core/event.ts'
import type { Store } from '../store/index.ts'
import type { ApiLinks } from './api-links.ts'
import type { Links } from './links.ts'

/** One allowed request: who looks, and what a page is made with. */
export interface Visit {
  readonly request: Request
  readonly url: URL
  readonly viewer: Viewer
  readonly store: Store
  readonly links: Links
  readonly api: ApiLinks
  /** What the host calls the application. */
  readonly title: string | undefined
  readonly now: Date
  /** How entries are shown, with the labels that the objects they refer to had then. */
  readonly displayOf: (entries: readonly Entry[]) => Promise<Display>
  /** Null where nothing can be recorded. */
  readonly recordAs: RecordAs | null
  /** Told of what goes on after the answer has been given. */
  readonly waitUntil: (work: Promise<unknown>) => void
}

/** Records what a viewer did. */
export type RecordAs = (actor: Actor, event: AuditEvent) => Promise<unknown>
