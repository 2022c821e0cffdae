import type { ActorType } from './context.ts'

/** Who reads the log; the entries about an export or a view name them. */
export interface Viewer {
  readonly type?: ActorType
  readonly id: string
  readonly label?: string
}

/**
 * The host's answer to "may this request read the log?".
 * `unauthenticated` gives 401, or a redirect to `signInUrl` for a page that a browser asked for; `forbidden` gives 403. `message` says
 * how to sign in, where that is not by signing in to the application.
 */
export type Authorization =
  | { readonly allow: true; readonly viewer: Viewer }
  | {
      readonly allow: false
      readonly reason: 'unauthenticated'
      readonly signInUrl?: string
      readonly message?: string
    }
  | { readonly allow: false; readonly reason: 'forbidden'; readonly viewer?: Viewer }

/** Asked for every request to the dashboard, before anything is read. An error is answered as 500 and nothing is shown. */
export type Authorize = (request: Request) => Authorization | Promise<Authorization>
