import { betterAuth } from 'better-auth'
import { createAuthMiddleware } from 'better-auth/api'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { admin, emailOTP, genericOAuth, magicLink, twoFactor } from 'better-auth/plugins'
import express from 'express'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { betterAuthActor, betterAuthEvents } from '../../src/auth/better-auth.ts'
import { install, track } from '../../src/capture/postgres/index.ts'
import { Client, createPool, fromPgPool, type Pool } from '../../src/connection/pg.ts'
import { createDaybook, type Daybook } from '../../src/daybook.ts'
import { expressContext } from '../../src/middleware/express.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { serve, type WebServer } from '../middleware/web-server.ts'
import { createVisitor, type Visitor } from './visitor.ts'

const PASSWORD = 'correct horse battery'

interface Recorded {
  readonly action: string
  readonly outcome: string
  readonly actor_type: string
  readonly actor_id: string | null
  readonly actor_label: string | null
  readonly ip_address: string | null
  readonly request_id: string | null
  readonly model: string
  readonly object_id: string | null
  readonly object_label: string | null
  readonly context: Record<string, unknown>
}

let database: TestDatabase
let pool: Pool
let daybook: Daybook
let server: WebServer
/** What Better Auth sent by mail, newest last. */
const mails: string[] = []

function createAuth(url: string) {
  return betterAuth({
    baseURL: url,
    secret: 'a secret for this test alone, long enough',
    database: pool,
    logger: { disabled: true },
    telemetry: { enabled: false },
    session: { updateAge: 0 },
    emailAndPassword: {
      enabled: true,
      sendResetPassword: async ({ token }) => void mails.push(token),
    },
    plugins: [
      admin(),
      magicLink({ sendMagicLink: async ({ token }) => void mails.push(token) }),
      emailOTP({ sendVerificationOTP: async ({ otp }) => void mails.push(otp) }),
      twoFactor({ skipVerificationOnEnable: true, otpOptions: { sendOTP: async ({ otp }) => void mails.push(otp) } }),
      genericOAuth({
        config: [
          {
            providerId: 'house',
            clientId: 'client',
            clientSecret: 'secret',
            authorizationUrl: `${url}/provider/authorize`,
            tokenUrl: `${url}/provider/token`,
            userInfoUrl: `${url}/provider/user`,
          },
        ],
      }),
      betterAuthEvents(daybook),
    ],
  })
}

beforeAll(async () => {
  database = await createTestDatabase('auth')
  await install(fromPgPool(database.pool))
  pool = createPool({ connectionString: database.url, max: 5 })
  daybook = createDaybook({ pool })

  const application = express()
  server = await serve(application)
  const auth = createAuth(server.url)
  await (await getMigrations(auth.options)).runMigrations()
  await database.pool.query('create table note (id text primary key)')
  await track(fromPgPool(database.pool), 'public.note')

  // The other house, at which people of this one can sign in.
  application.post('/provider/token', (_request, response) => {
    response.json({ access_token: 'at', token_type: 'bearer' })
  })
  application.get('/provider/user', (_request, response) => {
    response.json({ sub: 'x-1', id: 'x-1', email: 'guest@example.com', email_verified: true, name: 'Guest' })
  })
  application.use(expressContext(daybook, { trustedProxies: ['loopback'], actor: betterAuthActor(auth) }))
  application.all('/api/auth/*splat', toNodeHandler(auth))
  application.post('/notes/:id', async (request, response) => {
    await pool.query('insert into note values ($1)', [request.params.id])
    response.end()
  })
  application.post('/in-process/sign-in', express.json(), async (request, response) => {
    const { user } = await auth.api.signInEmail({ body: request.body })
    response.json(user)
  })
})
afterAll(async () => {
  await server.close()
  daybook.close()
  await pool.end()
  await database.close()
})
beforeEach(async () => {
  mails.length = 0
  await forget()
})

/** Empties the log, for what a test did on the way to what it looks at. */
async function forget(): Promise<void> {
  await database.pool.query('truncate daybook.entry')
}

