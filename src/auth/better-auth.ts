import type { IncomingHttpHeaders } from 'node:http'
import type { BetterAuthPlugin } from 'better-auth'
import { createAuthMiddleware, getSessionFromCtx } from 'better-auth/api'
import { fromNodeHeaders } from 'better-auth/node'
import { type Actor, CONTEXT_LIMITS, cutText, type RequestActor } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import type { AuditEvent } from '../core/event.ts'
import { personAsObject } from '../core/sign-in.ts'
import type { Daybook } from '../daybook.ts'

type Recorder = Pick<
  Daybook,
  'record' | 'run' | 'recordLogin' | 'recordLogout' | 'recordLoginFailure' | 'recordPasswordChange' | 'userModel'
>
type HookContext = Parameters<Parameters<typeof createAuthMiddleware>[0]>[0]

/** What is used of a user of Better Auth; the last two are the admin plugin's. */
interface Person {
  readonly id: string
  readonly email?: string | null
  readonly role?: string | null | undefined
  readonly banned?: boolean | null | undefined
}

/** What is used of a session with its user. */
interface PersonSession {
  readonly user: Person
  readonly session: object
}

/** Whom a request is about, read before the request may undo it, and who makes it where the session tells. */
interface Subject {
  readonly person: Person
  readonly by?: RequestActor
}

/** Where a new session is always a sign-in, whoever was signed in before. */
const SIGN_IN = /^\/(sign-in|sign-up|callback|oauth2\/callback)\//

/** Where a refusal is a failed sign-in; an endpoint that answers with a redirect tells the failure in its `error`. */
const SIGN_IN_ATTEMPT =
  /^\/(sign-in\/|callback\/|oauth2\/callback\/|two-factor\/verify-|magic-link\/verify$|passkey\/verify-authentication$)/

/** What an administrator does to somebody, by its endpoint, and the entry of a refusal. */
const ADMINISTRATION: Readonly<Record<string, AuditEvent['action']>> = {
  '/admin/set-role': 'permission_granted',
  '/admin/update-user': 'permission_granted',
  '/admin/ban-user': 'user.banned',
  '/admin/unban-user': 'user.unbanned',
  '/admin/impersonate-user': 'impersonation_started',
  '/admin/set-user-password': 'password_changed',
}

/** Where the session or the token that tells whom it is about is used up. */
const USES_UP = new Set(['/sign-out', '/reset-password', '/admin/stop-impersonating'])

export interface BetterAuthEventsOptions {
  /**
   * Record roles and bans that administrators give and take. Default true; false where the user table is tracked, which records them
   * whichever way they come about.
   */
  readonly rolesAndBans?: boolean
}

/**
 * A plugin for Better Auth (1.3 and later) that records sign-ins of every kind, a person's own sign-out, failed sign-ins with
 * the name that was tried, changed passwords, and of the admin plugin impersonations, roles and bans, and refusals of these. A session that ends by expiry, by revocation or by a new password is no
 * sign-out. Put it last in `plugins`, so that it sees what the others make of a sign-in.
 *
 * An entry that can't be written makes the request fail, and no cookie is sent: nobody signs in past the log.
 * @throws DaybookError `invalid_option`, on first use, where `twoFactor()` stands behind it.
 * @example
 * betterAuth({ database: pool, emailAndPassword: { enabled: true }, plugins: [betterAuthEvents(daybook)] })
 */
