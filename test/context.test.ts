import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { install, track } from '../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../src/connection/pg.ts'
import { looksSecret } from '../src/core/secret-name.ts'
import { createDaybook, type Daybook } from '../src/daybook.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
let pool: Pool
let daybook: Daybook

beforeAll(async () => {
  database = await createTestDatabase('context')
  await install(fromPgPool(database.pool))
  await database.pool.query('create table invoice (id int generated always as identity primary key, total int)')
  await track(fromPgPool(database.pool), 'public.invoice')
  pool = createPool({ connectionString: database.url, max: 2 })
  daybook = createDaybook({ pool })
})
afterAll(async () => {
  daybook.close()
  await pool.end()
  await database.close()
})
beforeEach(() => database.pool.query('truncate daybook.entry'))

const write = () => pool.query('insert into invoice (total) values (1)')

async function actors(): Promise<unknown[]> {
  const { rows } = await database.pool.query(
    'select actor_type, actor_id, actor_label, database_user from daybook.entries order by id',
  )
  return rows
}

test('B35 what a job, a service or a person does through runAs is theirs', async () => {
  await daybook.runAs({ type: 'job', id: 'nightly-invoices' }, write)
  await daybook.runAs({ type: 'service', id: 'billing', label: 'Billing' }, write)
  await daybook.runAs({ id: 'u-1', label: 'mara@example.com' }, write)

  expect(await actors()).toMatchObject([
    { actor_type: 'job', actor_id: 'nightly-invoices' },
    { actor_type: 'service', actor_id: 'billing', actor_label: 'Billing' },
    { actor_type: 'user', actor_id: 'u-1', actor_label: 'mara@example.com' },
  ])
})

test('B35 what comes without a context has the database as its actor, never none', async () => {
  await write()
  await database.pool.query('insert into invoice (total) values (2)')

  const theDatabase = { actor_type: 'database', actor_id: 'postgres', database_user: 'postgres' }
  expect(await actors()).toMatchObject([theDatabase, theDatabase])
})

test('B35 a job inside a request adds to its context, and the request’s actor is back afterwards', async () => {
  await daybook.run({ actor: { id: 'u-1' }, requestId: 'r-1' }, async () => {
    await daybook.runAs({ type: 'job', id: 'recount' }, write)
    await write()
  })

  expect(await actors()).toMatchObject([{ actor_id: 'recount' }, { actor_id: 'u-1' }])
  const { rows } = await database.pool.query('select distinct request_id from daybook.entries')
  expect(rows).toEqual([{ request_id: 'r-1' }])
})

test('B30 an actor can be named late where a context is open, and nowhere else', async () => {
  expect(daybook.setActor({ id: 'u-1' })).toBe(false)
  await daybook.run({}, async () => {
    expect(daybook.setActor({ id: 'u-1' })).toBe(true)
    await write()
  })
  expect(await actors()).toMatchObject([{ actor_type: 'user', actor_id: 'u-1' }])
})

test('B30 B35 an actor that is named late names in whose name they act, and an actor alone acts for nobody', async () => {
  await daybook.run({}, async () => {
    daybook.setActor({ id: 'u-1', onBehalfOf: { id: 'u-2' } })
    await write()
    daybook.setActor({ id: 'u-1' })
    await write()
  })
  const { rows } = await database.pool.query(
    `select actor_id, context -> 'on_behalf_of' ->> 'id' as other from daybook.entries order by id`,
  )
  expect(rows).toEqual([
    { actor_id: 'u-1', other: 'u-2' },
    { actor_id: 'u-1', other: null },
  ])
})

test('B32 an open context carries what is added to it from elsewhere, until it is ended', async () => {
  const opened = daybook.openContext({ actor: { type: 'anonymous' } })
  await opened.run(async () => {
    opened.add({ actor: { id: 'u-1' } })
    await write()
    opened.end()
    await write()
  })
  expect(await actors()).toMatchObject([{ actor_id: 'u-1' }, { actor_type: 'database' }])
})

