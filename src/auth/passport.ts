import type { RequestActor } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import { personAsObject } from '../core/sign-in.ts'
import type { Daybook } from '../daybook.ts'
import { runInRequest } from '../middleware/node-request.ts'

type Done = (error?: unknown) => void

/** What is used of a request: Passport's own methods, which its session puts there. */
interface PassportRequest {
  logIn?(...args: unknown[]): void
  logOut?(...args: unknown[]): void
  login?: PassportRequest['logIn']
  logout?: PassportRequest['logOut']
  readonly body?: unknown
  readonly _userProperty?: string
}

interface LogInOptions {
  readonly session?: boolean
}

export interface PassportEventsOptions<User, Request> {
  /** How your users are called in the log: `{ id, label, onBehalfOf? }`. Asked in each request of somebody who is signed in. */
  readonly actor: (user: User, request: Request) => RequestActor
}

/**
 * Express middleware for Passport (0.6 and 0.7): the signed-in user is the actor of the request, and each sign-in and sign-out
 * (`request.logIn`, `request.logOut`, `passport.authenticate`) is an entry. Mount it behind `expressContext` and `passport.session()`.
 *
 * A sign-in whose entry can't be written is undone and fails: nobody signs in past the log.
 * @throws DaybookError `invalid_option`, at a request, where `passport.session()` has not come before.
 * @example
 * app.use(passport.session(), passportEvents(daybook, { actor: (user: Account) => ({ id: user.id, label: user.email }) }))
 */
export function passportEvents<User = never, Request extends object = object>(
  daybook: Pick<Daybook, 'setActor' | 'record' | 'recordLogin' | 'recordLogout' | 'userModel'>,
  { actor }: PassportEventsOptions<User, Request>,
): (request: Request, response: unknown, next: Done) => void {
  return (incoming, _response, next) => {
    const request: PassportRequest = incoming
    const { logIn, logOut } = request
    if (!logIn || !logOut) throw misplaced()
    const signedIn = () => {
      const user = (request as Record<string, unknown>)[request._userProperty ?? 'user']
      return user ? actor(user as User, incoming) : undefined
    }

    async function signIn(user: unknown, options: LogInOptions): Promise<void> {
      await settled((done) => logIn?.call(request, user, options, done))
      const person = actor(user as User, incoming)
      // A user who comes with each request, such as a token's, opens no session: that is no sign-in.
      if (options.session === false) daybook.setActor(person)
      else await recordSignIn(person).catch((error) => signOut(options).then(() => Promise.reject(error)))
    }

    async function recordSignIn(person: RequestActor): Promise<void> {
      if (!person.onBehalfOf) return daybook.recordLogin(person)
      daybook.setActor(person)
      const object = personAsObject(daybook.userModel, person.onBehalfOf)
      await daybook.record({ action: 'impersonation_started', object })
    }

    async function signOut(options: object): Promise<RequestActor | undefined> {
      const person = signedIn()
      await settled((done) => logOut?.call(request, options, done))
      return person
    }

    async function recordSignOut(options: object): Promise<void> {
      const person = await signOut(options)
      if (person) await daybook.recordLogout(person.onBehalfOf ?? person)
    }

    request.login = request.logIn = (user, ...rest) => {
      const [options, done] = withDone<LogInOptions>(rest)
      if (!done) return logIn.call(request, user, options)
      runInRequest(request, () => handOver(signIn(user, options), done))
    }
    request.logout = request.logOut = (...rest) => {
      const [options, done] = withDone(rest)
      if (!done) return logOut.call(request, options)
      runInRequest(request, () => handOver(recordSignOut(options), done))
    }
    runInRequest(request, () => {
      const person = signedIn()
      if (person) daybook.setActor(person)
      next()
    })
  }
}

/** What is used of a strategy of Passport. */
interface PassportStrategy {
  authenticate(request: unknown, options?: unknown): unknown
}

export interface PassportStrategyOptions {
  /** The name that was tried. Default: `username` or `email` of the body. Never return a secret. */
  readonly triedName?: (request: never) => unknown
}

/**
 * A strategy whose refusals are failed sign-ins in the log, with the name that was tried: `passport.use(passportStrategy(daybook, strategy))`.
 * Where a refusal can't be recorded, the request fails. Not recorded are those of `session: false`, which are requests and no sign-ins,
 * and of `passport.authorize`.
 */
export function passportStrategy<Strategy extends PassportStrategy>(
  daybook: Pick<Daybook, 'recordLoginFailure'>,
  strategy: Strategy,
  { triedName = nameInBody }: PassportStrategyOptions = {},
): Strategy {
  // Passport makes an object of each request, whose prototype this is, and puts `fail` and `error` there.
  function authenticate(this: Attempt, request: object, options: LogInOptions & { assignProperty?: string } = {}) {
    for (const name of ANSWERS) {
      const answer: (...args: unknown[]) => void = this[name]
      this[name] = (...args: unknown[]) => runInRequest(request, () => answer(...args))
    }
    const { fail } = this
    if (options.session !== false && options.assignProperty === undefined) {
      this.fail = (challenge, status) => {
        const attempt = { name: triedName(request as never) as string, reason: codeOf(challenge) }
        runInRequest(request, () => daybook.recordLoginFailure(attempt)).then(
          () => process.nextTick(() => fail(challenge, status)),
          (error) => process.nextTick(() => this.error(error)),
        )
      }
    }
    return strategy.authenticate.call(this, request, options)
  }
  return Object.assign(Object.create(strategy), { authenticate })
}

/** What a strategy answers with; whatever it asked may call back from anywhere. */
const ANSWERS = ['success', 'fail', 'error', 'redirect', 'pass'] as const

type Attempt = Record<(typeof ANSWERS)[number], (...args: unknown[]) => void>

function nameInBody(request: PassportRequest): unknown {
  const { username, email } = (request.body ?? {}) as { username?: unknown; email?: unknown }
  return username ?? email
}

/** Codes are names; a message may hold what somebody typed. */
function codeOf(challenge: unknown): string {
  const code = (challenge as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : 'refused'
}

function withDone<Options extends object>(rest: unknown[]): readonly [options: Options, done: Done | undefined] {
  const [first, second] = rest
  const [options, done] = typeof first === 'function' ? [undefined, first] : [first, second]
  return [(options ?? {}) as Options, typeof done === 'function' ? (done as Done) : undefined]
}

function settled(start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())))
}

/** On a turn of its own, so that what `done` throws is no rejection. */
function handOver(work: Promise<unknown>, done: Done): void {
  work.then(
    () => process.nextTick(done),
    (error) => process.nextTick(done, error),
  )
}

function misplaced(): DaybookError {
  return new DaybookError(
    'invalid_option',
    'passportEvents was mounted ahead of passport.session(), where it sees no sign-in. Mount it behind: app.use(passport.session(), passportEvents(daybook, { actor })).',
  )
}
