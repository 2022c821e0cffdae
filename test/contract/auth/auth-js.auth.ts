import { ExpressAuth, type ExpressAuthConfig, getSession } from '@auth/express'
import Credentials from '@auth/express/providers/credentials'
import PostgresAdapter from '@auth/pg-adapter'
import express, { type Express, type Request } from 'express'
import { expect, inject, test, vi } from 'vitest'
import { authJsEvents } from '../../../src/auth/auth-js.ts'
import { expressContext } from '../../../src/middleware/express.ts'
import { createVisitor, type Visitor } from '../../auth/visitor.ts'
import { type AuthJs, nextAuth } from './next-auth.ts'
import { addSignIn } from './set-up/auth-js.ts'
import { Accounts, type AuthSubject, type Host } from './subject.ts'
import { describeAuth } from './suite.ts'

const expressAuth: AuthJs = {
  createHandler: ExpressAuth,
  readSession: (request, config) => getSession(request as Request, config),
}
const { createHandler, readSession } = inject('version') === 'next-auth 5' ? nextAuth : expressAuth

function createSubject(): AuthSubject {
  let accounts: Accounts
  const csrf = async (visitor: Visitor) =>
    ((await (await visitor.get('/auth/csrf')).json()) as { csrfToken: string }).csrfToken
  return {
    seesAccount: false,
    async mount({ application, pool, daybook, url }) {
      accounts = await Accounts.create(pool)
      const config = authJsEvents(daybook, {
        basePath: '/auth',
        secret: 'a secret for this test alone, long enough',
        trustHost: true,
        logger: { error() {} },
        // Auth.js wants it in each of a process's configurations as soon as one signs in by mail.
        adapter: PostgresAdapter(pool),
        session: { strategy: 'jwt' },
        providers: [
          Credentials({
            credentials: { email: {}, password: {} },
            async authorize({ email, password }) {
              const account = await accounts.find(email, password)
              return account ? { id: String(account.id), email: account.email } : null
            },
          }),
        ],
        callbacks: {
          signIn: ({ user }) => !user.email?.startsWith('barred'),
          session: ({ session, token }) => ({ ...session, user: { ...session.user, id: token.sub ?? '' } }),
        },
      } satisfies ExpressAuthConfig)
      application.use(
        expressContext(daybook, {
          trustedProxies: ['loopback'],
          async actor(request) {
            const session = await readSession(request, config)
            return session?.user && { id: session.user.id ?? '', label: session.user.email ?? '' }
          },
        }),
      )
      application.use('/auth', createHandler(config))
      await mountWithDatabase({ application, pool, daybook, url })
      application.post('/password', express.json(), async (request, response) => {
        const session = await readSession(request, config)
        await accounts.setPassword(session?.user?.id, request.body.password)
        await daybook.recordPasswordChange({ id: session?.user?.id ?? '', label: session?.user?.email ?? '' })
        response.end()
      })
      return { tables: ['account'], hashes: 'select password_hash as hash from account' }
    },
    addPerson: (name) => accounts.add(name, `hush password of ${name}`),
    removePerson: ({ id }) => accounts.remove(id),
    async signIn(visitor, email, password, headers) {
      const csrfToken = await csrf(visitor)
      return visitor.post('/auth/callback/credentials', { csrfToken, email, password }, headers)
    },
    async signOut(visitor) {
      return visitor.post('/auth/signout', { csrfToken: await csrf(visitor) })
    },
    changePassword: (visitor, _person, password) => visitor.post('/password', { password }),
    isSignedIn: ({ headers }) => headers.getSetCookie().some((cookie) => /^authjs\.session-token=./.test(cookie)),
  }
}

const TABLES = `
  create table users (id serial primary key, name text, email text unique, "emailVerified" timestamptz, image text);
  create table accounts (id serial primary key, "userId" int not null, type text not null, provider text not null,
    "providerAccountId" text not null, refresh_token text, access_token text, expires_at bigint, id_token text, scope text,
    session_state text, token_type text);
  create table sessions (id serial primary key, "userId" int not null, expires timestamptz not null, "sessionToken" text not null);
  create table verification_token (identifier text, expires timestamptz not null, token text, primary key (identifier, token))`

/** What the mail brought, newest last. */
const mails: string[] = []

/** The same library with its sessions and people in the database, and another house where they sign in. */
async function mountWithDatabase({ application, url, pool, daybook }: Host): Promise<void> {
  await pool.query(TABLES)
  application.post('/house/token', (_request, response) => {
    response.json({ access_token: 'hush access token', token_type: 'bearer' })
  })
  application.get('/house/user', (_request, response) => {
    response.json({ sub: 'x-1', email: 'guest@example.com', name: 'Guest' })
  })
  const config: ExpressAuthConfig = {
    basePath: '/database',
    secret: 'a secret for this test alone, long enough',
    trustHost: true,
    logger: { error() {} },
    adapter: PostgresAdapter(pool),
    providers: [
      () => ({
        ...{ id: 'house', name: 'House', type: 'oauth', clientId: 'client', clientSecret: 'hush client secret' },
        authorization: `${url}/house/authorize`,
        token: `${url}/house/token`,
        userinfo: `${url}/house/user`,
        checks: ['state'],
        profile: ({ sub, email, name }) => ({ id: sub, email, name }),
      }),
      {
        ...{ id: 'mail', name: 'Mail', type: 'email', from: 'house@example.com', maxAge: 600, options: {} },
        sendVerificationRequest: async ({ url }) => void mails.push(url),
      },
    ],
    callbacks: {
      signIn: ({ user }) => (user.email === 'moved@example.com' ? '/elsewhere' : user.email !== 'barred@example.com'),
    },
  }
  application.use('/database', createHandler(authJsEvents(daybook, config)))
}