async function entries(): Promise<Recorded[]> {
  const { rows } = await database.pool.query<Recorded>('select * from daybook.entries order by id')
  return rows
}

async function entry(): Promise<Recorded> {
  const [only, ...others] = await entries()
  expect(others).toEqual([])
  if (!only) throw new Error('there is no entry')
  return only
}

let people = 0

/** Somebody new, who has signed up and so is signed in. */
async function newPerson(): Promise<{ visitor: Visitor; id: string; email: string }> {
  people += 1
  const email = `person-${people}@example.com`
  const visitor = createVisitor(server.url)
  const response = await visitor.post('/api/auth/sign-up/email', {
    email,
    password: PASSWORD,
    name: `Person ${people}`,
  })
  const { user } = (await response.json()) as { user: { id: string } }
  await forget()
  return { visitor, id: user.id, email }
}

function signIn(visitor: Visitor, email: string, password = PASSWORD): Promise<Response> {
  return visitor.post('/api/auth/sign-in/email', { email, password }, { 'x-forwarded-for': '203.0.113.9' })
}

function expectPerson(recorded: Recorded, { id, email }: { id: string; email: string }): void {
  expect(recorded).toMatchObject({
    outcome: 'success',
    actor_type: 'user',
    actor_id: id,
    actor_label: email,
    model: 'User',
    object_id: id,
    object_label: email,
  })
}

describe('sign-in', () => {
  test('B39 with a password is an entry with actor, address and request', async () => {
    const person = await newPerson()
    const response = await signIn(createVisitor(server.url), person.email)

    const recorded = await entry()
    expectPerson(recorded, person)
    expect(recorded).toMatchObject({
      action: 'login',
      ip_address: '203.0.113.9',
      request_id: response.headers.get('x-request-id'),
    })
    expect(JSON.stringify(recorded)).not.toContain(PASSWORD)
  })

  test('B39 by signing up is an entry', async () => {
    const response = await createVisitor(server.url).post('/api/auth/sign-up/email', {
      email: 'new@example.com',
      password: PASSWORD,
      name: 'New',
    })
    const { user } = (await response.json()) as { user: { id: string } }

    const recorded = await entry()
    expect(recorded.action).toBe('login')
    expectPerson(recorded, { id: user.id, email: 'new@example.com' })
  })

  test('B39 with a link from a mail is an entry, and a link that does not hold is a failure', async () => {
    const person = await newPerson()
    const visitor = createVisitor(server.url)
    await visitor.post('/api/auth/sign-in/magic-link', { email: person.email })
    expect(await entries()).toEqual([])
    const [token] = mails
    await visitor.get(`/api/auth/magic-link/verify?token=${token}&callbackURL=/`)
    const recorded = await entry()
    expect(recorded.action).toBe('login')
    expectPerson(recorded, person)

    await forget()
    await createVisitor(server.url).get('/api/auth/magic-link/verify?token=nothing&callbackURL=/')
    expect(await entry()).toMatchObject({ action: 'login', outcome: 'failure', actor_type: 'anonymous' })
  })

  test('B39 at another house is an entry, and one that is refused there is a failure', async () => {
    const visitor = createVisitor(server.url)
    const start = async () => {
      const response = await visitor.post('/api/auth/sign-in/social', { provider: 'house', callbackURL: '/' })
      const { url } = (await response.json()) as { url: string }
      const asked = new URL(url).searchParams
      return `${new URL(asked.get('redirect_uri') ?? '').pathname}?state=${asked.get('state')}`
    }
    await visitor.get(`${await start()}&code=c`)
    expect(await entry()).toMatchObject({
      action: 'login',
      outcome: 'success',
      actor_label: 'guest@example.com',
    })

    await forget()
    await visitor.get(`${await start()}&error=access_denied`)
    expect(await entry()).toMatchObject({
      action: 'login',
      outcome: 'failure',
      actor_type: 'anonymous',
      context: { extra: { reason: 'access_denied' } },
    })
  })

  test('B39 that waits for a second factor is none until that has come', async () => {
    const person = await newPerson()
    await person.visitor.post('/api/auth/two-factor/enable', { password: PASSWORD })
    expect(await entries()).toEqual([])

    const visitor = createVisitor(server.url)
    expect(await (await signIn(visitor, person.email)).json()).toMatchObject({ twoFactorRedirect: true })
    expect(await entries()).toEqual([])

    await visitor.post('/api/auth/two-factor/send-otp')
    await visitor.post('/api/auth/two-factor/verify-otp', { code: 'wrong!' })
    expect(await entry()).toMatchObject({ action: 'login', outcome: 'failure', actor_type: 'anonymous' })
    await forget()
    await visitor.post('/api/auth/two-factor/verify-otp', { code: mails.at(-1) })
    const recorded = await entry()
    expect(recorded.action).toBe('login')
    expectPerson(recorded, person)
  })

  test('B39 by a call in the process is an entry with the request’s address', async () => {
    const person = await newPerson()
    const body = { email: person.email, password: PASSWORD }
    await createVisitor(server.url).post('/in-process/sign-in', body, { 'x-forwarded-for': '203.0.113.9' })

    const recorded = await entry()
    expectPerson(recorded, person)
    expect(recorded.ip_address).toBe('203.0.113.9')
  })

  test('B39 a session that goes on is no sign-in', async () => {
    const { visitor } = await newPerson()
    await visitor.get('/api/auth/get-session')
    await visitor.post('/api/auth/update-user', { name: 'Otherwise' })
    await visitor.get('/api/auth/list-sessions')
    expect(await entries()).toEqual([])
  })
})