describe('secrets in a context', () => {
  const MASKED = { $daybook: 'masked' }

  async function extras(): Promise<unknown[]> {
    const { rows } = await database.pool.query(`select context -> 'extra' as extra from daybook.entries order by id`)
    return rows.map(({ extra }) => extra)
  }

  test('B26 are masked before they leave the process: by their names, and by the paths that were named', async () => {
    const masking = createDaybook({
      pool,
      maskContext: ['extra.headers.authorization'],
      unmaskContext: ['extra.tokens'],
    })
    const extra = { headers: { Authorization: 'Basic c2VjcmV0', accept: 'x' }, apiKey: 'c2VjcmV0', tokens: 3 }
    const masked = { headers: { Authorization: MASKED, accept: 'x' }, apiKey: MASKED, tokens: 3 }
    await masking.run({ extra }, async () => {
      await write()
      await masking.runAs({ id: 'u-1' }, write)
      await masking.record({ action: 'invoice.approved', extra: { ...extra, own: 1 } })
      const opened = masking.openContext({})
      opened.add({ extra: { ...extra, later: 1 } })
      await opened.run(write)
      // What runs inside, whoever opened it, is masked as the outer context is.
      await daybook.runAs({ id: 'u-2' }, write)
    })
    masking.close()
    expect(await extras()).toEqual([masked, masked, { ...masked, own: 1 }, { ...masked, later: 1 }, masked])
    const { rows } = await database.pool.query('select e::text as line from daybook.entry e')
    expect(rows.map(({ line }) => line).join()).not.toContain('c2VjcmV0')
  })

  test('B26 a context or an event that can’t be read is written all the same', async () => {
    const hostile = Object.defineProperty({ ok: 1 } as Record<string, unknown>, 'bad', {
      enumerable: true,
      get() {
        throw new Error('no')
      },
    })
    hostile.self = hostile
    hostile.big = 2n ** 70n
    const read = {
      ok: 1,
      bad: { $daybook: 'unreadable' },
      self: { $daybook: 'unreadable' },
      big: '1180591620717411303424',
    }
    await daybook.run({ extra: hostile, reason: Object.create(null) }, write)
    await daybook.record({ action: 'invoice.approved', extra: hostile })
    await daybook.run({ extra: { text: 'x'.repeat(5000) } }, write)
    expect(await extras()).toEqual([read, read, { $daybook: 'capped' }])
    await expect(
      daybook.record({ action: 'invoice.approved', extra: { text: 'x'.repeat(20_000) } }),
    ).rejects.toMatchObject({ code: 'invalid_event', message: expect.stringContaining('16 KiB') })
  })

  test.each([['headers'], ['extra'], ['extra.'], ['ipAddress.x'], [7]])('B26 the path %j is refused', (path) => {
    expect(() => createDaybook({ pool, maskContext: [path as string] })).toThrow(/maskContext/)
  })

  test('B26 the names that look like a secret are those of the database', async () => {
    const words = [
      ...[
        'password',
        'PassWord',
        'user_passwd',
        'passphrase',
        'passcode',
        'pwd',
        'secret',
        'clientSecret',
        'token',
        'token_count',
      ],
      ...[
        'credential',
        'credentials',
        'api_key',
        'api-key',
        'apikey',
        'apiKey',
        'API_KEY',
        'access_key',
        'privateKey',
        'signing_key',
      ],
      ...[
        'encryption-key',
        'recovery_code',
        'recoverycode',
        'backup-codes',
        'otp',
        'otp_hash',
        'totp',
        'my-mfa',
        'pin',
        'pin_hash',
        'userPin',
      ],
      ...[
        'cvv',
        'cvc',
        'salt',
        'salt-',
        'shipping',
        'opinion',
        'pinned',
        'key',
        'keyboard',
        'monkey',
        'public_key',
        'salty',
        'basalt',
        'author',
      ],
      ...[
        '',
        ' ',
        'pin ',
        'pin\n',
        '\npin',
        'a\npin',
        'ſecret',
        'toKen',
        'ｐin',
        'pass_word',
        'pas_sword',
        'otpCode',
        'naïve_pin',
        'ßalt',
        '__proto__',
      ],
    ]
    const { rows } = await database.pool.query(
      `select array_agg(daybook.looks_secret(w) or daybook.looks_secret(regexp_replace(w, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) order by place) as said
       from unnest($1::text[]) with ordinality as u (w, place)`,
      [words],
    )
    expect(words.map((word) => [word, looksSecret(word)])).toEqual(
      words.map((word, place) => [word, rows[0].said[place]]),
    )
  })
})
