// Stands for what the application has already: who is signed in, by a cookie, and what they may do.
import type { Authorization } from 'daybook'

const users = new Map([
  ['ada-session', { id: '7', label: 'ada@example.com', readsTheLog: true }],
  ['grace-session', { id: '8', label: 'grace@example.com', readsTheLog: false }],
])

/** Who a request's cookie belongs to. */
export function signedIn(cookie: string | null | undefined) {
  const session = /(?:^|; )session=([^;]+)/.exec(cookie ?? '')?.[1]
  return session === undefined ? undefined : users.get(session)
}

/** May this request read the log? */
export function authorize(request: Request): Authorization {
  const viewer = signedIn(request.headers.get('cookie'))
  if (!viewer) return { allow: false, reason: 'unauthenticated' }
  return viewer.readsTheLog ? { allow: true, viewer } : { allow: false, reason: 'forbidden' }
}