describe('failed sign-in', () => {
  test.each<[what: string, nameOf: (email: string) => string, isKnown: boolean]>([
    ['a wrong password', (email) => email, true],
    ['a wrong password and a name in capitals', (email) => email.toUpperCase(), true],
    ['an unknown name', () => 'nobody@example.com', false],
    ['a name that is no address', () => 'nobody', false],
    ['a name that no text column holds', () => 'no\0body', false],
  ])('B39 with %s is an entry with the name, without the secret', async (_what, nameOf, isKnown) => {
    const { id, email } = await newPerson()
    const name = nameOf(email)
    const response = await signIn(createVisitor(server.url), name, 'hush hush hush')

    expect(response.status).toBeGreaterThanOrEqual(400)
    expect(response.status).toBeLessThan(500)
    const recorded = await entry()
    expect(recorded).toMatchObject({
      action: 'login',
      outcome: 'failure',
      actor_type: 'anonymous',
      actor_id: null,
      ip_address: '203.0.113.9',
      request_id: response.headers.get('x-request-id'),
      model: 'User',
      object_id: isKnown ? id : null,
      object_label: name.replace('\0', '\uFFFD'),
    })
    expect(JSON.stringify(recorded)).not.toContain('hush')
  })

  test('B39 stands in the timeline of the account whose name was tried, and the account keeps its own name there', async () => {
    const { id, email } = await newPerson()
    await daybook.recordLogin({ id, label: email })
    await signIn(createVisitor(server.url), email.toUpperCase(), 'hush hush hush')
    const { entries: timeline } = await daybook.store.timeline({ model: 'User', objectId: id })
    expect(timeline.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['login', 'failure'],
      ['login', 'success'],
    ])
    const [failed] = timeline
    const reference = { model: 'User', id, entry: { id: failed?.id ?? '', transactionId: null } }
    expect([...(await daybook.store.labels([reference])).values()]).toEqual([email])
  })

  test('B39 asks the database the same of a name that is an account’s as of one that is none', async () => {
    const { email } = await newPerson()
    await signIn(createVisitor(server.url), email, 'hush hush hush')
    const query = vi.spyOn(Client.prototype, 'query')
    const askedFor = async (name: string) => {
      query.mockClear()
      await signIn(createVisitor(server.url), name, 'hush hush hush')
      const texts = query.mock.calls.map(([asked]) => (asked as { text?: string }).text ?? String(asked))
      return texts.slice(texts.findLastIndex((text) => text.includes('"user"')))
    }
    const known = await askedFor(email)
    expect(known).toEqual([expect.stringContaining('"user"."email" = $1'), expect.stringContaining('daybook.record(')])
    expect(await askedFor('nobody@example.com')).toEqual(known)
    query.mockRestore()
  })

  test('B39 keeps no more than 256 characters of the name', async () => {
    await signIn(createVisitor(server.url), `${'a'.repeat(10_000)}@example.com`)
    expect((await entry()).object_label).toHaveLength(256)
  })

  test('B39 without a name is an entry too', async () => {
    await createVisitor(server.url).post('/api/auth/sign-in/email', { email: { not: 'text' } })
    expect(await entry()).toMatchObject({ action: 'login', outcome: 'failure', object_label: null })
  })

  test('B39 of somebody who is blocked is an entry', async () => {
    const { id, email } = await newPerson()
    await database.pool.query('update "user" set banned = true where id = $1', [id])
    await signIn(createVisitor(server.url), email)

    expect(await entry()).toMatchObject({
      action: 'login',
      outcome: 'failure',
      actor_type: 'anonymous',
      object_label: email,
      context: { extra: { reason: 'BANNED_USER' } },
    })
  })
})