describeAuth('Auth.js', createSubject(), (log) => {
  async function ask(visitor: Visitor, path: string, body: object = {}): Promise<string> {
    const { csrfToken } = (await (await visitor.get('/database/csrf')).json()) as { csrfToken: string }
    const response = await visitor.post(`/database/${path}`, { csrfToken, ...body })
    return response.headers.get('location') ?? ''
  }

  /** Comes back from the other house. */
  async function fromHouse(visitor: Visitor, answer = 'code=c'): Promise<Response> {
    const state = new URL(await ask(visitor, 'signin/house')).searchParams.get('state')
    return visitor.get(`/database/callback/house?state=${state}&${answer}`)
  }

  const hasSession = (visitor: Visitor) => visitor.cookies.has('authjs.session-token')

  test('B39 set up as documented, people who sign in and out are in the log', async () => {
    const accounts = new Accounts(log().pool)
    const person = await accounts.add('documented@example.com', 'hush password')
    await log().forget()
    const mount = (application: Express) => addSignIn(application, accounts, log().daybook, 'a secret, long enough')
    await log().withApplication(mount, async (url) => {
      const visitor = createVisitor(url)
      const post = async (path: string, body: object = {}) =>
        visitor.post(`/auth/${path}`, { ...(await (await visitor.get('/auth/csrf')).json()), ...body })
      await post('callback/credentials', { email: person.label, password: 'hush wrong' })
      await post('callback/credentials', { email: person.label, password: person.password })
      await visitor.post('/notes/documented')
      await post('signout')
      expect(await log().events()).toMatchObject([
        { action: 'login', outcome: 'failure', object_label: person.label },
        { action: 'login', outcome: 'success', actor_id: person.id, actor_label: person.label },
        { action: 'create', actor_id: person.id, actor_label: person.label },
        { action: 'logout', actor_id: person.id },
      ])
    })
  })

  test('B39 a sign-in at another house is an entry with the person, and a sign-out from the database names them', async () => {
    const visitor = createVisitor(log().url)
    const response = await fromHouse(visitor)
    expect(hasSession(visitor)).toBe(true)
    const { rows } = await log().pool.query("select id::text from users where email = 'guest@example.com'")
    const guest = { actor_id: rows[0].id, actor_label: 'guest@example.com', object_id: rows[0].id }
    const request_id = response.headers.get('x-request-id')
    expect(await log().event()).toMatchObject({ action: 'login', outcome: 'success', ...guest, request_id })
    await log().forget()
    await ask(visitor, 'signout')
    expect(hasSession(visitor)).toBe(false)
    expect(await log().event()).toMatchObject({ action: 'logout', ...guest })
    await log().forget()
    await ask(visitor, 'signout')
    expect(await log().events()).toEqual([])
  })

  test('B39 a sign-out of a session that has expired is none', async () => {
    const visitor = createVisitor(log().url)
    await fromHouse(visitor)
    await log().pool.query("update sessions set expires = now() - interval '1 minute'")
    await log().forget()
    await ask(visitor, 'signout')
    expect(await log().events()).toEqual([])
  })

  test('B39 a sign-in by a mailed link is an entry, and a link that does not hold is a failure', async () => {
    const visitor = createVisitor(log().url)
    await ask(visitor, 'signin/mail', { email: 'mara@example.com' })
    expect(await log().events()).toEqual([])
    const link = new URL(mails.at(-1) ?? '')
    await visitor.get(link.pathname + link.search)
    expect(await log().event()).toMatchObject({ action: 'login', outcome: 'success', actor_label: 'mara@example.com' })
    await log().forget()
    await createVisitor(log().url).get(link.pathname + link.search)
    await vi.waitFor(async () => expect(await log().events()).toHaveLength(1))
    expect(await log().event()).toMatchObject({
      ...{ action: 'login', outcome: 'failure', actor_type: 'anonymous', object_label: null },
      context: { extra: { reason: 'Verification' }, route: expect.stringContaining('/database/callback/mail') },
    })
  })

  test('B39 a refusal at the other house is a failure', async () => {
    const visitor = createVisitor(log().url)
    await fromHouse(visitor, 'error=access_denied')
    await vi.waitFor(async () => expect(await log().events()).toHaveLength(1))
    expect(await log().event()).toMatchObject({
      ...{ action: 'login', outcome: 'failure', actor_type: 'anonymous' },
      context: { extra: { reason: 'OAuthCallbackError' } },
    })
  })

  test.each(['barred', 'moved'])(
    'B39 somebody who is %s by the application’s own rule is a failure with their name',
    async (who) => {
      const email = `${who}@example.com`
      await ask(createVisitor(log().url), 'signin/mail', { email })
      expect(await log().event()).toMatchObject({
        ...{ action: 'login', outcome: 'failure', actor_type: 'anonymous', object_id: null, object_label: email },
        context: { extra: { reason: 'AccessDenied' } },
      })
    },
  )

  test('B39 a sign-in into the database whose entry can’t be written sets no cookie', async () => {
    await log().pool.query("alter table daybook.entry add constraint broken check (action <> 'login') not valid")
    const visitor = createVisitor(log().url)
    try {
      await fromHouse(visitor)
    } finally {
      await log().pool.query('alter table daybook.entry drop constraint broken')
    }
    expect(hasSession(visitor)).toBe(false)
  })
})
