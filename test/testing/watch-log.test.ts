import { AssertionError } from 'node:assert'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { install, track } from '../../src/capture/postgres/index.ts'
import { createPool, fromPgPool, type Pool } from '../../src/connection/pg.ts'
import { openPglite, type Pglite } from '../../src/connection/pglite.ts'
import { asTester, type LogWatch, TESTER, watchLog } from '../../src/testing/index.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from '../database.ts'

const TABLE = 'create table invoice (id int primary key, number text, status text, total numeric(10, 2), note json)'

/** The message of what an expectation throws; it must throw. */
async function failure(expectation: Promise<void>): Promise<string> {
  const error = await expectation.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(AssertionError)
  return (error as Error).message
}

interface Place {
  readonly pool: Pool
  close(): Promise<void>
}

async function onServer(): Promise<Place> {
  const database = await createTestDatabase('testing')
  await install(fromPgPool(database.pool))
  await database.pool.query(TABLE)
  await track(fromPgPool(database.pool), 'public.invoice', { label: 'number' })
  const pool = createPool({ connectionString: database.url })
  return {
    pool,
    async close() {
      await pool.end()
      await database.close()
    },
  }
}

async function onPglite(): Promise<Place> {
  const pglite: Pglite = await openPglite()
  await install(pglite.database)
  await pglite.database.query(TABLE)
  await track(pglite.database, 'public.invoice', { label: 'number' })
  return { pool: pglite.createPool({ user: 'postgres' }), close: () => pglite.close() }
}

describe.each([
  ['a PostgreSQL server', onServer],
  ['PGlite', onPglite],
])('on %s', (_name, openPlace) => {
  let place: Place
  let pool: Pool
  beforeAll(async () => {
    place = await openPlace()
    pool = place.pool
  })
  afterAll(() => place?.close())

  describe('a watch', () => {
    let log: LogWatch
    beforeEach(async () => {
      await pool.query('delete from invoice')
      await pool.query("insert into invoice values (1, 'INV-1', 'open', 12.50), (2, 'INV-2', 'open', 7)")
      log = await watchLog(pool)
    })

    it('sees what came since it began, and with as little of it as one asks for', async () => {
      await log.expectEntries([])
      await asTester(() => pool.query("update invoice set status = 'paid', total = 13.50 where id = 1"))
      await log.expectEntries([{ action: 'update', changes: { status: ['open', 'paid'] } }])
      await log.expectEntries([
        {
          model: 'Invoice',
          objectId: '1',
          objectLabel: /^INV-/,
          changes: { status: expect.any(Array), total: [12.5, 13.5] },
          changedFields: ['status', 'total'],
          actorType: 'user',
          actorId: TESTER.actor.id,
          ipAddress: '192.0.2.1',
          tenantId: null,
          recordedAt: expect.any(Date),
        },
      ])
      await log.restart()
      await log.expectEntries([])
    })

    it('tells what is not as expected, entry by entry and field by field', async () => {
      await asTester(() => pool.query("update invoice set status = 'paid' where id = 1"))
      await asTester(() => pool.query('update invoice set status = \'void\', note = \'{"why": "late"}\' where id = 2'))
      await asTester(() => pool.query('delete from invoice where id = 1'), {
        actor: { id: '8', label: 'grace@example.com' },
      })
      expect(
        await failure(
          log.expectEntries([
            { action: 'update', objectId: '1' },
            {
              action: 'update',
              objectId: '2',
              actorId: '7',
              changes: { status: ['open', 'paid'], note: [null, { why: 'lost' }], total: [7, 8] },
            },
            { action: 'create', model: 'Receipt' },
            { action: 'delete', objectId: '1', outcome: 'success' },
          ]),
        ),
      ).toBe(`The log is not as expected: 1 entry differs, 1 entry is missing.

    tester@example.com changed status from open to paid on Invoice INV-1
  ≠ tester@example.com changed status from open to void and 1 more on Invoice INV-2
      actorId              expected  "7"
                           but is    "tester"
      changes.status[1]    expected  "paid"
                           but is    "void"
      changes.note[1].why  expected  "lost"
                           but is    "late"
      changes.total        expected  [7, 8]
                           but is    absent
  - { action: "create", model: "Receipt" }
      is missing
    grace@example.com deleted Invoice INV-1`)
    })

    it('takes any order, and others between them, where that is asked for', async () => {
      for (const status of ['a', 'b', 'c']) {
        await asTester(() => pool.query('update invoice set status = $1 where id = 1', [status]))
      }
      const to = (status: string) => ({ changes: { status: [expect.anything(), status] } })
      await log.expectEntries([to('a'), to('c')], { others: 'allowed' })
      await log.expectEntries([to('c'), to('a'), to('b')], { order: 'any' })
      await log.expectEntries([to('c'), {}], { order: 'any', others: 'allowed' })
      expect(await failure(log.expectEntries([to('c'), to('a')], { others: 'allowed' }))).toMatch(
        /1 entry (differs|is missing)/,
      )
      expect(await failure(log.expectEntries([to('a'), to('c')], { order: 'any' }))).toContain(
        '1 entry was not expected.',
      )
      expect(await failure(log.expectEntries([to('a'), to('a'), {}], { order: 'any' }))).toContain('1 entry differs.')
    })

    it('gives runners with a diff of their own what was asked for, and nothing else', async () => {
      await asTester(() => pool.query('delete from invoice where id = 1'))
      const expected = [{ action: 'delete', objectId: '2', objectLabel: /INV/ }]
      await expect(log.expectEntries(expected)).rejects.toMatchObject({
        expected,
        actual: [{ action: 'delete', objectId: '1', objectLabel: /INV/ }],
        operator: 'expectEntries',
        showDiff: false,
      })
    })

    it('says where to look when there is nothing at all', async () => {
      const message = await failure(log.expectEntries([{ action: 'create', model: 'Invoice' }]))
      expect(message).toBe(`The log is not as expected: 1 entry is missing.

  - { action: "create", model: "Invoice" }
      is missing

There is no entry at all. Is the table tracked in this database? And is the log watched through the connection, or the transaction, in which the test writes?`)
    })

    it('B35 finds what nobody was named for, and nothing else', async () => {
      await asTester(() => pool.query("update invoice set status = 'paid' where id = 1"))
      await asTester(() => pool.query("update invoice set status = 'void' where id = 1"), {
        actor: { type: 'database', id: 'migration' },
      })
      await log.expectAttributed()
      await pool.query("update invoice set status = 'paid' where id = 2")
      const message = await failure(log.expectAttributed())
      expect(message).toMatch(
        /^1 of 3 entries has no context: the log can't say who it was\.\n\n {2}.*INV-2\n\nWrite through/,
      )
      await log.restart()
      await pool.query(
        "begin; set local daybook.context = 'junk'; update invoice set status = 'x' where id = 1; commit",
      )
      expect(await failure(log.expectAttributed())).toContain('(its context could not be read)')
    })

    it('shows the same on a fixed clock in every run', async () => {
      const change = async () => {
        await asTester(() => pool.query("update invoice set status = 'paid'"))
        await asTester(() => pool.query('delete from invoice where id = 2'), { requestId: 'other' })
      }
      await change()
      const first = await log.fixedEntries()
      expect(
        first.map(({ id, statementId, recordedAt, transactionId, requestId }) => [
          id,
          statementId,
          recordedAt.toISOString(),
          transactionId,
          requestId,
        ]),
      ).toEqual([
        ['1', '1', '2026-01-01T00:00:00.000Z', '1', 'request-1'],
        ['2', '1', '2026-01-01T00:00:01.000Z', '1', 'request-1'],
        ['3', '3', '2026-01-01T00:00:02.000Z', '2', 'request-2'],
      ])
      await pool.query(
        "delete from invoice; insert into invoice values (1, 'INV-1', 'open', 12.50), (2, 'INV-2', 'open', 7)",
      )
      await log.restart()
      await change()
      expect(await log.fixedEntries()).toEqual(first)
    })
  })

  describe('a test in a transaction that is rolled back at its end', () => {
    let client: pg.PoolClient
    beforeEach(async () => {
      client = await pool.connect()
      await client.query('begin')
    })
    afterEach(async () => {
      await client.query('rollback')
      client.release()
    })

    it.each([1, 2])('sees its entries in there, and leaves none to the next (%i)', async () => {
      const log = await watchLog(client, { ownTransaction: true })
      await log.expectEntries([])
      await asTester(() => client.query("insert into invoice values (9, 'INV-9', 'open')"))
      await client.query('savepoint part')
      await asTester(() => client.query("update invoice set status = 'lost' where id = 9"))
      await client.query('rollback to savepoint part')
      await asTester(() => client.query("update invoice set status = 'paid' where id = 9"))
      await log.expectEntries([
        { action: 'create', objectId: '9', changes: { note: [null, null] } },
        { action: 'update', objectId: '9', changes: { status: ['open', 'paid'] } },
      ])
      await log.expectAttributed()
    })
  })
})

