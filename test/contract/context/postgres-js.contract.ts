import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDaybook, type Daybook } from 'daybook'
import { createPool, type Pool } from 'daybook/connection/pg'
import { bindPostgresJs, countUnattributed } from 'daybook/connection/postgres-js'
import driver, { type Sql } from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openPostgres, type Place } from './place.ts'
import { WAYS } from './postgres-js-ways.ts'
import { describeSubject } from './suite.ts'
import { hasOpenssl, openTlsDoor } from './tls-door.ts'

// As docs/connection.md shows it.
function approve(sql: Sql, daybook: Daybook, id: number) {
  return sql.begin(async (inside) => {
    await inside`update invoice set total = 0 where id = ${id}`
    await daybook.record(
      { action: 'invoice.approved', object: { model: 'Invoice', id: String(id) } },
      { client: { query: (text, values) => inside.unsafe(text, values as never[]) } },
    )
  })
}

for (const [way, open] of Object.entries(WAYS)) describeSubject(`postgres.js with ${way}`, open)

describe('postgres.js', () => {
  const postgres = bindPostgresJs(driver)
  let place: Place
  let pool: Pool
  let daybook: Daybook

  beforeAll(async () => {
    place = await openPostgres()
    pool = createPool(place.options)
    daybook = createDaybook({ pool })
  })
  afterAll(async () => {
    daybook.close()
    await pool.end()
    await place.close()
  })
  beforeEach(() => place.admin.query('truncate invoice; truncate daybook.entry'))

  type More = NonNullable<Parameters<typeof driver>[1]>

  function connect(more: More = {}) {
    const sql = postgres(place.options.connectionString, { max: 1, onnotice: () => {}, ...more })
    onTestFinished(() => sql.end({ timeout: 1 }))
    return sql
  }

  const as = <T>(requestId: string, work: () => T) => daybook.run({ requestId }, work)

  /** `id who`, as credited; who it should be is the row's own label. */
  const credited = async () => {
    const { rows } = await place.admin.query<{ id: string; who: string; credited: string }>(
      "select object_id as id, object_label as who, coalesce(request_id, 'nobody') as credited from daybook.entries where action = 'create' order by object_id::int",
    )
    expect(rows.filter(({ who, credited }) => who !== credited)).toEqual([])
    return rows.map(({ id }) => Number(id))
  }

  const left = "select coalesce(current_setting('daybook.context', true), '') as context"

  test('B31 B32 statements that are in flight together on one connection are each credited to their own', async () => {
    const sql = connect()
    await sql`select 1`
    const insert = (id: number, who: string) => sql`insert into invoice values (${id}, ${who}, 1)`
    const simple = (...ids: [number, string][]) =>
      sql.unsafe(ids.map(([id, who]) => `insert into invoice values (${id}, '${who}', 1)`).join(';'))
    await as('z', () => insert(99, 'z'))
    const outcomes = await Promise.allSettled([
      as('a', () => insert(1, 'a')),
      insert(2, 'nobody'),
      as('b', () => insert(3, 'b')),
      as('b', () => insert(1, 'b')),
      as('c', () => simple([4, 'c'])),
      simple([5, 'nobody']),
      as('d', () => simple([6, 'd'], [7, 'd'])),
      simple([8, 'nobody'], [9, 'nobody']),
      as('e', () => simple([10, 'e'], [1, 'e'])),
      as('f', () => sql.unsafe("do $$ begin insert into invoice values (11, 'f', 1); end $$")),
      as('g', () => insert(12, 'g')),
      as('h', () => sql.unsafe("do $$ begin insert into invoice values (13, 'h', 1); end $$")),
      insert(14, 'nobody'),
      as('i', () => sql`insert into invoice values (15, 'i', 1) returning *`.cursor(1, () => {})),
      as('j', () => sql.unsafe("insert into invoice values (16, 'j', 1) returning '$1'")),
      as('k', () => sql.unsafe('vacuum invoice')),
      as('l', () => insert(17, 'l')),
    ])
    expect(outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))).toEqual([
      '23505',
      '23505',
    ])
    expect(await credited()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 99])
    // VACUUM.
    expect(countUnattributed(sql)).toBe(1)
    expect([...(await sql.unsafe(left))]).toEqual([{ context: '' }])
  })

  test('B32 on a reserved connection, a text of several statements sent right behind BEGIN is in that transaction', async () => {
    const sql = await connect({ max: 2 }).reserve()
    const texts = (...ids: number[]) => ids.map((id) => `insert into invoice values (${id}, 'a', 1)`).join(';')
    const send = (text: string) => as('a', () => sql.unsafe(text).execute())
    await Promise.all([send('begin'), send(texts(1, 2)), send('rollback')])
    expect(await credited()).toEqual([])
    await Promise.all([send('begin'), send(texts(3, 4)), send('savepoint b'), send(texts(5, 6)), send('rollback to b')])
    await Promise.all([send(texts(7, 8)), send('commit'), send(texts(9, 10))])
    sql.release()
    expect(await credited()).toEqual([3, 4, 7, 8, 9, 10])
  })

  test('B31 B33 a procedure that commits runs once and alone, and what follows it on the connection has its own context', async () => {
    await place.admin.query(`
      create or replace procedure committing(id int, who text) language plpgsql as
        $$ begin insert into invoice values (id, who, 1); commit; end $$;
      create or replace procedure plain(id int, who text) language plpgsql as
        $$ begin insert into invoice values (id, who, 1); end $$`)
    const { rows } = await place.admin.query("select current_setting('server_version_num')::int >= 180000 as refuses")
    const [{ refuses }] = rows as [{ refuses: boolean }]
    // An older server lets it commit, with the context.
    const who = refuses ? 'nobody' : 'a'
    for (const [at, more] of [{}, { prepare: false }].entries()) {
      const sql = connect(more)
      const first = 100 * at
      for (const round of [0, 10]) {
        const id = first + round
        const outcomes = await Promise.allSettled([
          as('a', () => sql`call committing(${id + 1}, ${who})`),
          as('b', () => sql`insert into invoice values (${id + 2}, 'b', 1)`),
          as('a', () => sql.unsafe(`call committing(${id + 3}, '${who}')`)),
          sql`insert into invoice values (${id + 4}, 'nobody', 1)`,
          as('c', () => sql`call plain(${id + 5}, 'c')`),
          as('c', () => sql`call plain(${id + 5}, 'again')`),
          as('d', () => sql`insert into invoice values (${id + 6}, 'd', 1)`),
        ])
        expect(outcomes.map((each) => (each.status === 'rejected' ? each.reason.code : 'done'))).toEqual([
          ...['done', 'done', 'done', 'done', 'done', '23505', 'done'],
        ])
      }
      expect(countUnattributed(sql)).toBe(refuses ? 4 : 0)
      const refused = as('a', () => sql.begin((inside) => inside`call committing(${first + 99}, 'a')`))
      await expect(refused).rejects.toMatchObject({ code: '2D000' })
    }
    expect(await credited()).toEqual([0, 10, 100, 110].flatMap((id) => [1, 2, 3, 4, 5, 6].map((each) => id + each)))
  })

  test('B33 long rows, long contexts and many statements at once arrive as they were sent', async () => {
    const sql = connect({ max: 3 })
    const long = 'x'.repeat(3_000_000)
    await daybook.run({ requestId: 'a', extra: { note: 'n'.repeat(3_000) } }, async () => {
      const rows = await Promise.all(
        Array.from(
          { length: 300 },
          (_, id) => sql`
          insert into invoice values (${id}, ${id === 150 ? long : 'a'}, 1) returning id, length(who) as length, who`,
        ),
      )
      expect(rows.flat().map(({ id, length, who }) => [id, length, who === (id === 150 ? long : 'a')])).toEqual(
        Array.from({ length: 300 }, (_, id) => [id, id === 150 ? long.length : 1, true]),
      )
    })
    const { rows } = await place.admin.query(
      "select count(*)::int, count(*) filter (where request_id = 'a')::int as own from daybook.entries",
    )
    expect(rows).toEqual([{ count: 300, own: 300 }])
  })

  test('B31 B32 statements of a transaction that are sent together are each credited to their own', async () => {
    const sql = connect()
    await sql.begin(async (inside) => {
      const insert = (id: number, who: string) => inside`insert into invoice values (${id}, ${who}, 1)`
      await Promise.all([
        as('a', () => insert(1, 'a')),
        insert(2, 'nobody'),
        as('b', () => insert(3, 'b')),
        as('b', () => inside.unsafe("insert into invoice values (4, 'b', 1); insert into invoice values (5, 'b', 1)")),
        inside.unsafe("insert into invoice values (6, 'nobody', 1); insert into invoice values (7, 'nobody', 1)"),
        as('c', () => insert(8, 'c')),
      ])
      await as('c', () => inside`savepoint a`)
      await as('c', () => insert(9, 'c'))
      await Promise.all([
        inside`rollback to a`.execute(),
        as('c', () => insert(10, 'c').execute()),
        insert(11, 'nobody').execute(),
      ])
    })
    expect(await credited()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 11])
    expect(countUnattributed(sql)).toBe(0)
  })

  test('B31 a text of several statements is sent within one write, and its answer is the same as without Daybook', async () => {
    const [own, plain] = [connect(), driver(place.options.connectionString, { max: 1 })]
    onTestFinished(() => plain.end())
    const text = (id: number) =>
      `insert into invoice values (${id}, 'a', 1); select 1 as n, 2 as m; update invoice set total = 2 where id = ${id}`
    const tell = async (work: Promise<unknown>) =>
      JSON.stringify(
        await work.then(
          (results) => (results as driver.RowList<driver.Row[]>[]).map((each) => [each.command, each.count, each]),
          ({ code, position, query, routine }) => [code, position, query, routine],
        ),
      )
    for (const sql of [own, plain]) await sql`select 1`
    place.takeRoundTrips()
    expect(await tell(as('a', () => own.unsafe(text(1))))).toBe(
      (await tell(plain.unsafe(text(2)))).replaceAll('2)', '1)'),
    )
    // One more Sync and one more Query than the two that were asked for.
    expect(place.takeRoundTrips()).toBe(4)
    const failing = "select 1; insert into invoice values (1, 'a', 1)"
    expect(await tell(as('a', () => own.unsafe(failing)))).toBe(await tell(plain.unsafe(failing)))
  })

  test('B31 B32 a stream of COPY has its own context, at no round trip', async () => {
    const sql = connect({ max: 2 })
    const copy = async (on: Sql | driver.TransactionSql, who: string, ...ids: number[]) => {
      const stream = await on`copy invoice from stdin`.writable()
      await pipeline(
        ids.map((id) => `${id}\t${who}\t1\n`),
        stream,
      )
    }
    await sql`select 1`
    place.takeRoundTrips()
    await as('a', () => copy(sql, 'a', 1, 2))
    expect(place.takeRoundTrips()).toBe(1)
    await copy(sql, 'nobody', 3)
    await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        at % 4 === 3
          ? sql.begin((inside) => copy(inside, 'nobody', 10 + at))
          : as(`r${at}`, () => sql.begin((inside) => copy(inside, `r${at}`, 10 + at))),
      ),
    )
    await as('b', () => sql`copy nowhere from stdin`.writable()).then(
      () => expect.unreachable(),
      ({ code }) => expect(code).toBe('42P01'),
    )
    const cut = await as('b', () => sql`copy invoice from stdin`.writable())
    cut.on('error', () => {})
    cut.write('500\tb\t1\n')
    cut.destroy(new Error('changed my mind'))
    await sql.begin((inside) =>
      as('c', async () => {
        const stream = await inside`copy invoice from stdin`.writable()
        await pipeline(['600\tc\t1\n'], stream)
        await inside`update invoice set total = 2 where id = 600`
      }),
    )
    expect(await credited()).toEqual([...[1, 2, 3], ...Array.from({ length: 12 }, (_, at) => 10 + at), 600])
    expect([...(await sql.unsafe(left))]).toEqual([{ context: '' }])
  })

  test('B31 what is written in a callback is credited to who gave it, not to who opened the connection', async () => {
    const sql = connect({ max: 2, onnotice: () => write(7, 'nobody') })
    const writes: Promise<unknown>[] = []
    const write = (id: number, who: string) =>
      writes.push(sql`insert into invoice values (${id}, ${who}, 1)`.execute().then(() => {}))
    await as('opener', async () => {
      await Promise.all([sql`select 1`, sql`select 1`, sql`select 1`])
      // Whoever opened the connections is still there.
      await as('a', () =>
        sql`select 1`.forEach(() => {
          write(1, 'a')
        }),
      )
      await daybook.run({ requestId: 'b' }, () =>
        sql`select generate_series(1, 2) as n`.cursor(1, ([row]) => {
          write(1 + Number(row?.n), 'b')
        }),
      )
      await as('c', async () => {
        for await (const [row] of sql`select generate_series(1, 2) as n`.cursor(1)) write(3 + Number(row?.n), 'c')
      })
      await Promise.all(writes)
      await as('d', async () => {
        const stream = await sql`copy (select 1) to stdout`.readable()
        for await (const _ of stream) write(6, 'd')
        await sql.unsafe("do $$ begin raise notice 'of nobody'; end $$")
      })
      await Promise.all(writes)
    })
    expect(await credited()).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('B40 an event is recorded in the transaction of postgres.js, with its context', async () => {
    const sql = connect()
    await as('a', () => sql`insert into invoice values (1, 'a', 5)`)
    await as('b', () => approve(sql, daybook, 1))
    const { rows } = await place.admin.query(
      'select action, request_id, transaction_id from daybook.entries order by id',
    )
    expect(rows).toEqual([
      { action: 'create', request_id: 'a', transaction_id: expect.anything() },
      { action: 'update', request_id: 'b', transaction_id: rows[2].transaction_id },
      { action: 'invoice.approved', request_id: 'b', transaction_id: rows[1].transaction_id },
    ])
  })

  test('B31 a lost connection takes no context with it to the next one', async () => {
    const sql = connect()
    const kill = () =>
      place.admin.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'postgres.js'")
    await as('a', () => sql`insert into invoice values (1, 'a', 1)`)
    const lost = as('b', () =>
      [sql`select pg_sleep(60)`, sql`insert into invoice values (2, 'b', 1)`].map((each) => each.execute()),
    )
    const refused = expect(Promise.all(lost)).rejects.toThrow()
    while ((await kill()).rowCount === 0) await sleep(5)
    await refused
    await Promise.allSettled(lost)
    // postgres.js tells the next query what the lost connection said last.
    await sql`select 1`.catch(({ code }) => expect(code).toBe('57P01'))
    await sql`insert into invoice values (4, 'nobody', 1)`
    await as('c', () => sql`insert into invoice values (${5}, 'c', 1)`)
    expect(await credited()).toEqual([1, 4, 5])
  })

  test.skipIf(!hasOpenssl)(
    'B31 B33 over TLS the context travels as ever, and a certificate is checked as postgres.js checks it',
    async () => {
      const door = await openTlsDoor(place.options.connectionString)
      onTestFinished(() => door.close())
      const via = (url: string, ssl?: unknown) => {
        const sql = postgres(url, { max: 1, connect_timeout: 5, ...(ssl !== undefined && { ssl: ssl as never }) })
        onTestFinished(() => sql.end({ timeout: 1 }))
        return sql
      }
      await as('a', () => via(door.url, 'require')`insert into invoice values (1, 'a', 1)`)
      await as('b', () => via(`${door.url}?sslmode=require`)`insert into invoice values (2, 'b', 1)`)
      await as('c', () => via(door.url, { ca: door.certificate })`insert into invoice values (3, 'c', 1)`)
      await expect(via(door.url, 'verify-full')`select 1`).rejects.toMatchObject({
        code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      })
      await as('d', () => via(place.options.connectionString, 'prefer')`insert into invoice values (4, 'd', 1)`)
      expect(door.encrypted()).toBe(3)
      expect(await credited()).toEqual([1, 2, 3, 4])
    },
  )

  test('B33 a server that can’t be reached gives the error that postgres.js gives', async () => {
    const errors = await Promise.all(
      [driver, postgres].map((each) =>
        each('postgres://nobody@127.0.0.1:1/nowhere', { connect_timeout: 2 })`select 1`.then(
          () => expect.unreachable(),
          ({ code, errno, syscall, address, port, message }) => ({ code, errno, syscall, address, port, message }),
        ),
      ),
    )
    expect(errors[1]).toEqual(errors[0])
    const sql = connect()
    await sql.end()
    await expect(sql`select 1`).rejects.toMatchObject({ code: 'CONNECTION_ENDED' })
  })

  test('B35 a client that is not bound writes without context, and its entries say so', async () => {
    const sql = driver(place.options.connectionString, { max: 1 })
    onTestFinished(() => sql.end())
    await as('a', () => sql`insert into invoice values (1, 'nobody', 1)`)
    const { rows } = await place.admin.query('select actor_type, actor_id, request_id from daybook.entries')
    expect(rows).toEqual([{ actor_type: 'database', actor_id: 'contract_app', request_id: null }])
  })
})
