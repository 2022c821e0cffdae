import { betterAuth } from 'better-auth'
import type { Daybook } from 'daybook'
import { betterAuthEvents } from 'daybook/auth/better-auth'
import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'

export const MINIMUM_PASSWORD_LENGTH = 10

/** What sign-in is made with. */
export interface AuthOptions {
  readonly db: Kysely<Schema>
  readonly daybook: Daybook
  readonly secret: string
  readonly port: number
}

/** Better Auth with e-mail and password; people are invited by a superuser, nobody signs up. */
export function createAuth({ db, daybook, secret, port }: AuthOptions) {
  const hosts = [`localhost:${port}`, `127.0.0.1:${port}`]
  return betterAuth({
    secret,
    // The address that the browser used counts, so that both names of this machine keep their own cookie.
    baseURL: { allowedHosts: hosts, protocol: 'http' },
    trustedOrigins: hosts.map((host) => `http://${host}`),
    telemetry: { enabled: false },
    database: { db, type: 'postgres', schemaName: 'backoffice' },
    advanced: { database: { generateId: 'serial' } },
    emailAndPassword: { enabled: true, disableSignUp: true, minPasswordLength: MINIMUM_PASSWORD_LENGTH },
    user: {
      fields: { emailVerified: 'email_verified', createdAt: 'created_at', updatedAt: 'updated_at' },
    },
    session: {
      fields: {
        userId: 'user_id',
        expiresAt: 'expires_at',
        ipAddress: 'ip_address',
        userAgent: 'user_agent',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
      },
    },
    account: {
      fields: {
        userId: 'user_id',
        accountId: 'account_id',
        providerId: 'provider_id',
        accessToken: 'access_token',
        refreshToken: 'refresh_token',
        idToken: 'id_token',
        accessTokenExpiresAt: 'access_token_expires_at',
        refreshTokenExpiresAt: 'refresh_token_expires_at',
        createdAt: 'created_at',
        updatedAt: 'updated_at',
      },
    },
    verification: {
      fields: { expiresAt: 'expires_at', createdAt: 'created_at', updatedAt: 'updated_at' },
    },
    databaseHooks: {
      session: {
        create: {
          // Somebody who was deactivated gets no session, whatever they know.
          async before({ userId }) {
            const user = await db
              .selectFrom('user')
              .select('is_active')
              .where('id', '=', Number(userId))
              .executeTakeFirst()
            return user?.is_active === true ? undefined : false
          },
        },
      },
    },
    plugins: [betterAuthEvents(daybook)],
  })
}

export type Auth = ReturnType<typeof createAuth>