describe('sign-out', () => {
  test('B39 is an entry of the person who signed out', async () => {
    const person = await newPerson()
    const response = await person.visitor.post('/api/auth/sign-out')

    const recorded = await entry()
    expect(recorded).toMatchObject({ action: 'logout', request_id: response.headers.get('x-request-id') })
    expectPerson(recorded, person)
    expect(person.visitor.cookies.size).toBe(0)
  })

  test('B39 of nobody is none', async () => {
    const { visitor } = await newPerson()
    await createVisitor(server.url).post('/api/auth/sign-out')
    await database.pool.query('update session set "expiresAt" = now() - interval \'1 minute\'')
    await visitor.post('/api/auth/sign-out')
    expect(await entries()).toEqual([])
  })

  test('B39 a session that expires or is revoked is no sign-out', async () => {
    const { visitor, email } = await newPerson()
    const other = createVisitor(server.url)
    await signIn(other, email)
    await forget()
    await visitor.post('/api/auth/revoke-other-sessions')
    await database.pool.query('update session set "expiresAt" = now() - interval \'1 minute\'')
    expect(await (await visitor.get('/api/auth/get-session')).json()).toBeNull()
    expect(await entries()).toEqual([])
  })
})

describe('password', () => {
  const changed = { newPassword: 'another horse battery', currentPassword: PASSWORD }

  test('B39 that is changed is one entry, without either password, and no other sign-in or sign-out', async () => {
    const person = await newPerson()
    await signIn(createVisitor(server.url), person.email)
    await forget()
    await person.visitor.post('/api/auth/change-password', { ...changed, revokeOtherSessions: true })

    const recorded = await entry()
    expect(recorded.action).toBe('password_changed')
    expectPerson(recorded, person)
    expect(JSON.stringify(recorded)).not.toContain('horse')
  })

  test('B39 that could not be changed is none', async () => {
    const { visitor } = await newPerson()
    await visitor.post('/api/auth/change-password', { ...changed, currentPassword: 'wrong' })
    await visitor.post('/api/auth/reset-password', { newPassword: 'another horse', token: 'nothing' })
    expect(await entries()).toEqual([])
  })

  test('B39 that is reset by a link is an entry, and the sessions that it ends are no sign-out', async () => {
    const person = await newPerson()
    await person.visitor.post('/api/auth/request-password-reset', { email: person.email })
    expect(await entries()).toEqual([])
    await createVisitor(server.url).post('/api/auth/reset-password', {
      newPassword: 'another horse',
      token: mails.at(-1),
    })

    const recorded = await entry()
    expect(recorded.action).toBe('password_changed')
    expectPerson(recorded, person)
  })

  test('B39 that is reset by a code is an entry', async () => {
    const person = await newPerson()
    await person.visitor.post('/api/auth/email-otp/request-password-reset', { email: person.email })
    const reset = { email: person.email, otp: mails.at(-1), password: 'another horse' }
    await createVisitor(server.url).post('/api/auth/email-otp/reset-password', reset)

    const recorded = await entry()
    expect(recorded.action).toBe('password_changed')
    expectPerson(recorded, person)
  })

  test('B39 that an administrator sets names both', async () => {
    const person = await newPerson()
    const chief = await newPerson()
    await database.pool.query(`update "user" set role = 'admin' where id = $1`, [chief.id])
    await chief.visitor.post('/api/auth/admin/set-user-password', { userId: person.id, newPassword: 'another horse' })

    expect(await entry()).toMatchObject({
      action: 'password_changed',
      actor_id: chief.id,
      object_id: person.id,
      object_label: person.email,
    })
  })
})