describe('on a PostgreSQL server alone', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase('testing')
    await createLoginRole(database.pool, 'testing_app')
    await install(fromPgPool(database.pool))
    await database.pool.query(`${TABLE}; grant all on invoice to testing_app`)
    await track(fromPgPool(database.pool), 'public.invoice')
  })
  afterAll(() => database?.close())

  it('tests side by side, each in its own transaction, see their own entries', async () => {
    const [one, other] = await Promise.all([database.pool.connect(), database.pool.connect()])
    await Promise.all([one.query('begin'), other.query('begin')])
    const log = await watchLog(one, { ownTransaction: true })
    await other.query('insert into invoice values (2)')
    await other.query('commit')
    await log.expectEntries([])
    await one.query('insert into invoice values (1)')
    await log.expectEntries([{ objectId: '1' }])
    await one.query('rollback')
    one.release()
    other.release()
  })

  it('any function that runs SQL will do, as an ORM has it', async () => {
    const log = await watchLog(async (sql) => (await database.pool.query(sql)).rows)
    await database.pool.query('insert into invoice values (3)')
    await log.expectEntries([{ action: 'create', objectId: '3' }])
  })

  it('a role that may not read the log is told how to let it', async () => {
    const pool = new pg.Pool({ connectionString: database.urlAs('testing_app') })
    await expect(watchLog(pool)).rejects.toMatchObject({
      code: 'permission_denied',
      message: expect.stringContaining('daybook init --reader-role'),
    })
    await pool.end()
  })

  it('a test in a database without a log is told how to have one, and its transaction goes on', async () => {
    const other = await createTestDatabase('testing')
    const client = await other.pool.connect()
    await client.query('begin')
    await expect(watchLog(client)).rejects.toMatchObject({ code: 'not_installed' })
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    client.release()
    await other.close()
  })

  it('refuses what is no source and what is no field', async () => {
    await expect(watchLog(() => undefined)).rejects.toMatchObject({ code: 'invalid_option' })
    const log = await watchLog(database.pool)
    await expect(log.expectEntries([{ objectID: '3' } as never])).rejects.toThrow(/no field "objectID".* objectId, /)
    await expect(log.expectEntries({} as never)).rejects.toMatchObject({ code: 'invalid_option' })
  })
})
