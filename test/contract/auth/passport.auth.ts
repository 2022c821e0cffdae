import connectPgSimple from 'connect-pg-simple'
import express, { type Express, type Request } from 'express'
import session from 'express-session'
import { Passport } from 'passport'
import { Strategy as LocalStrategy } from 'passport-local'
import { expect, inject, test } from 'vitest'
import { passportEvents, passportStrategy } from '../../../src/auth/passport.ts'
import { expressContext } from '../../../src/middleware/express.ts'
import { createVisitor } from '../../auth/visitor.ts'
import { addSignIn } from './set-up/passport.ts'
import { type Account, Accounts, type AuthSubject } from './subject.ts'
import { describeAuth } from './suite.ts'

declare module 'express-session' {
  interface SessionData {
    actingAs?: number
  }
}

/** As a driver with a queue does it: whoever waits is called back from what another request set off. */
const waiting: (() => void)[] = []
function mixUp(callback: () => void): void {
  waiting.unshift(callback)
  setTimeout(() => waiting.shift()?.(), 5)
}

function createSubject(): AuthSubject {
  let accounts: Accounts
  return {
    seesAccount: false,
    async mount({ application, pool, daybook }) {
      accounts = await Accounts.create(pool)
      const passport = new Passport()
      passport.serializeUser((user, done) => done(null, (user as Account).id))
      passport.deserializeUser((id, done) => {
        mixUp(() => accounts.get(id).then((account) => done(null, account ?? false), done))
      })
      const local = new LocalStrategy({ usernameField: 'email' }, (email, password, done) => {
        const refusal = { message: password }
        mixUp(() => accounts.find(email, password).then((account) => done(null, account ?? false, refusal), done))
      })
      passport.use(passportStrategy(daybook, local))
      passport.use('second', passportStrategy(daybook, local))

      const Store = connectPgSimple(session)
      application.use(expressContext(daybook, { trustedProxies: ['loopback'] }))
      application.use(
        session({
          store: new Store({ pool, createTableIfMissing: true, pruneSessionInterval: false }),
          secret: 'a secret for this test alone',
          resave: false,
          saveUninitialized: false,
        }),
        passport.session(),
        passportEvents(daybook, {
          actor: (user: Account, request: Request) => {
            const person = { id: String(user.id), label: user.email }
            const { actingAs } = request.session
            return actingAs === undefined ? person : { ...person, onBehalfOf: { id: String(actingAs) } }
          },
        }),
        express.json(),
      )
      application.post(
        '/sign-in',
        passport.authenticate('local'),
        (_request, response) => void response.json({ in: true }),
      )
      application.post('/sign-in/by-hand', (request, response, next) => {
        passport.authenticate('local', (error: unknown, user: Express.User | false) => {
          if (error) return next(error)
          if (!user) return void response.status(403).json({ in: false })
          request.logIn(user, (failure) => (failure ? next(failure) : void response.json({ in: true })))
        })(request, response, next)
      })
      application.post('/token', passport.authenticate('local', { session: false }), async (request, response) => {
        await pool.query('insert into note values ($1)', [`token-${(request.user as Account).id}`])
        response.end()
      })
      application.post('/sign-out', (request, response, next) => {
        request.logOut((error) => (error ? next(error) : void response.end()))
      })
      application.post('/act-as/:id', (request, response) => {
        request.session.actingAs = Number(request.params.id)
        response.end()
      })
      application.post('/become/:id', async (request, response, next) => {
        request.session.actingAs = Number(request.params.id)
        request.logIn(request.user as Express.User, { session: true, keepSessionInfo: true }, (error) =>
          error ? next(error) : void response.end(),
        )
      })
      application.post('/password', async (request, response) => {
        const { id, email } = request.user as Account
        await accounts.setPassword(id, request.body.password)
        await daybook.recordPasswordChange({ id: String(id), label: email })
        response.end()
      })
      return { tables: ['account'], hashes: 'select password_hash as hash from account' }
    },
    addPerson: (name) => accounts.add(name, `hush password of ${name}`),
    removePerson: ({ id }) => accounts.remove(id),
    signIn: (visitor, email, password, headers) => visitor.post('/sign-in', { email, password }, headers),
    signOut: (visitor) => visitor.post('/sign-out'),
    changePassword: (visitor, _person, password) => visitor.post('/password', { password }),
    isSignedIn: ({ status }) => status === 200,
  }
}

