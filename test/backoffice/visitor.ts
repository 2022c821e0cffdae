import { PASSWORD } from '../../examples/backoffice/seed.ts'

/** What a page answered. */
interface Answer {
  readonly status: number
  /** Where a redirect leads. */
  readonly location: string | null
  readonly headers: Headers
  readonly body: string
}

/** A person at a browser: keeps cookies, follows nothing. */
export interface Visitor {
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  post(path: string, fields?: Record<string, string>, headers?: Record<string, string>): Promise<Answer>
  request(method: string, path: string): Promise<Answer>
}

/** Somebody who has not signed in. */
export function visit(base: string): Visitor {
  const cookies = new Map<string, string>()

  async function ask(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(base + path, {
      method,
      redirect: 'manual',
      headers: { ...(cookie && { cookie }), ...headers },
      ...(body !== undefined && { body }),
    })
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=')
      if (/max-age=0/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return {
      status: response.status,
      location: response.headers.get('location'),
      headers: response.headers,
      body: await response.text(),
    }
  }

  return {
    get: (path, headers = {}) => ask('GET', path, headers),
    request: (method, path) => ask(method, path, {}),
    post: (path, fields = {}, headers = {}) =>
      ask(
        'POST',
        path,
        { origin: base, 'content-type': 'application/x-www-form-urlencoded', ...headers },
        new URLSearchParams(fields).toString(),
      ),
  }
}

/** One of the three accounts, signed in. */
export async function signedIn(base: string, email: string, password: string = PASSWORD): Promise<Visitor> {
  const visitor = visit(base)
  const answer = await visitor.post('/sign-in', { email, password })
  if (answer.status !== 303) throw new Error(`${email} could not sign in: ${answer.status}`)
  return visitor
}
