import type { IncomingHttpHeaders } from 'node:http'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, getSessionFromCtx } from 'better-auth/api'
import { fromNodeHeaders } from 'better-auth/node'
import type { Actor } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import type { Daybook } from '../daybook.ts'
import type { RequestActor } from '../middleware/express.ts'

type Recorder = Pick<Daybook, 'record' | 'runAs' | 'recordLogin' | 'recordLogout' | 'recordLoginFailure' | 'userModel'>
type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

/** What is used of a user of Better Auth. */
interface Person {
  readonly id: string
  readonly email?: string | null
}

/** Where a new session is always a sign-in, whoever was signed in before. */
const SIGN_IN = /^\/(sign-in|sign-up|callback|oauth2\/callback)\//

/** Where a refusal is a failed sign-in; an endpoint that answers with a redirect tells the failure in its `error`. */
const SIGN_IN_ATTEMPT =
  /^\/(sign-in\/|callback\/|oauth2\/callback\/|two-factor\/verify-|magic-link\/verify$|passkey\/verify-authentication$)/

/**
 * A plugin for Better Auth (1.3 and later) that records sign-ins of every kind, a person's own sign-out, failed sign-ins with
 * the name that was tried, and changed passwords. A session that ends by expiry, by revocation or by a new password is no
 * sign-out. Put it last in `plugins`, so that it sees what the others make of a sign-in.
 *
 * An entry that can't be written makes the request fail, and no cookie is sent: nobody signs in past the log.
 * @throws DaybookError `invalid_option`, on first use, where `twoFactor()` stands behind it.
 * @example
 * betterAuth({ database: pool, emailAndPassword: { enabled: true }, plugins: [betterAuthEvents(daybook)] })
 */
export function betterAuthEvents(daybook: Recorder): BetterAuthPlugin {
  // Whom a sign-out or a reset is about can only be read before it: both use up the token that tells.
  const subjects = new WeakMap<object, Person | undefined>()

  function subjectOf({ context, path }: HookContext): Person | undefined {
    if (subjects.has(context)) return subjects.get(context)
    throw new DaybookError(
      'invalid_option',
      `${path} was not recorded: a hook of Better Auth has replaced the context of the request, so that nobody knows whom it is about. Let the hook return only what it changes of the body, the query or the headers.`,
    )
  }

  return {
    id: 'daybook',
    init({ options }) {
      const ids = (options.plugins ?? []).map(({ id }) => id)
      if (ids.indexOf('two-factor') > ids.indexOf('daybook')) {
        throw new DaybookError(
          'invalid_option',
          'betterAuthEvents() stands ahead of twoFactor() in the plugins of Better Auth, where it would record sign-ins that still wait for the second factor. Put it last.',
        )
      }
    },
    hooks: {
      before: [
        {
          matcher: ({ path }) => path === '/sign-out' || path === '/reset-password',
          handler: createAuthMiddleware(async (ctx) => {
            subjects.set(
              ctx.context,
              ctx.path === '/sign-out' ? await personOfSession(ctx) : await personOfResetToken(ctx),
            )
          }),
        },
      ],
      after: [
        {
          matcher: () => true,
          handler: createAuthMiddleware(async (ctx) => {
            const failure = failureOf(ctx.context.returned)
            if (failure) {
              if (SIGN_IN_ATTEMPT.test(ctx.path) && failure.isRefusal) {
                const [field, name] = triedName(ctx.body)
                const account = await accountOf(ctx, field, name)
                await daybook.recordLoginFailure({ name, id: account?.id, reason: failure.reason })
              }
            } else if (ctx.path === '/sign-out') {
              const person = subjectOf(ctx)
              if (person) await daybook.recordLogout(actorOf(person))
            } else {
              const arrived = personSignedIn(ctx)
              if (arrived) await daybook.recordLogin(actorOf(arrived))
              const changed = await personWithNewPassword(ctx, subjectOf)
              if (changed) await recordPasswordChange(daybook, changed, ctx.context.session?.user ?? changed)
            }
          }),
        },
      ],
    },
  }
}

function actorOf({ id, email }: Person): Actor {
  return { type: 'user', id, ...(email && { label: email }) }
}

function personSignedIn({ path, context }: HookContext): Person | undefined {
  const { newSession, session, returned } = context
  if (!newSession || newSession.session.token === session?.session.token) return undefined
  // Where the second factor is still to come, older versions keep the session that it has just ended.
  if ((returned as { twoFactorRedirect?: boolean } | undefined)?.twoFactorRedirect) return undefined
  // Endpoints that ask for a session, such as the one for a new password, may replace it: the person goes on.
  return SIGN_IN.test(path) || !session ? newSession.user : undefined
}