export function betterAuthEvents(
  daybook: Recorder,
  { rolesAndBans = true }: BetterAuthEventsOptions = {},
): BetterAuthPlugin {
  const subjects = new WeakMap<object, Subject | undefined>()

  function subjectOf({ context, path }: HookContext): Subject | undefined {
    if (subjects.has(context)) return subjects.get(context)
    throw new DaybookError(
      'invalid_option',
      `${path} was not recorded: a hook of Better Auth has replaced the context of the request, so that nobody knows whom it is about. Let the hook return only what it changes of the body, the query or the headers.`,
    )
  }

  function recordAs({ onBehalfOf, ...actor }: RequestActor, event: AuditEvent): Promise<void> {
    return daybook.run({ actor, onBehalfOf }, () => daybook.record(event))
  }

  async function recordFailure(ctx: HookContext, failure: Failure): Promise<void> {
    const action = ADMINISTRATION[ctx.path]
    if (SIGN_IN_ATTEMPT.test(ctx.path) && failure.isRefusal) {
      const [field, name] = triedName(ctx.body)
      const account = await accountOf(ctx, field, name)
      await daybook.recordLoginFailure({ name, id: account?.id, reason: failure.reason })
    } else if (action && failure.isDenial && ctx.context.session) {
      if (ctx.path === '/admin/update-user' && ctx.body?.data?.role === undefined) return
      const subject = subjectOf(ctx)
      const object = subject && { object: personAsObject(daybook.userModel, actorOf(subject.person)) }
      const by = await actorOfSession(ctx.context.session, ctx.context.internalAdapter)
      const role = roleAskedFor(ctx)
      const extra = { reason: failure.reason, ...(role !== undefined && { role }) }
      await recordAs(by, { action, outcome: 'denied', ...object, extra })
    }
  }

  async function recordAdministration(ctx: HookContext): Promise<void> {
    const subject = subjectOf(ctx)
    const { session, internalAdapter } = ctx.context
    if (!subject || !session) return
    const by = await actorOfSession(session, internalAdapter)
    const object = personAsObject(daybook.userModel, actorOf(subject.person))
    if (ctx.path === '/admin/impersonate-user') await recordAs(by, { action: 'impersonation_started', object })
    const after: Person | null = rolesAndBans ? await internalAdapter.findUserById(subject.person.id) : null
    for (const event of after ? roleAndBan(subject.person, after) : []) await recordAs(by, { ...event, object })
  }

  async function recordSuccess(ctx: HookContext): Promise<void> {
    const { session, internalAdapter } = ctx.context
    if (USES_UP.has(ctx.path)) {
      const { person, by } = subjectOf(ctx) ?? {}
      if (!person) return
      if (ctx.path === '/reset-password') return recordPasswordChange(person)
      const object = personAsObject(daybook.userModel, actorOf(person))
      if (!by?.onBehalfOf) return daybook.recordLogout(actorOf(person))
      const { onBehalfOf: _, ...administrator } = by
      return ctx.path === '/sign-out'
        ? recordAs(by, { action: 'logout', object })
        : recordAs(administrator, { action: 'impersonation_ended', object })
    }
    const arrived = personSignedIn(ctx)
    if (arrived) await daybook.recordLogin(actorOf(arrived))
    if (ADMINISTRATION[ctx.path]) await recordAdministration(ctx)
    const changed = await personWithNewPassword(ctx, subjects.get(ctx.context))
    if (changed) await recordPasswordChange(changed, session && (await actorOfSession(session, internalAdapter)))
  }

  function recordPasswordChange(person: Person, by: RequestActor | null = null): Promise<void> {
    const { onBehalfOf, ...actor }: RequestActor = by ?? actorOf(person)
    return daybook.run({ actor, onBehalfOf }, () => daybook.recordPasswordChange(actorOf(person)))
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
          matcher: ({ path = '' }) => USES_UP.has(path) || path in ADMINISTRATION,
          handler: createAuthMiddleware(async (ctx) => {
            subjects.set(ctx.context, await readSubject(ctx))
          }),
        },
      ],
      after: [
        {
          matcher: () => true,
          handler: createAuthMiddleware(async (ctx) => {
            const failure = failureOf(ctx.context.returned)
            await (failure ? recordFailure(ctx, failure) : recordSuccess(ctx))
          }),
        },
      ],
    },
  }
}