describe('an entry that can’t be written', () => {
  test('keeps people out, instead of letting them in unseen', async () => {
    const { email, visitor } = await newPerson()
    await database.pool.query('alter table daybook.entry add constraint broken check (false) not valid')
    try {
      const newcomer = createVisitor(server.url)
      const response = await signIn(newcomer, email)
      expect(response.status).toBe(500)
      expect(response.headers.getSetCookie()).toEqual([])
      expect((await signIn(newcomer, email, 'wrong')).status).toBe(500)
      expect((await visitor.post('/api/auth/sign-out')).status).toBe(500)
    } finally {
      await database.pool.query('alter table daybook.entry drop constraint broken')
    }
  })
})

describe('the actor of a request', () => {
  test('B29 is the signed-in user, and nobody after the sign-out', async () => {
    const { visitor, id, email } = await newPerson()
    await visitor.post('/notes/by-somebody')
    await visitor.post('/api/auth/sign-out')
    await forget()
    await visitor.post('/notes/by-nobody')
    expect(await entry()).toMatchObject({ actor_type: 'anonymous', actor_id: null, object_id: 'by-nobody' })

    await forget()
    await signIn(visitor, email)
    await forget()
    await visitor.post('/notes/again')
    expect(await entry()).toMatchObject({ actor_type: 'user', actor_id: id, actor_label: email })
  })

  test('B35 is the administrator while one acts as somebody else', async () => {
    const person = await newPerson()
    const chief = await newPerson()
    await database.pool.query(`update "user" set role = 'admin' where id = $1`, [chief.id])
    await chief.visitor.post('/api/auth/admin/impersonate-user', { userId: person.id })
    const acted = { actor_id: chief.id, actor_label: chief.email, object_id: person.id, object_label: person.email }
    expect(await entry()).toMatchObject({ action: 'impersonation_started', ...acted })
    await forget()
    await chief.visitor.post('/notes/impersonated')

    expect(await entry()).toMatchObject({
      actor_id: chief.id,
      actor_label: chief.email,
      context: { on_behalf_of: { type: 'user', id: person.id, label: person.email } },
    })
    await forget()
    await chief.visitor.post('/api/auth/admin/stop-impersonating')
    expect(await entry()).toMatchObject({ action: 'impersonation_ended', ...acted })
  })

  test('B36 a deleted user’s entries keep id and label', async () => {
    const person = await newPerson()
    await person.visitor.post('/notes/kept')
    await database.pool.query('delete from "user" where id = $1', [person.id])
    expect(await entry()).toMatchObject({ actor_id: person.id, actor_label: person.email })
  })
})

test('the plugin refuses to stand ahead of the second factor', async () => {
  const auth = betterAuth({
    baseURL: server.url,
    secret: 'a secret for this test alone, long enough',
    database: pool,
    logger: { disabled: true },
    plugins: [betterAuthEvents(daybook), twoFactor()],
  })
  await expect(auth.api.getSession({ headers: new Headers() })).rejects.toMatchObject({ code: 'invalid_option' })
})

test('a sign-out whose person a hook has hidden fails, instead of going unrecorded', async () => {
  const auth = betterAuth({
    baseURL: server.url,
    secret: 'a secret for this test alone, long enough',
    database: pool,
    logger: { disabled: true },
    hooks: { before: createAuthMiddleware(async () => ({ context: { context: { theirs: true } } })) },
    plugins: [betterAuthEvents(daybook)],
  })
  await expect(auth.api.signOut({ headers: new Headers() })).rejects.toMatchObject({ code: 'invalid_option' })
})
