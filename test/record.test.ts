import { inspect } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { install, track } from '../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../src/connection/pg.ts'
import { openPglite } from '../src/connection/pglite.ts'
import { type AuditEvent, CAPTURED_ACTIONS } from '../src/core/event.ts'
import { createDaybook, type Daybook } from '../src/daybook.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from './database.ts'

let database: TestDatabase
let pool: Pool
let daybook: Daybook

beforeAll(async () => {
  database = await createTestDatabase('record')
  await createLoginRole(database.pool, 'record_app')
  await install(fromPgPool(database.pool), { applicationRoles: ['record_app'] })
  await database.pool.query('create table invoice (id int primary key); grant all on invoice to record_app')
  await track(fromPgPool(database.pool), 'public.invoice')
  pool = createPool({ connectionString: database.urlAs('record_app'), max: 2 })
  daybook = createDaybook({ pool })
})
afterAll(async () => {
  daybook.close()
  await pool.end()
  await database.close()
})
beforeEach(() => database.pool.query('truncate daybook.entry'))

async function entries(): Promise<Record<string, unknown>[]> {
  return (await database.pool.query('select * from daybook.entries order by id')).rows
}

const approved: AuditEvent = {
  action: 'invoice.approved',
  outcome: 'denied',
  object: { model: 'Invoice', id: '7', label: 'INV-7' },
  related: { model: 'Order', id: '9', label: 'ORD-9' },
  changes: { approved: [false, true], note: [null, 'ok'] },
  extra: { step: 2 },
}

test('B40 an event is an entry with all its parts and the context of who recorded it', async () => {
  const context = { actor: { id: 'u-1', label: 'mara@example.com' }, ipAddress: '203.0.113.9', requestId: 'r-1' }
  await daybook.run({ ...context, extra: { shop: 'north' } }, () => daybook.record(approved))

  expect(await entries()).toMatchObject([
    {
      action: 'invoice.approved',
      outcome: 'denied',
      actor_type: 'user',
      actor_id: 'u-1',
      actor_label: 'mara@example.com',
      ip_address: '203.0.113.9',
      request_id: 'r-1',
      model: 'Invoice',
      object_id: '7',
      object_label: 'INV-7',
      related_model: 'Order',
      related_id: '9',
      related_label: 'ORD-9',
      changes: { approved: [false, true], note: [null, 'ok'] },
      changed_fields: ['approved', 'note'],
      context: { extra: { shop: 'north', step: 2 } },
    },
  ])
})

test('B40 an event in the caller’s transaction is kept or lost with it', async () => {
  const client = await pool.connect()
  try {
    for (const end of ['rollback', 'commit']) {
      await client.query('begin')
      await client.query('insert into invoice values (1)')
      await daybook.runAs({ id: end }, () => daybook.record({ action: 'invoice.approved' }, { client }))
      await client.query(end)
    }
  } finally {
    client.release()
  }

  const recorded = await entries()
  expect(recorded).toMatchObject([{ action: 'create' }, { action: 'invoice.approved', actor_id: 'commit' }])
  expect(recorded[0]?.transaction_id).toBe(recorded[1]?.transaction_id)
})

test('B40 an event without a transaction is written at once, whatever becomes of one that is open', async () => {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('insert into invoice values (2)')
    await daybook.record({ action: 'invoice.refused', outcome: 'denied' })
    await client.query('rollback')
  } finally {
    client.release()
  }
  expect(await entries()).toMatchObject([{ action: 'invoice.refused', outcome: 'denied' }])
})

test.each<[string, unknown]>([
  ['action', {}],
  ['action', { action: '' }],
  ['action', { action: 'Invoice Approved' }],
  ['action', { action: 'a'.repeat(65) }],
  ['action', { action: 7 }],
  ['outcome', { action: 'a', outcome: 'maybe' }],
  ['object.model', { action: 'a', object: { id: '1' } }],
  ['object.model', { action: 'a', object: { model: '' } }],
  ['object.id', { action: 'a', object: { model: 'M', id: 7 } }],
  ['object.id', { action: 'a', object: { model: 'M', id: '7'.repeat(2_049) } }],
  ['changes.total', { action: 'a', changes: { total: ['hush'] } }],
  ['changes.total', { action: 'a', changes: { total: 'hush' } }],
  ['extra', { action: 'a', extra: 'hush' }],
  ['event', { action: 'a', actr: 'hush' }],
  ['event', 'hush'],
  ['event', undefined],
])('B40 an event whose %s is malformed is refused, by name and without its value: %j', async (part, event) => {
  const refusal = await daybook.record(event as AuditEvent).catch((error: unknown) => error)

  expect(refusal).toMatchObject({ code: 'invalid_event', details: { part } })
  expect(String(refusal)).toContain(part)
  expect(String(refusal)).not.toContain('hush')
  expect(await entries()).toEqual([])
})

