import express, { type Express } from 'express'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { install, track } from '../../../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../../../src/connection/pg.ts'
import { createDaybook, type Daybook } from '../../../src/daybook.ts'
import { createVisitor, type Visitor } from '../../auth/visitor.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { serve, type WebServer } from '../../middleware/web-server.ts'
import type { AuthSubject, Host, Person } from './subject.ts'

interface Recorded {
  readonly action: string
  readonly outcome: string
  readonly actor_type: string
  readonly actor_id: string | null
  readonly actor_label: string | null
  readonly ip_address: string | null
  readonly request_id: string | null
  readonly model: string | null
  readonly table_name: string | null
  readonly object_id: string | null
  readonly object_label: string | null
  readonly context: Record<string, unknown>
}

/** The log of one subject, as its own tests look at it. */
export interface AuthLog extends Host {
  readonly database: TestDatabase
  /** The events, oldest first: what the capture wrote of the library's own tables is left out. */
  events(): Promise<Recorded[]>
  /** The only event. */
  event(): Promise<Recorded>
  forget(): Promise<void>
  /** Runs `work` with an application of its own on the same database, as the documentation sets it up. */
  withApplication(mount: (application: Express) => void, work: (url: string) => Promise<void>): Promise<void>
}

const WRONG = 'hush wrong password'

