// Stands for what the application has already: who is signed in, by a cookie.
const users = new Map([
  ['ada-session', { id: '7', label: 'ada@example.com', readsTheLog: true }],
  ['grace-session', { id: '8', label: 'grace@example.com', readsTheLog: false }],
])

/** Who a request's cookie belongs to. */
export function signedIn(cookie: string | null | undefined) {
  const session = /(?:^|; )session=([^;]+)/.exec(cookie ?? '')?.[1]
  return session === undefined ? undefined : users.get(session)
}
