import type { Request, RequestHandler, Response } from 'express'
import type { Kysely } from 'kysely'
import type { Auth } from './auth.ts'
import { Forbidden } from './refusal.ts'
import type { Schema } from './schema.ts'

/** What a role lets people do. Everything else that is signed in may look. */
const RIGHTS = {
  superuser: ['invoices', 'customers', 'products', 'users', 'log'],
  accountant: ['invoices', 'customers', 'products'],
  clerk: ['invoices', 'customers'],
  auditor: ['log'],
} as const satisfies Record<string, readonly string[]>

export type Right = (typeof RIGHTS)['superuser'][number]

/** The person behind a request. */
export interface Person {
  readonly id: number
  readonly name: string
  readonly email: string
  may(right: Right): boolean
}

/** The signed-in person of these request headers, or `undefined`; read afresh, so that a revoked role counts at once. */
export async function personOf(headers: Headers, auth: Auth, db: Kysely<Schema>): Promise<Person | undefined> {
  const session = await auth.api.getSession({ headers })
  if (!session) return undefined
  const id = Number(session.user.id)
  const rows = await db
    .selectFrom('user')
    .leftJoin('user_role', 'user_role.user_id', 'user.id')
    .leftJoin('role', 'role.id', 'user_role.role_id')
    .select(['user.name', 'user.email', 'role.name as role'])
    .where('user.id', '=', id)
    .where('user.is_active', '=', true)
    .execute()
  const user = rows[0]
  if (!user) return undefined
  const rights = new Set(rows.flatMap(({ role }): readonly string[] => (isRole(role) ? RIGHTS[role] : [])))
  return { id, name: user.name, email: user.email, may: (right) => rights.has(right) }
}

function isRole(name: string | null): name is keyof typeof RIGHTS {
  return name !== null && Object.hasOwn(RIGHTS, name)
}

/** The person that {@link signedIn} let through. */
export function personIn(res: Response): Person {
  return res.locals.person as Person
}

/** Lets signed-in people through and sends everybody else to the sign-in page, with the way back. */
export const signedIn: RequestHandler = (req, res, next) => {
  if (res.locals.person) return next()
  const wanted = req.method === 'GET' && req.originalUrl !== '/' ? `?next=${encodeURIComponent(req.originalUrl)}` : ''
  res.redirect(303, `/sign-in${wanted}`)
}

/** Lets people with the right through; the others see the 403 page. */
export function requireRight(right: Right): RequestHandler {
  return (_req, res, next) => {
    if (!personIn(res).may(right)) throw new Forbidden(right)
    next()
  }
}

/** A path of this application to go on to after signing in; anything that could lead elsewhere becomes the home page. */
export function safeNext(wanted: unknown): string {
  return typeof wanted === 'string' && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(wanted) ? wanted : '/'
}

/** The headers of an Express request as the web's `Headers`. */
export function webHeaders(req: Request): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(req.headers)) {
    for (const part of Array.isArray(value) ? value : [value ?? '']) headers.append(name, part)
  }
  return headers
}