test.each(CAPTURED_ACTIONS)('B40 %s is written by the capture alone, and refused here and in SQL', async (action) => {
  await expect(daybook.record({ action })).rejects.toMatchObject({ code: 'invalid_event' })
  await expect(pool.query('select daybook.record($1)', [action])).rejects.toMatchObject({ code: 'YD005' })
  expect(await entries()).toEqual([])
})

test('B40 a label that is too long, or that no text column holds, is cut and mended, and the entry is written', async () => {
  await daybook.record({ action: 'a', object: { model: 'M', id: 'x\0', label: `\0\uD800${'é'.repeat(300)}` } })

  const [entry] = await entries()
  expect(entry).toMatchObject({ object_id: 'x\uFFFD', object_label: `\uFFFD\uFFFD${'é'.repeat(253)}…` })
})

describe('a refusal or a failure', () => {
  const refused: AuditEvent = { action: 'invoice.approved', outcome: 'denied', object: { model: 'Invoice', id: '7' } }
  const failed: AuditEvent = { action: 'invoice.paid', outcome: 'failure', object: { model: 'Invoice', id: '7' } }

  async function rolledBack(from: Pool, work: () => Promise<unknown>): Promise<void> {
    const client = await from.connect()
    try {
      await client.query('begin')
      await client.query('insert into invoice values (3)')
      await work()
    } finally {
      await client.query('rollback')
      client.release()
    }
  }

  test('B41 outlives the rollback of what it stopped, in the same request, and tells itself apart from what happened', async () => {
    await daybook.run({ actor: { id: 'u-1' }, requestId: 'r-1' }, () =>
      rolledBack(pool, async () => {
        await daybook.record(refused)
        await daybook.record(failed)
      }),
    )
    const request = { actor_id: 'u-1', request_id: 'r-1', object_id: '7' }
    expect(await entries()).toMatchObject([
      { action: 'invoice.approved', outcome: 'denied', ...request },
      { action: 'invoice.paid', outcome: 'failure', ...request },
    ])
  })

  test('B41 is written where the pool has one connection, and the caller holds it', async () => {
    const single = createPool({ connectionString: database.urlAs('record_app'), max: 1 })
    const own = createDaybook({ pool: single })
    await own.run({ actor: { id: 'u-1' }, requestId: 'r-1' }, () => rolledBack(single, () => own.record(refused)))
    own.close()
    await single.end()
    expect(await entries()).toMatchObject([{ outcome: 'denied', actor_id: 'u-1', request_id: 'r-1' }])
  })

  test('B41 of many at once, all of whom hold a connection, is written, each with its own context', async () => {
    const small = createPool({ connectionString: database.urlAs('record_app'), max: 5 })
    const own = createDaybook({ pool: small })
    const names = Array.from({ length: 50 }, (_, place) => `u-${place}`)
    await Promise.all(
      names.map((id) =>
        own.run({ actor: { id }, requestId: `r-${id}` }, async () => {
          const client = await small.connect()
          try {
            await client.query('begin')
            await own.record({ action: 'invoice.approved', outcome: 'denied', extra: { by: id } })
            await client.query('rollback')
          } finally {
            client.release()
          }
        }),
      ),
    )
    own.close()
    await small.end()
    const recorded = await entries()
    expect(recorded.map(({ actor_id }) => actor_id).sort()).toEqual(names.sort())
    for (const { actor_id, request_id, context } of recorded) {
      expect(request_id).toBe(`r-${actor_id}`)
      expect(context).toMatchObject({ extra: { by: actor_id } })
    }
  })

  test('B41 that can’t be written says so in bounded time, and the caller’s transaction goes on', async () => {
    const url = new URL(database.urlAs('record_app'))
    const single = createPool({ connectionString: url.href, max: 1 })
    const own = createDaybook({ pool: single })
    await single.query('select 1')
    await database.pool.query('alter role record_app connection limit 1')
    try {
      const client = await single.connect()
      await client.query('begin')
      await expect(own.record(refused)).rejects.toMatchObject({ code: 'database_unreachable' })
      await client.query('insert into invoice values (4)')
      await client.query('commit')
      client.release()
    } finally {
      await database.pool.query('alter role record_app connection limit -1')
      own.close()
      await single.end()
    }
    expect(await entries()).toMatchObject([{ action: 'create', object_id: '4' }])
  })

  test('B41 on PGlite, whose one session the caller’s transaction has, says so in bounded time, and is written after it', async () => {
    const pglite = await openPglite({ maxWaitMs: 100 })
    const single = pglite.createPool({ user: 'postgres', max: 1 })
    await install(fromPgPool(single))
    const own = createDaybook({ pool: single })
    const client = await single.connect()
    await client.query('begin')
    await expect(own.record(refused)).rejects.toMatchObject({ code: 'database_unreachable' })
    await client.query('rollback')
    client.release()
    await own.record(refused)
    const { rows } = await single.query('select outcome from daybook.entries')
    expect(rows).toEqual([{ outcome: 'denied' }])
    own.close()
    await single.end()
    await pglite.close()
  }, 60_000)
})

