import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { admin } from 'better-auth/plugins'
import type { Express } from 'express'
import { expect, inject, test } from 'vitest'
import { type BetterAuthEventsOptions, betterAuthActor, betterAuthEvents } from '../../../src/auth/better-auth.ts'
import { expressContext } from '../../../src/middleware/express.ts'
import { createVisitor } from '../../auth/visitor.ts'
import { addSignIn } from './set-up/better-auth.ts'
import { type AuthSubject, type Host, hashOf, isHashOf } from './subject.ts'
import { describeAuth } from './suite.ts'

function createAuth({ url, pool, daybook }: Host, basePath = '/api/auth', options: BetterAuthEventsOptions = {}) {
  return betterAuth({
    baseURL: url,
    basePath,
    secret: 'a secret for this test alone, long enough',
    database: pool,
    logger: { disabled: true },
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    emailAndPassword: {
      enabled: true,
      password: {
        hash: async (password) => hashOf(password),
        verify: async ({ hash, password }) => isHashOf(hash, password),
      },
    },
    plugins: [admin(), betterAuthEvents(daybook, options)],
  })
}

function createSubject(): AuthSubject {
  let auth: ReturnType<typeof createAuth>
  return {
    seesAccount: true,
    async mount(host) {
      auth = createAuth(host)
      await (await getMigrations(auth.options)).runMigrations()
      const { application, daybook } = host
      application.use(expressContext(daybook, { trustedProxies: ['loopback'], actor: betterAuthActor(auth) }))
      application.all('/api/auth/*splat', toNodeHandler(auth))
      application.all('/tracked/*splat', toNodeHandler(createAuth(host, '/tracked', { rolesAndBans: false })))
      return { tables: ['user', 'account'], hashes: 'select password as hash from account' }
    },
    async addPerson(email) {
      const password = `hush password of ${email}`
      const { user } = await auth.api.signUpEmail({ body: { email, password, name: email } })
      return { id: user.id, label: email, password }
    },
    async removePerson({ id }) {
      await (await auth.$context).internalAdapter.deleteUser(id)
    },
    signIn: (visitor, email, password, headers) =>
      visitor.post('/api/auth/sign-in/email', { email, password }, headers),
    signOut: (visitor) => visitor.post('/api/auth/sign-out'),
    changePassword: (visitor, { password }, newPassword) =>
      visitor.post('/api/auth/change-password', { currentPassword: password, newPassword }),
    isSignedIn: ({ status }) => status === 200,
  }
}

