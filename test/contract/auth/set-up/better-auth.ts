import { betterAuth } from 'better-auth'
import { toNodeHandler } from 'better-auth/node'
import { admin } from 'better-auth/plugins'
import type { Daybook } from 'daybook'
import { betterAuthActor, betterAuthEvents } from 'daybook/auth/better-auth'
import type { Pool } from 'daybook/connection/pg'
import { expressContext } from 'daybook/middleware/express'
import type { Express } from 'express'

export function addSignIn(application: Express, pool: Pool, daybook: Daybook, secret: string): void {
  const auth = betterAuth({
    secret,
    database: pool,
    emailAndPassword: { enabled: true },
    plugins: [admin(), betterAuthEvents(daybook)],
  })
  application.use(expressContext(daybook, { actor: betterAuthActor(auth) }))
  application.all('/api/auth/*splat', toNodeHandler(auth))
}