async function readSubject(ctx: HookContext): Promise<Subject | undefined> {
  const { internalAdapter } = ctx.context
  if (ctx.path === '/reset-password') {
    const person = await personOfResetToken(ctx)
    return person && { person }
  }
  if (ctx.path in ADMINISTRATION) {
    // As Better Auth reads it: numbers and lists become text.
    const id = String(ctx.body?.userId)
    // Whom a stranger names is not looked for: the endpoint turns them away before.
    if (id.includes('\0') || !(await getSessionFromCtx(ctx, { disableRefresh: true }))) return undefined
    const person: Person | null = await internalAdapter.findUserById(id)
    return person ? { person } : undefined
  }
  const session = await getSessionFromCtx(ctx, { disableRefresh: true })
  return session ? { person: session.user, by: await actorOfSession(session, internalAdapter) } : undefined
}

/** What has become of a person's role and ban. */
function* roleAndBan(before: Person, after: Person): Iterable<AuditEvent> {
  const [role, newRole] = [before.role ?? null, after.role ?? null]
  if (role !== newRole) {
    yield { action: newRole ? 'permission_granted' : 'permission_revoked', changes: { role: [role, newRole] } }
  }
  const [banned, isBanned] = [before.banned ?? false, after.banned ?? false]
  if (banned !== isBanned) {
    yield { action: isBanned ? 'user.banned' : 'user.unbanned', changes: { banned: [banned, isBanned] } }
  }
}

/** The role, or the roles, that a refused request wanted to give; as somebody typed it, so cut to the length of a label. */
function roleAskedFor({ path, body }: HookContext): string | undefined {
  const asked: unknown = path === '/admin/set-role' ? body?.role : path === '/admin/update-user' ? body?.data?.role : []
  const names = [asked].flat().filter((name) => typeof name === 'string')
  return names.length > 0 ? cutText(names.join(','), CONTEXT_LIMITS.label) : undefined
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

async function personOfResetToken(ctx: HookContext): Promise<Person | undefined> {
  const token: unknown = ctx.body?.token || ctx.query?.token
  if (typeof token !== 'string') return undefined
  const { internalAdapter } = ctx.context
  const verification = await internalAdapter.findVerificationValue(`reset-password:${token}`)
  return (verification && (await internalAdapter.findUserById(verification.value))) ?? undefined
}

async function personWithNewPassword(ctx: HookContext, subject: Subject | undefined): Promise<Person | undefined> {
  const { internalAdapter, session } = ctx.context
  switch (ctx.path) {
    case '/change-password':
      return session?.user
    case '/email-otp/reset-password':
      return (await internalAdapter.findUserByEmail(ctx.body.email))?.user
    case '/admin/set-user-password':
      return subject?.person
    default:
      return undefined
  }
}

interface Failure {
  /** The person was turned away; false where the server itself failed. */
  readonly isRefusal: boolean
  /** The person is known, and may not do this. */
  readonly isDenial: boolean
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
    return reason === null ? undefined : { isRefusal: true, isDenial: false, reason: constantOf(reason) }
  }
  return {
    isRefusal: statusCode !== undefined && statusCode < 500,
    isDenial: statusCode === 403,
    reason: constantOf(body?.code ?? status),
  }
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
    return found ? actorOfSession(found, (await auth.$context).internalAdapter) : undefined
  }
}

/** Who acts in a session: while an administrator impersonates somebody, the administrator in that person's name. */
async function actorOfSession(
  { user, session }: PersonSession,
  people: { findUserById(id: string): Promise<Person | null> },
): Promise<RequestActor> {
  const { impersonatedBy } = session as { readonly impersonatedBy?: string | null }
  if (!impersonatedBy) return actorOf(user)
  const administrator = await people.findUserById(impersonatedBy)
  return { ...actorOf(administrator ?? { id: impersonatedBy }), onBehalfOf: actorOf(user) }
}