function recordPasswordChange(daybook: Recorder, person: Person, by: Person): Promise<void> {
  const { id, label } = actorOf(person)
  const object = { model: daybook.userModel, ...(id && { id }), ...(label && { label }) }
  return daybook.runAs(actorOf(by), () => daybook.record({ action: 'password_changed', object }))
}

async function personOfSession(ctx: HookContext): Promise<Person | undefined> {
  const session = await getSessionFromCtx(ctx, { disableRefresh: true })
  return session?.user
}

async function personOfResetToken(ctx: HookContext): Promise<Person | undefined> {
  const token: unknown = ctx.body?.token || ctx.query?.token
  if (typeof token !== 'string') return undefined
  const { internalAdapter } = ctx.context
  const verification = await internalAdapter.findVerificationValue(`reset-password:${token}`)
  return (verification && (await internalAdapter.findUserById(verification.value))) ?? undefined
}

async function personWithNewPassword(
  ctx: HookContext,
  subjectOf: (ctx: HookContext) => Person | undefined,
): Promise<Person | undefined> {
  const { internalAdapter, session } = ctx.context
  switch (ctx.path) {
    case '/change-password':
      return session?.user
    case '/reset-password':
      return subjectOf(ctx)
    case '/email-otp/reset-password':
      return (await internalAdapter.findUserByEmail(ctx.body.email))?.user
    case '/admin/set-user-password':
      return (await internalAdapter.findUserById(ctx.body.userId)) ?? undefined
    default:
      return undefined
  }
}

interface Failure {
  /** The person was turned away; false where the server itself failed. */
  readonly isRefusal: boolean
  readonly reason: string
}

function failureOf(returned: unknown): Failure | undefined {
  if (!(returned instanceof Error)) return undefined
  const { statusCode, status, body, headers } = returned as Error & {
    statusCode?: number
    status?: unknown
    body?: { code?: unknown }
    headers?: HeadersInit
  }
  if (statusCode !== undefined && statusCode < 400) {
    const location = new Headers(headers).get('location') ?? ''
    const reason = new URL(location, 'http://localhost').searchParams.get('error')
    return reason === null ? undefined : { isRefusal: true, reason: constantOf(reason) }
  }
  return { isRefusal: statusCode !== undefined && statusCode < 500, reason: constantOf(body?.code ?? status) }
}

/** Codes are names; anything else that stands in their place may hold what somebody typed. */
function constantOf(code: unknown): string {
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : 'refused'
}

type NameField = 'email' | 'username' | 'phoneNumber'

function triedName(body: Readonly<Record<string, unknown>> | undefined): readonly [field: NameField, name: string] {
  const fields = ['email', 'username', 'phoneNumber'] as const
  const field = fields.find((name) => body?.[name] !== undefined && body[name] !== null) ?? 'email'
  const name = body?.[field]
  return [field, typeof name === 'string' ? name : '']
}

/**
 * Whose name was tried. It is asked for in one and the same query whether or not there is such an account, so that the time of the answer
 * tells nothing. Where it can't be asked, the attempt is recorded by its name alone.
 */
async function accountOf({ context }: HookContext, field: NameField, name: string): Promise<Person | undefined> {
  if (name === '' || name.includes('\0')) return undefined
  const value = field === 'phoneNumber' ? name : name.toLowerCase()
  const found = context.adapter.findOne<Person>({ model: 'user', where: [{ field, value }] })
  return (await found.catch(() => null)) ?? undefined
}

/** What is used of Better Auth to know who makes a request. */
interface SessionSource {
  readonly api: {
    getSession(input: {
      headers: Headers
      query: { disableRefresh: true }
    }): Promise<{ readonly user: Person; readonly session: object } | null>
  }
  readonly $context: Promise<{
    readonly internalAdapter: { findUserById(id: string): Promise<Person | null> }
  }>
}

/**
 * The signed-in user as the actor of a request, for `expressContext({ actor: betterAuthActor(auth) })`; `undefined` where
 * nobody is signed in. While an administrator impersonates somebody, the administrator is the actor, in that person's name.
 * It reads the session as Better Auth does (`session.cookieCache` spares the query) and never prolongs it.
 */
export function betterAuthActor(auth: SessionSource) {
  return async ({ headers }: { readonly headers: IncomingHttpHeaders }): Promise<RequestActor | undefined> => {
    const found = await auth.api.getSession({ headers: fromNodeHeaders(headers), query: { disableRefresh: true } })
    if (!found) return undefined
    const { impersonatedBy } = found.session as { readonly impersonatedBy?: string | null }
    if (!impersonatedBy) return actorOf(found.user)
    const { internalAdapter } = await auth.$context
    const administrator = await internalAdapter.findUserById(impersonatedBy)
    return { ...actorOf(administrator ?? { id: impersonatedBy }), onBehalfOf: actorOf(found.user) }
  }
}