/** What holds for every library, as far as it can see it. `more` adds what holds for this one alone. */
export function describeAuth(name: string, subject: AuthSubject, more?: (log: () => AuthLog) => void): void {
  describe(name, () => {
    let database: TestDatabase
    let pool: Pool
    let daybook: Daybook
    let server: WebServer
    let log: AuthLog
    let hashes = ''
    const secrets: string[] = [WRONG]
    let people = 0

    async function newPerson(): Promise<Person> {
      people += 1
      const person = await subject.addPerson(`person-${people}@example.com`)
      secrets.push(person.password)
      return person
    }

    async function signedIn(): Promise<{ person: Person; visitor: Visitor }> {
      const person = await newPerson()
      const visitor = createVisitor(server.url)
      expect(subject.isSignedIn(await subject.signIn(visitor, person.label, person.password))).toBe(true)
      await log.forget()
      return { person, visitor }
    }

    beforeAll(async () => {
      database = await createTestDatabase('auth')
      await install(fromPgPool(database.pool))
      pool = createPool({ connectionString: database.url, max: 5 })
      daybook = createDaybook({ pool })
      const application = express()
      server = await serve(application)
      log = {
        ...{ application, url: server.url, pool, daybook, database },
        async events() {
          const { rows } = await database.pool.query<Recorded>(
            "select * from daybook.entries where table_name is null or table_name = 'public.note' order by id",
          )
          return rows
        },
        async event() {
          const [only, ...others] = await log.events()
          expect(others).toEqual([])
          if (!only) throw new Error('there is no event')
          return only
        },
        async withApplication(mount, work) {
          const other = express()
          mount(other)
          other.post('/notes/:id', async (request, response) => {
            await pool.query('insert into note values ($1)', [request.params.id])
            response.end()
          })
          const otherServer = await serve(other)
          await work(otherServer.url).finally(otherServer.close)
        },
        forget: async () => void (await database.pool.query('truncate daybook.entry')),
      }
      const mounted = await subject.mount(log)
      hashes = mounted.hashes
      await database.pool.query('create table note (id text primary key)')
      for (const table of ['note', ...mounted.tables]) await track(fromPgPool(database.pool), `public.${table}`)
      application.post('/notes/:id', async (request, response) => {
        await pool.query('insert into note values ($1)', [request.params.id])
        response.end()
      })
    })
    afterAll(async () => {
      await server.close()
      daybook.close()
      await pool.end()
      await database.close()
    })
    beforeEach(() => log.forget())

    /** Looks into every column of every table of the log. */
    async function expectNoSecret(): Promise<void> {
      const { rows: tables } = await database.pool.query(
        `select c.oid::regclass::text as name from pg_class c where relnamespace = 'daybook'::regnamespace and relkind = 'r'`,
      )
      const { rows: stored } = await database.pool.query<{ hash: string }>(hashes)
      expect(stored.length).toBeGreaterThan(0)
      for (const { name: table } of tables) {
        const { rows } = await database.pool.query(
          `select coalesce(string_agg(x::text, ' '), '') as held from ${table} x`,
        )
        for (const secret of [...secrets, ...stored.map(({ hash }) => hash)]) {
          expect(rows[0].held.includes(secret), `${table} holds a secret`).toBe(false)
        }
      }
    }

    const by = ({ id, label }: Person) => ({ actor_type: 'user', actor_id: id, actor_label: label })

    function about(person: Person) {
      const { id, label } = person
      return { outcome: 'success', ...by(person), model: 'User', object_id: id, object_label: label }
    }

    test('B39 a sign-in is an entry with the person, the address and the request, and what follows is theirs', async () => {
      const person = await newPerson()
      await log.forget()
      const visitor = createVisitor(server.url)
      const response = await subject.signIn(visitor, person.label, person.password, {
        'x-forwarded-for': '203.0.113.9',
      })
      expect(subject.isSignedIn(response)).toBe(true)
      expect(await log.event()).toMatchObject({
        action: 'login',
        ...about(person),
        ip_address: '203.0.113.9',
        request_id: response.headers.get('x-request-id'),
      })
      await log.forget()
      await visitor.post('/notes/after-sign-in')
      expect(await log.event()).toMatchObject({ action: 'create', object_id: 'after-sign-in', ...by(person) })
    })

    test('B31 B39 sign-ins of different people at once are not mixed', async () => {
      const everybody = await Promise.all(Array.from({ length: 20 }, newPerson))
      await log.forget()
      const requests = await Promise.all(
        everybody.map(async (person, place) => {
          const visitor = createVisitor(server.url)
          const headers = { 'x-forwarded-for': `203.0.113.${place}` }
          const password = place % 4 === 3 ? WRONG : person.password
          const response = await subject.signIn(visitor, person.label, password, headers)
          expect(subject.isSignedIn(response)).toBe(password !== WRONG)
          await visitor.post(`/notes/of-${person.id}`)
          return { person, place, failed: password === WRONG, id: response.headers.get('x-request-id') }
        }),
      )
      const events = await log.events()
      expect(events).toHaveLength(40)
      for (const { person, place, failed, id } of requests) {
        const [signIn] = events.filter(({ request_id }) => request_id === id)
        const nobody = { actor_type: 'anonymous', actor_id: null, actor_label: null }
        expect(signIn).toMatchObject({
          ...{ action: 'login', object_label: person.label, ip_address: `203.0.113.${place}` },
          ...(failed ? { outcome: 'failure', ...nobody } : about(person)),
        })
        const note = events.find(({ object_id }) => object_id === `of-${person.id}`)
        expect(note).toMatchObject(failed ? nobody : by(person))
      }
    })

    test('B39 a failed sign-in is nobody’s, with the name that was tried and no secret', async () => {
      const person = await newPerson()
      await log.forget()
      for (const name of [person.label, 'nobody@example.com']) {
        const visitor = createVisitor(server.url)
        const response = await subject.signIn(visitor, name, WRONG, { 'x-forwarded-for': '203.0.113.9' })
        expect(subject.isSignedIn(response)).toBe(false)
        expect(response.status).toBeLessThan(500)
        expect(await log.event()).toMatchObject({
          action: 'login',
          outcome: 'failure',
          actor_type: 'anonymous',
          actor_id: null,
          ip_address: '203.0.113.9',
          request_id: response.headers.get('x-request-id'),
          model: 'User',
          object_id: subject.seesAccount && name === person.label ? person.id : null,
          object_label: name,
        })
        await log.forget()
        await visitor.post(`/notes/after-failure-${name}`)
        expect(await log.event()).toMatchObject({ actor_type: 'anonymous', actor_id: null })
        await log.forget()
      }
    })

    test.each([
      ['long', `${'n'.repeat(50_000)}@example.com`, `${'n'.repeat(255)}…`],
      ['with NUL', 'no\0body@example.com', 'no\uFFFDbody@example.com'],
      ['with a lone surrogate', 'no\uD800body@example.com', 'no\uFFFDbody@example.com'],
      ['of markup', '<script>@example.com', '<script>@example.com'],
    ])(
      'B39 a failed sign-in with a hostile name is an entry, and answered as any other: %s',
      async (_what, name, kept) => {
        const response = await subject.signIn(createVisitor(server.url), name, WRONG)
        expect(subject.isSignedIn(response)).toBe(false)
        expect(response.status).toBeLessThan(500)
        expect(await log.event()).toMatchObject({ action: 'login', outcome: 'failure', object_label: kept })
      },
    )

    test('B39 a sign-out names who signed out, and what follows is nobody’s', async () => {
      const { person, visitor } = await signedIn()
      const response = await subject.signOut(visitor)
      expect(await log.event()).toMatchObject({
        action: 'logout',
        ...about(person),
        request_id: response.headers.get('x-request-id'),
      })
      await log.forget()
      await visitor.post('/notes/after-sign-out')
      expect(await log.event()).toMatchObject({ actor_type: 'anonymous', actor_id: null })
    })

    test('B39 a sign-out of nobody is none', async () => {
      await subject.signOut(createVisitor(server.url))
      expect(await log.events()).toEqual([])
    })

    test('B39 a changed password is an entry by the person, and the new one is the only one that holds', async () => {
      const { person, visitor } = await signedIn()
      const changed = { ...person, password: 'hush another password' }
      secrets.push(changed.password)
      await subject.changePassword(visitor, person, changed.password)
      expect(await log.event()).toMatchObject({ action: 'password_changed', ...about(person) })
      await expectNoSecret()
      const sign = (password: string) => subject.signIn(createVisitor(server.url), person.label, password)
      expect(subject.isSignedIn(await sign(person.password))).toBe(false)
      expect(subject.isSignedIn(await sign(changed.password))).toBe(true)
    })

    test('B36 a person who is deleted keeps id and label in the log', async () => {
      const { person, visitor } = await signedIn()
      await visitor.post('/notes/kept')
      await subject.removePerson(person)
      expect(await log.event()).toMatchObject({ object_id: 'kept', ...by(person) })
    })

    test('B39 a sign-in whose entry can’t be written lets nobody in', async () => {
      const person = await newPerson()
      await log.forget()
      await pool.query(
        "alter table daybook.entry add constraint broken check (action not in ('login', 'logout')) not valid",
      )
      const visitor = createVisitor(server.url)
      try {
        const response = await subject.signIn(visitor, person.label, person.password)
        expect(subject.isSignedIn(response)).toBe(false)
      } finally {
        await pool.query('alter table daybook.entry drop constraint broken')
      }
      await visitor.post('/notes/not-let-in')
      expect(await log.event()).toMatchObject({ actor_type: 'anonymous', actor_id: null })
    })

    more?.(() => log)

    test('B39 no password and no hash of one is anywhere in the log', async () => {
      const { person, visitor } = await signedIn()
      await subject.signIn(createVisitor(server.url), person.label, WRONG)
      await subject.changePassword(visitor, person, 'hush yet another')
      secrets.push('hush yet another')
      await subject.signOut(visitor)
      expect((await database.pool.query('select from daybook.entries')).rowCount).toBeGreaterThan(3)
      await expectNoSecret()
    })
  })
}