describe('signing in and out', () => {
  test('B39 a sign-in makes the person the actor of what follows in the request', async () => {
    await daybook.run({ actor: { type: 'anonymous' }, requestId: 'r-1' }, async () => {
      await daybook.recordLogin({ id: 'u-1', label: 'mara@example.com' })
      await daybook.record({ action: 'invoice.approved' })
    })

    expect(await entries()).toMatchObject([
      { action: 'login', actor_id: 'u-1', model: 'User', object_id: 'u-1', object_label: 'mara@example.com' },
      { action: 'invoice.approved', actor_id: 'u-1', request_id: 'r-1' },
    ])
  })

  test('B39 a failed sign-in is nobody’s, also where somebody is signed in', async () => {
    await daybook.runAs({ id: 'u-1' }, () => daybook.recordLoginFailure({ name: 'root', reason: 'locked' }))

    expect(await entries()).toMatchObject([
      {
        action: 'login',
        outcome: 'failure',
        actor_type: 'anonymous',
        actor_id: null,
        model: 'User',
        object_label: 'root',
        context: { extra: { reason: 'locked' } },
      },
    ])
  })

  test('B39 a sign-out names who signed out', async () => {
    await daybook.runAs({ id: 'u-1' }, () => daybook.recordLogout({ id: 'u-2', label: 'ben@example.com' }))
    expect(await entries()).toMatchObject([
      { action: 'logout', outcome: 'success', actor_id: 'u-2', model: 'User', object_id: 'u-2' },
    ])
  })

  test('B35 a sign-out while somebody acts as another keeps both, and a sign-in drops the other', async () => {
    const person = { id: 'u-2', label: 'ben@example.com' }
    await daybook.run({ actor: { id: 'u-1' }, onBehalfOf: person }, async () => {
      await daybook.recordLogout(person)
      await daybook.recordLoginFailure({ name: 'root' })
      await daybook.recordLogin({ id: 'u-3' })
      await daybook.record({ action: 'invoice.approved' })
    })
    const recorded = await entries()
    expect(recorded.map(({ action, actor_id }) => [action, actor_id])).toEqual([
      ['logout', 'u-1'],
      ['login', null],
      ['login', 'u-3'],
      ['invoice.approved', 'u-3'],
    ])
    expect(
      recorded.map(({ context }) => (context as { on_behalf_of?: { id: string } } | null)?.on_behalf_of?.id),
    ).toEqual(['u-2', undefined, undefined, undefined])
  })

  test('B39 a changed password is an entry by who changed it, else by the person', async () => {
    const person = { id: 'u-2', label: 'ben@example.com' }
    await daybook.run({ actor: { type: 'anonymous' } }, () => daybook.recordPasswordChange(person))
    await daybook.runAs({ id: 'u-1' }, () => daybook.recordPasswordChange(person))
    const changed = { action: 'password_changed', model: 'User', object_id: 'u-2', object_label: 'ben@example.com' }
    expect(await entries()).toMatchObject([
      { ...changed, actor_id: 'u-2' },
      { ...changed, actor_id: 'u-1' },
    ])
  })

  test.each<[what: string, name: unknown, label: string | null]>([
    ['of a megabyte', 'n'.repeat(1_000_000), `${'n'.repeat(255)}…`],
    ['with NUL bytes', 'a\0b', 'a\uFFFDb'],
    ['of NUL bytes alone', '\0'.repeat(1_000_000), `${'\uFFFD'.repeat(255)}…`],
    ['with lone surrogates', '\uD800x\uDC00', '\uFFFDx\uFFFD'],
    ['that a surrogate pair ends at the limit', `${'n'.repeat(255)}😀`, `${'n'.repeat(255)}…`],
    ['of markup', '<script>alert(1)</script>', '<script>alert(1)</script>'],
    ['that is empty', '', null],
    ['that is missing', undefined, null],
    ['that is a number', 42, '42'],
    ['that is a list', ['root'], null],
    ['that is an object', { toString: () => 'hush' }, null],
  ])('B39 a failed sign-in with a name %s is an entry', async (_what, name, label) => {
    await daybook.recordLoginFailure({ name: name as string, id: name as string, reason: name as string })
    expect(await entries()).toMatchObject([{ action: 'login', outcome: 'failure', object_label: label }])
  })

  test.each<[what: string, id: unknown, kept: string]>([
    ['a megabyte', 'n'.repeat(1_000_000), `${'n'.repeat(255)}…`],
    ['NUL bytes', 'a\0b', 'a\uFFFDb'],
    ['a number', 42, '42'],
  ])('B39 a sign-in and a sign-out of an id that is %s are entries', async (_what, id, kept) => {
    const actor = { id, label: id } as { id: string; label: string }
    await daybook.recordLogin(actor)
    await daybook.recordLogout(actor)
    const person = { actor_id: kept, actor_label: kept, object_id: kept, object_label: kept }
    expect(await entries()).toMatchObject([
      { action: 'login', ...person },
      { action: 'logout', ...person },
    ])
  })

  test('B39 a password that is passed along is nowhere in the log', async () => {
    const secret = { password: 'hush-1', hash: 'hush-2', token: 'hush-3' }
    await daybook.run({}, async () => {
      await daybook.recordLoginFailure({ name: 'root', reason: 'locked', ...secret })
      await daybook.recordLogin({ id: 'u-1', ...secret })
      await daybook.recordPasswordChange({ id: 'u-1', ...secret })
      await daybook.recordLogout({ id: 'u-1', ...secret })
    })
    const { rows } = await database.pool.query('select e::text as line from daybook.entry e')
    expect(rows).toHaveLength(4)
    expect(JSON.stringify(rows)).not.toContain('hush')
  })
})

