import type { Actor } from '../core/context.ts'
import type { Daybook } from '../daybook.ts'

/** What is used of a user of Auth.js. */
export interface AuthJsUser {
  readonly id?: string | undefined
  readonly name?: string | null | undefined
  readonly email?: string | null | undefined
}

interface Token {
  readonly sub?: string
  readonly name?: string | null
  readonly email?: string | null
}

interface Session {
  readonly userId: string
  readonly expires: Date
}

interface SignIn {
  readonly user: AuthJsUser
  readonly account?: { readonly type: string } | null
}

type Authorize = (credentials: Readonly<Record<string, unknown>>, request: unknown) => unknown

interface Provider {
  readonly type: string
  readonly options?: { readonly authorize?: Authorize }
}

interface Adapter {
  createSession?(session: Session): Promise<Session>
  deleteSession?(token: string): Promise<Session | null | undefined>
  getSessionAndUser?(token: string): Promise<{ session: Session } | null>
  getUser?(id: string): Promise<AuthJsUser | null>
}

/** What is used of a configuration of Auth.js. */
interface Config {
  readonly providers: readonly (Provider | (() => Provider))[]
  readonly adapter?: Adapter
  readonly callbacks?: {
    readonly signIn?: (attempt: SignIn) => unknown
    readonly jwt?: (made: JwtMade) => unknown
  }
  readonly events?: { readonly signOut?: (message: SignedOut) => unknown }
  readonly logger?: { readonly error?: (error: Error) => void }
}

interface JwtMade extends SignIn {
  readonly token: unknown
  readonly trigger?: 'signIn' | 'signUp' | 'update'
}

type SignedOut = { readonly token: Token | null } | { readonly session: Session | null | undefined }

export interface AuthJsEventsOptions {
  /** How a user is called in the log. Default: the id, and the email or the name as label. */
  readonly actor?: (user: AuthJsUser) => Actor
  /** The name that was tried, from the fields of a sign-in form. Default: `username` or `email`. Never return a secret. */
  readonly triedName?: (credentials: Readonly<Record<string, unknown>>) => unknown
}

/** Refusals of a sign-in that Auth.js tells its logger alone. */
const TOLD_TO_THE_LOGGER = new Set([
  ...['OAuthCallbackError', 'OAuthAccountNotLinked', 'AccountNotLinked', 'InvalidCheck', 'Verification'],
  'WebAuthnVerificationError',
])

/**
 * A configuration of Auth.js (`@auth/core` 0.37 and later: `@auth/express`, `next-auth` 5) whose sign-ins, refused sign-ins and sign-outs are
 * entries. Everything in it goes on as before.
 *
 * A sign-in whose entry can't be written fails, and no cookie is sent. Refusals by another house, and bad links, are told by the logger of
 * Auth.js, which nobody waits for: their entries come a moment after the answer.
 * @example
 * export const config = authJsEvents(daybook, { adapter: PostgresAdapter(pool), providers: [Google] })
 */
export function authJsEvents<const Given extends object>(
  daybook: Pick<Daybook, 'recordLogin' | 'recordLogout' | 'recordLoginFailure'>,
  given: Given,
  { actor = actorOf, triedName = nameIn }: AuthJsEventsOptions = {},
): Given {
  const config = given as unknown as Config
  const { adapter, callbacks, events, logger } = config

  function withAuthorize(provider: Provider | (() => Provider)): Provider {
    const made = typeof provider === 'function' ? provider() : provider
    const authorize = made.options?.authorize
    if (made.type !== 'credentials' || !authorize) return made
    return { ...made, options: { ...made.options, authorize: recorded(authorize) } }
  }

  function recorded(authorize: Authorize): Authorize {
    return async (credentials, request) => {
      const refuse = (code?: unknown) =>
        daybook.recordLoginFailure({ name: triedName(credentials) as string, reason: codeOf(code) })
      let user: unknown
      try {
        user = await authorize(credentials, request)
      } catch (error) {
        const { type, code } = error as { type?: unknown; code?: unknown }
        if (type === 'CredentialsSignin') await refuse(code)
        throw error
      }
      if (!user) await refuse()
      return user
    }
  }

  async function signIn(attempt: SignIn): Promise<unknown> {
    const { user, account } = attempt
    const { id, label = '' } = actor(user)
    // Who comes from elsewhere has an id of the moment until an account is made or found.
    const known = account?.type === 'credentials' ? id : undefined
    const refuse = () => daybook.recordLoginFailure({ name: label, id: known, reason: 'AccessDenied' })
    let answer: unknown
    try {
      answer = callbacks?.signIn ? await callbacks.signIn(attempt) : true
    } catch (error) {
      await refuse()
      throw error
    }
    // A text is the address that somebody is sent to instead.
    if (!answer || typeof answer === 'string') await refuse()
    return answer
  }

  /** With sessions in a cookie this comes last in a sign-in, and what fails here fails it; an event's failure would be swallowed. */
  async function jwt(made: JwtMade): Promise<unknown> {
    const token = callbacks?.jwt ? await callbacks.jwt(made) : made.token
    const isSignIn = made.trigger === 'signIn' || made.trigger === 'signUp'
    if (isSignIn && token !== null) await daybook.recordLogin(actor(made.user))
    return token
  }

  async function createSession(session: Session): Promise<Session> {
    const created = (await adapter?.createSession?.(session)) ?? session
    await daybook.recordLogin(actor(await userOf(created)))
    return created
  }

  /** Auth.js hands what comes back to its event, and many an adapter gives nothing back. */
  async function deleteSession(token: string): Promise<Session | null | undefined> {
    const found = await adapter?.getSessionAndUser?.(token)
    const deleted = await adapter?.deleteSession?.(token)
    return deleted ?? found?.session
  }

  async function userOf({ userId }: Session): Promise<AuthJsUser> {
    return (await adapter?.getUser?.(userId)) ?? { id: userId }
  }

  async function signOut(message: SignedOut): Promise<void> {
    const user = await personSignedOut(message)
    if (user) await daybook.recordLogout(actor(user))
    await events?.signOut?.(message)
  }

  async function personSignedOut(message: SignedOut): Promise<AuthJsUser | undefined> {
    if ('token' in message) {
      const { sub, name, email } = message.token ?? {}
      return message.token ? { id: sub, name, email } : undefined
    }
    const { session } = message
    return session && session.expires > new Date() ? userOf(session) : undefined
  }

  function reportError(error: Error): void {
    const report = logger?.error ?? defaultReport
    report(error)
    const { type } = error as { type?: unknown }
    if (typeof type === 'string' && TOLD_TO_THE_LOGGER.has(type)) {
      daybook.recordLoginFailure({ name: '', reason: type }).catch(report)
    }
  }

  return {
    ...config,
    providers: config.providers.map(withAuthorize),
    callbacks: { ...callbacks, signIn, jwt },
    events: { ...events, signOut },
    logger: { ...logger, error: reportError },
    ...(adapter && { adapter: { ...adapter, createSession, deleteSession } }),
  } as unknown as Given
}

function actorOf({ id, email, name }: AuthJsUser): Actor {
  const label = email ?? name
  return { type: 'user', ...(id && { id }), ...(label && { label }) }
}

function nameIn({ username, email }: Readonly<Record<string, unknown>>): unknown {
  return username ?? email
}

/** Codes are names; anything else that stands in their place may hold what somebody typed. */
function codeOf(code: unknown): string {
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : 'refused'
}

function defaultReport(error: Error): void {
  console.error('[auth][error]', error)
}
