import { ExpressAuth, type ExpressAuthConfig, getSession } from '@auth/express'
import Credentials from '@auth/express/providers/credentials'
import type { Daybook } from 'daybook'
import { authJsEvents } from 'daybook/auth/auth-js'
import { expressContext } from 'daybook/middleware/express'
import type { Express, Request } from 'express'
import type { Accounts } from '../subject.ts'

export function addSignIn(application: Express, accounts: Accounts, daybook: Daybook, secret: string): void {
  const config = authJsEvents(daybook, {
    secret,
    basePath: '/auth',
    trustHost: true,
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
      // Auth.js leaves the id out of the session: without it the log would know nobody.
      session: ({ session, token }) => ({ ...session, user: { ...session.user, id: token.sub ?? '' } }),
    },
  } satisfies ExpressAuthConfig)

  async function actor(request: object) {
    const user = (await getSession(request as Request, config))?.user
    return user?.id ? { id: user.id, label: user.email ?? user.id } : undefined
  }
  application.use(expressContext(daybook, { actor }))
  application.use('/auth', ExpressAuth(config))
}