describeAuth(`Better Auth ${inject('version')}`, createSubject(), (log) => {
  let people = 0

  async function signedIn(role = 'user') {
    people += 1
    const visitor = createVisitor(log().url)
    const email = `${role}-${people}@example.com`
    const response = await visitor.post('/api/auth/sign-up/email', { email, password: 'hush password', name: email })
    const { id } = ((await response.json()) as { user: { id: string } }).user
    await log().database.pool.query('update "user" set role = $2 where id = $1', [id, role])
    await log().forget()
    return { visitor, id, email }
  }

  test('B39 set up as documented, people who sign in and out are in the log', async () => {
    const mount = (application: Express) => addSignIn(application, log().pool, log().daybook, 'a'.repeat(32))
    await log().withApplication(mount, async (url) => {
      const visitor = createVisitor(url)
      const email = 'documented@example.com'
      await visitor.post('/api/auth/sign-up/email', { email, password: 'hush password', name: 'x' })
      expect(await log().event()).toMatchObject({ action: 'login', actor_label: email })
      await visitor.post('/notes/documented')
      await visitor.post('/api/auth/sign-out')
      await visitor.post('/api/auth/sign-in/email', { email, password: 'hush' })
      expect(await log().events()).toMatchObject([
        { action: 'login', actor_label: email },
        { action: 'create', actor_label: email },
        { action: 'logout', actor_label: email },
        { action: 'login', outcome: 'failure', object_label: email },
      ])
    })
  })

  test('B35 who acts as another stays named: when they begin, at what they do, and when they end', async () => {
    const chief = await signedIn('admin')
    const other = await signedIn()
    const by = { actor_id: chief.id, actor_label: chief.email }
    const about = { ...by, object_id: other.id, object_label: other.email }
    const both = { ...by, context: { on_behalf_of: { id: other.id, label: other.email } } }
    const begin = () => chief.visitor.post('/api/auth/admin/impersonate-user', { userId: other.id })

    await begin()
    expect(await log().event()).toMatchObject({ action: 'impersonation_started', ...about })
    await log().forget()
    await chief.visitor.post(`/notes/as-${other.id}`)
    expect(await log().event()).toMatchObject({ object_id: `as-${other.id}`, ...both })
    await log().forget()
    const change = { currentPassword: 'hush password', newPassword: 'hush other password' }
    await chief.visitor.post('/api/auth/change-password', change)
    expect(await log().event()).toMatchObject({ action: 'password_changed', ...about, ...both })
    await log().forget()
    await chief.visitor.post('/api/auth/admin/stop-impersonating')
    const ended = await log().event()
    expect(ended).toMatchObject({ action: 'impersonation_ended', ...about })
    expect(ended.context.on_behalf_of).toBeUndefined()

    await begin()
    await log().forget()
    await chief.visitor.post('/api/auth/sign-out')
    expect(await log().event()).toMatchObject({ action: 'logout', ...about, ...both })
  })

  test('B28 a role and a ban are entries by who gave them, and one that changes nothing is none', async () => {
    const chief = await signedIn('admin')
    const other = await signedIn()
    const about = { actor_id: chief.id, object_id: other.id, object_label: other.email, outcome: 'success' }
    const ask = async (path: string, body: object = {}) => {
      await log().forget()
      expect((await chief.visitor.post(path, { userId: other.id, ...body })).status).toBe(200)
    }
    await ask('/api/auth/admin/set-role', { role: 'admin' })
    const granted = { action: 'permission_granted', ...about, changes: { role: ['user', 'admin'] } }
    expect(await log().event()).toMatchObject(granted)
    await ask('/api/auth/admin/set-role', { role: 'admin' })
    expect(await log().events()).toEqual([])
    await ask('/api/auth/admin/ban-user', { banReason: 'spam' })
    expect(await log().event()).toMatchObject({ action: 'user.banned', ...about, changes: { banned: [false, true] } })
    await ask('/api/auth/admin/unban-user')
    expect(await log().event()).toMatchObject({ action: 'user.unbanned', ...about })
    await ask('/tracked/admin/set-role', { role: 'user' })
    expect(await log().events()).toEqual([])
  })

  test('B28 B41 nobody is named past the log by an odd id', async () => {
    const chief = await signedIn('admin')
    const other = await signedIn()
    const role = { role: 'admin' }
    await chief.visitor.post('/api/auth/admin/set-role', { userId: [other.id], ...role })
    const { rows } = await log().pool.query('select role from "user" where id = $1', [other.id])
    const events = await log().events()
    expect(events.map(({ action, object_id }) => [action, object_id])).toEqual(
      rows[0].role === 'admin' ? [['permission_granted', other.id]] : [],
    )
    await log().forget()
    const newPassword = 'hush password by list'
    await chief.visitor.post('/api/auth/admin/set-user-password', { userId: [other.id], newPassword })
    const credentials = { email: other.email, password: newPassword }
    const { status } = await createVisitor(log().url).post('/api/auth/sign-in/email', credentials)
    const changes = (await log().events()).filter(({ action }) => action === 'password_changed')
    expect(changes.map(({ object_id }) => object_id)).toEqual(status === 200 ? [other.id] : [])
    await log().forget()
    const person = await signedIn()
    for (const userId of ['\0', null, { a: 1 }]) {
      expect((await person.visitor.post('/api/auth/admin/set-role', { userId, ...role })).status).toBe(403)
      expect(await log().event()).toMatchObject({ action: 'permission_granted', outcome: 'denied', object_id: null })
      await log().forget()
    }
  })

  test.each([
    ['set-role', { role: 'admin' }, 'permission_granted', 'admin'],
    ['set-role', { role: ['admin', 'user'] }, 'permission_granted', 'admin,user'],
    ['set-role', { role: `\0${'x'.repeat(1000)}` }, 'permission_granted', `\uFFFD${'x'.repeat(254)}…`],
    ['update-user', { data: { role: 'admin' } }, 'permission_granted', 'admin'],
    ['ban-user', {}, 'user.banned'],
    ['unban-user', {}, 'user.unbanned'],
    ['impersonate-user', {}, 'impersonation_started'],
    ['set-user-password', { newPassword: 'hush another password' }, 'password_changed'],
  ])(
    'B41 what an administrator alone may do is refused to others, and the refusal is an entry: %s',
    async (path, body, action, role?: string) => {
      const person = await signedIn()
      const other = await signedIn()
      const response = await person.visitor.post(`/api/auth/admin/${path}`, { userId: other.id, ...body })
      expect(response.status).toBe(403)
      expect(await log().event()).toMatchObject({
        ...{ action, outcome: 'denied', actor_id: person.id, object_id: other.id, object_label: other.email },
        ...{
          request_id: response.headers.get('x-request-id'),
          context: { extra: { reason: expect.any(String), ...(role && { role }) } },
        },
      })
      await log().forget()
      await createVisitor(log().url).post(`/api/auth/admin/${path}`, { userId: other.id, ...body })
      expect(await log().events()).toEqual([])
    },
  )
})