describeAuth(`Passport ${inject('version')}`, createSubject(), (log) => {
  async function signedIn() {
    const accounts = new Accounts(log().pool)
    const person = await accounts.add(`passport-${Math.random()}@example.com`, 'hush')
    const visitor = createVisitor(log().url)
    await visitor.post('/sign-in', { email: person.label, password: person.password })
    await log().forget()
    return { person, visitor }
  }

  test('B39 a sign-in with a callback of one’s own, and one that it refuses, are entries', async () => {
    const { person } = await signedIn()
    const signIn = (password: string) =>
      createVisitor(log().url).post('/sign-in/by-hand', { email: person.label, password })
    expect((await signIn('hush wrong')).status).toBe(403)
    expect(await log().event()).toMatchObject({
      ...{ action: 'login', outcome: 'failure', object_label: person.label },
      context: { extra: { reason: 'refused' } },
    })
    await log().forget()
    expect((await signIn(person.password)).status).toBe(200)
    expect(await log().event()).toMatchObject({ action: 'login', outcome: 'success', actor_id: person.id })
  })

  test('B39 set up as documented, people who sign in and out are in the log', async () => {
    const { person } = await signedIn()
    const accounts = new Accounts(log().pool)
    const mount = (application: Express) => addSignIn(application, accounts, log().daybook, 'a secret')
    await log().withApplication(mount, async (url) => {
      const visitor = createVisitor(url)
      await visitor.post('/sign-in', { username: person.label, password: 'hush wrong' })
      await visitor.post('/sign-in', { username: person.label, password: person.password })
      await visitor.post('/notes/documented')
      await visitor.post('/sign-out')
      expect(await log().events()).toMatchObject([
        { action: 'login', outcome: 'failure', object_label: person.label },
        { action: 'login', outcome: 'success', actor_id: person.id, actor_label: person.label },
        { action: 'create', actor_id: person.id, actor_label: person.label },
        { action: 'logout', actor_id: person.id },
      ])
    })
  })

  test('B30 somebody who comes with a request and opens no session is its actor, and has not signed in', async () => {
    const { person } = await signedIn()
    await createVisitor(log().url).post('/token', { email: person.label, password: person.password })
    expect(await log().event()).toMatchObject({ object_id: `token-${person.id}`, actor_id: person.id })
    await log().forget()
    await createVisitor(log().url).post('/token', { email: person.label, password: 'hush wrong' })
    expect(await log().events()).toEqual([])
  })

  test('B35 who acts as another stays named, with both, also when they sign out', async () => {
    const { person, visitor } = await signedIn()
    const { person: other } = await signedIn()
    await visitor.post(`/act-as/${other.id}`)
    await visitor.post(`/notes/as-${other.id}`)
    const both = { actor_id: person.id, actor_label: person.label, context: { on_behalf_of: { id: other.id } } }
    expect(await log().event()).toMatchObject({ object_id: `as-${other.id}`, ...both })
    await log().forget()
    await visitor.post(`/become/${other.id}`)
    expect(await log().event()).toMatchObject({ action: 'impersonation_started', object_id: other.id, ...both })
    await log().forget()
    await visitor.post('/sign-out')
    expect(await log().event()).toMatchObject({ action: 'logout', object_id: other.id, ...both })
  })

  test('is refused where it was mounted ahead of the session', async () => {
    const events = passportEvents(log().daybook, { actor: () => ({}) })
    expect(() => events({}, {}, () => {})).toThrow(expect.objectContaining({ code: 'invalid_option' }))
  })
})