describe('B24 the error of an entry that the database refuses tells nothing of what is in it', () => {
  beforeAll(() =>
    database.pool.query(
      "alter table daybook.entry add constraint refused check (object_label is distinct from 'hush') not valid",
    ),
  )
  afterAll(() => database.pool.query('alter table daybook.entry drop constraint refused'))

  const object = { model: 'Invoice', id: 'hush id', label: 'hush' }
  const event: AuditEvent = { action: 'invoice.approved', object, changes: { note: ['hush old', 'hush new'] } }
  const inTransaction = async () => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      await daybook.record(event, { client })
    } finally {
      await client.query('rollback')
      client.release()
    }
  }
  /** As libraries do that make an error of their own of the driver's. */
  const throughLibrary = () =>
    daybook.record(event, {
      client: {
        query: (text, values) =>
          pool.query(text, values).catch((error) => {
            throw Object.assign(new Error('the query failed', { cause: error }), { driverError: error, ...error })
          }),
      },
    })

  test.each([
    ['an event at once', () => daybook.record(event)],
    ['an event in a transaction', inTransaction],
    ['an event through a library', throughLibrary],
    ['an event of a job', () => daybook.runAs({ type: 'job', id: 'j' }, () => daybook.record(event))],
    ['a sign-in', () => daybook.recordLogin({ id: 'hush id', label: 'hush' })],
    ['a refused sign-in', () => daybook.recordLoginFailure({ name: 'hush' })],
  ])('%s', async (_what, record) => {
    const error: unknown = await record().then(
      () => undefined,
      (thrown) => thrown,
    )
    expect(error).toMatchObject({ code: '23514' })
    const told = inspect(error, { depth: 10, showHidden: true, getters: true }) + JSON.stringify(error)
    expect(told).toContain('refused')
    // The stack names this file and its functions, no values.
    expect(told).not.toContain('hush')
  })

  test('JSON that the database can’t read', async () => {
    const client = {
      query: (text: string) => pool.query(text.replace('$9', `'{"hush": hush}'::json`).replace(/\$\d+/g, 'null')),
    }
    const error: unknown = await daybook.record(event, { client }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: '22P02', where: undefined, detail: undefined })
  })
})
