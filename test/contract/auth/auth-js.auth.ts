import type { ExpressAuthConfig } from '@auth/express'
import { ExpressAuth, getSession } from '@auth/express'
import Credentials from '@auth/express/providers/credentials'
import express from 'express'
import { authJsEvents } from '../../../src/auth/auth-js.ts'
import { expressContext } from '../../../src/middleware/express.ts'
import { Accounts, type AuthSubject } from './subject.ts'
import { describeAuth } from './suite.ts'

function createSubject(): AuthSubject {
  let accounts: Accounts
  const csrf = async (visitor: Parameters<AuthSubject['signOut']>[0]) =>
    ((await (await visitor.get('/auth/csrf')).json()) as { csrfToken: string }).csrfToken
  return {
    seesAccount: false,
    async mount({ application, pool, daybook }) {
      accounts = await Accounts.create(pool)
      const config = authJsEvents(daybook, {
        basePath: '/auth',
        secret: 'a secret for this test alone, long enough',
        trustHost: true,
        logger: { error() {} },
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
            const session = await getSession(request as never, config)
            return session?.user && { id: session.user.id ?? '', label: session.user.email ?? '' }
          },
        }),
      )
      application.use('/auth', ExpressAuth(config))
      application.post('/password', express.json(), async (request, response) => {
        const session = await getSession(request, config)
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

describeAuth('Auth.js with sessions in cookies', createSubject())
