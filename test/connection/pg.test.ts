import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Duplex } from 'node:stream'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Client, createPool, fromPgPool, type Pool } from '../../src/connection/pg.ts'
import { runInContext, writeContext } from '../../src/core/context.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from '../database.ts'
import { describeContext } from './context-contract.ts'

describeContext('the context on a pool of pg', async () => {
  const { url, close } = await createTestDatabase()
  return { createPool: (max) => createPool({ connectionString: url, max }), close }
})

let testDatabase: TestDatabase
let bare: pg.Pool
let pool: Pool
beforeAll(async () => {
  testDatabase = await createTestDatabase()
  bare = testDatabase.pool
  pool = createPool({ connectionString: testDatabase.url, max: 1 })
  await bare.query('create table t (id int primary key, n int, at timestamptz)')
})
afterAll(async () => {
  await pool.end()
  await testDatabase.close()
})

/** The pool's only client, which goes back when the test is over. */
async function checkOut(): Promise<pg.PoolClient> {
  const client = await pool.connect()
  onTestFinished(() => client.release())
  return client
}

const within = <T>(work: () => T) => runInContext({ requestId: 'r' }, work)

describe('with a context, everything is as it is without Daybook', () => {
  const plain = (result: unknown) =>
    JSON.parse(JSON.stringify(result, (key, value) => (key.startsWith('_') || key === 'tableID' ? undefined : value)))

  test.each<[string, string | pg.QueryConfig | pg.QueryArrayConfig, unknown[]?]>([
    ['rows and fields', 'select 1 as one, null as nothing, now() - now() as zero, array[1, 2] as list'],
    ['bound values', 'select $1::int + 1 as two, $2::jsonb as json', [1, { a: [1] }]],
    ['rows as arrays', { text: 'values (1, 2), (3, 4)', rowMode: 'array' }],
    ['several results', 'select 1 as a; select 2 as b, 3 as c; update t set n = 1'],
    ['no rows', 'select * from t where false'],
    ['rows touched', 'update t set n = 1 where id < 0'],
    ['a command', "do $$ begin raise notice 'hello'; end $$"],
    ['an empty text', ''],
    ['a comment alone', '-- nothing'],
    ['rows of EXPLAIN', 'explain (costs off) select 1'],
    ['a named statement', { name: 'n', text: 'select $1::text as t', values: ['x'] }],
    [
      'types of the caller',
      { text: 'select 42 as n', types: { getTypeParser: () => (value: string) => `<${value}>` } },
    ],
    ['COPY TO', 'copy (select 1) to stdout'],
  ])('results: %s', async (_title, query, values) => {
    const expected = await bare.query(query as string, values)
    expect(plain(await within(() => pool.query(query as string, values)))).toEqual(plain(expected))
  })

  test.each<[string, string | pg.QueryConfig, unknown[]?]>([
    ['a syntax error', 'select 1 +'],
    ['a column that is not there', 'select 1, nowhere from t'],
    ['a unique violation', 'insert into t (id) values (1), (1)'],
    ['an error of the second row', 'select 1 / (2 - n) from generate_series(1, 3) n'],
    ['an error in several statements', 'select 1; select nowhere'],
    ['a wrong number of values', 'select $1::int, $2::int', [1]],
    ['several statements with values', 'select $1::int; select 2', [1]],
    ['a value that does not fit', 'select $1::int', ['x']],
    [
      'a raised error',
      "do $$ begin raise exception using errcode = 'AB123', message = 'm', detail = 'd', hint = 'h'; end $$",
    ],
    ['COPY FROM STDIN without a stream', 'copy t from stdin'],
    ['a statement that needs a transaction', 'lock table t'],
    ['a named statement in error', { name: 'bad', text: 'select nowhere' }],
  ])('errors: %s', async (_title, query, values) => {
    const failure = async (on: pg.Pool) => {
      const error = await on.query(query as string, values).then(
        () => undefined,
        (thrown) => thrown,
      )
      const { code, message, position, detail, hint, severity, constraint, where } = error
      return { code, message, position, detail, hint, severity, constraint, where }
    }
    expect(await within(() => failure(pool))).toEqual(await failure(bare))
    expect(await within(() => pool.query('select 1 as still_works'))).toMatchObject({ rows: [{ still_works: 1 }] })
  })

  test('callbacks, an error to a callback, and what is thrown at once', async () => {
    const client = await checkOut()
    await within(async () => {
      const results = await new Promise((done) => {
        expect(client.query('select 1 as one', (_error, result) => done(result.rows))).toBeUndefined()
      })
      expect(results).toEqual([{ one: 1 }])
      const config = { text: 'select 2 as two', callback: undefined as unknown }
      expect(
        await new Promise((done) => {
          config.callback = (_error: unknown, result: pg.QueryResult) => done(result.rows)
          client.query(config as never)
        }),
      ).toEqual([{ two: 2 }])
      const error = await new Promise<Error>((done) => client.query('select nowhere', [], (failure) => done(failure)))
      expect(error.message).toContain('nowhere')
      expect(() => client.query(null as never)).toThrow('null or undefined')
      expect(() => client.query('select 1', [], 'no function' as never)).toThrow('callback is not a function')
    })
  })

  test('a query of pg is queued with its events, and carries the context', async () => {
    const client = await checkOut()
    const query = within(() => client.query(new pg.Query("select current_setting('daybook.context') as context")))
    const rows: unknown[] = []
    query.on('row', (row) => rows.push(row))
    await once(query, 'end')
    expect(rows).toEqual([{ context: writeContext({ requestId: 'r' }) }])
  })

  test('notices, notifications and a statement timeout of one query', async () => {
    const client = new Client(testDatabase.url)
    await client.connect()
    const heard: unknown[] = []
    client.on('notice', (notice) => heard.push(notice.message))
    client.on('notification', (notification) => heard.push(notification.payload))
    await within(async () => {
      await client.query('listen channel')
      await client.query("do $$ begin raise notice 'one'; end $$")
      await client.query("select pg_notify('channel', 'two')")
      await client.query('select 1')
      await expect(client.query({ text: 'select pg_sleep(10)', query_timeout: 20 } as never)).rejects.toThrow('timeout')
    })
    expect(heard).toEqual(['one', 'two'])
    await client.end()
  })
})

/** Counts what goes over a connection: writes to the socket, and messages of the server by their type. */
function listen(client: pg.Client): { writes: number; replies: string } {
  const { stream } = client.connection as unknown as { stream: Duplex }
  const seen = { writes: 0, replies: '' }
  const write = stream.write.bind(stream)
  const push = (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += 1 + chunk.readInt32BE(at + 1))
      seen.replies += String.fromCharCode(chunk[at] ?? 0)
  }
  stream.on('data', push)
  stream.write = ((...args: Parameters<typeof write>) => {
    seen.writes += 1
    return write(...args)
  }) as typeof write
  return seen
}

describe('what goes over the wire', () => {
  test.each([
    ['a bound statement', () => pool.query('insert into t values ($1)', [10])],
    ['a text alone', () => pool.query('insert into t values (11)')],
    ['a named statement', () => pool.query({ name: 'i', text: 'insert into t values ($1)', values: [12] })],
  ])('the context of %s costs no round trip: one batch, one ReadyForQuery', async (_title, run) => {
    const client = await pool.connect()
    const seen = listen(client)
    client.release()
    await within(run)
    expect(seen.replies.split('Z').length - 1).toBe(1)
    // Bind and Execute of the context, its Parse only once a connection, and then the statement's own.
    expect(seen.replies).toMatch(/^1?2C1?2.*CZ$/)
    await within(() => pool.query('select (1)'))
    expect(seen.replies).toMatch(/Z2C12TDCZ$/)
  })

  test('a SELECT that calls nothing goes as it is, alone and first in a transaction', async () => {
    const client = await pool.connect()
    const seen = listen(client)
    await within(async () => {
      await client.query('select * from t where n = $1', [1])
      await client.query('begin')
      await client.query('select * from t for update')
      expect(seen.replies.replaceAll('D', '')).toBe('12TCZCZTCZ')
      const { rows } = await client.query("insert into t values (13) returning current_setting('daybook.context') as c")
      expect(rows[0].c).toBe(writeContext({ requestId: 'r' }))
    })
    await client.query('rollback')
    client.release()
  })

  test.each([
    ['forgotten', 'deallocate all'],
    ['somebody else’s', 'prepare daybook_set_context as select 1'],
  ])(
    'B31 B33 a prepared context that is %s costs one more round trip, once, and nothing else',
    async (_title, command) => {
      const own = createPool({ connectionString: testDatabase.url, max: 1 })
      try {
        if (command.startsWith('deallocate')) await within(() => own.query('select (1)'))
        await own.query(command)
        const client = await own.connect()
        const seen = listen(client)
        client.release()
        const { rows } = await within(() =>
          own.query({
            name: 'insert',
            text: "insert into t values ($1) returning current_setting('daybook.context') as context",
            values: [40],
          }),
        )
        expect(rows[0].context).toBe(writeContext({ requestId: 'r' }))
        expect(seen.replies).toBe('EZ12C12TDCZ')
        const before = seen.replies.length
        await within(() => own.query('select (1)'))
        expect(seen.replies.slice(before)).toBe('12C12TDCZ')
        expect(own.unattributed).toBe(0)
        expect((await own.query('select count(*)::int as n from t where id = 40')).rows).toEqual([{ n: 1 }])
        await own.query('delete from t where id = 40')
      } finally {
        await own.end()
      }
    },
  )

  test('in a transaction the context is sent once, with the first statement that writes', async () => {
    const client = await checkOut()
    const seen = listen(client)
    await within(async () => {
      await client.query('begin')
      expect(seen.replies).toBe('CZ')
      await client.query('select 1')
      await client.query('savepoint a')
      await client.query('insert into t values (20)')
      await client.query('release a')
      await client.query('select $1::int', [1])
      await client.query('commit')
    })
    expect(seen.replies.split('Z').length - 1).toBe(7)
    // ParseComplete comes for the context, for the first statement and for the one with a value.
    expect([...seen.replies].filter((type) => type === '1').length).toBe(3)
  })

  test('without a context nothing is added', async () => {
    const client = await checkOut()
    const seen = listen(client)
    await client.query('select 1')
    expect(seen.replies).toBe('TDCZ')
  })

  test('several statements in one text cost one more round trip', async () => {
    const client = await checkOut()
    const seen = listen(client)
    await within(() => client.query('insert into t values (30); insert into t values (31)'))
    expect(seen.replies).toMatch(/^[12DC]+Z+CCZCZ$/)
  })

  /** Speaks the extended protocol itself, as cursors do: rows are asked for when somebody reads. */
  function cursor(text: string) {
    const rows: string[] = []
    let finish: () => void
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    return {
      finished: finished.then(() => rows),
      submit(connection: pg.Connection) {
        const wire = connection as unknown as Record<string, (message?: object) => void>
        wire.parse?.({ text })
        wire.bind?.({})
        wire.execute?.({ rows: 1 })
        wire.flush?.()
        this.connection = wire
      },
      connection: {} as Record<string, (message?: object) => void>,
      handleDataRow: (message: { fields: string[] }) => rows.push(String(message.fields[0])),
      handlePortalSuspended() {
        this.connection.execute?.({ rows: 1 })
        this.connection.flush?.()
      },
      handleCommandComplete() {
        this.connection.sync?.()
      },
      handleReadyForQuery: () => finish(),
      handleError: () => finish(),
    }
  }

  test('B33 a cursor carries the context, outside a transaction and within one', async () => {
    const client = await checkOut()
    const read = () => {
      const query = cursor("select current_setting('daybook.context', true) from generate_series(1, 2)")
      client.query(query as never)
      return query.finished
    }
    const before = pool.unattributed
    const expected = [writeContext({ requestId: 'r' }), writeContext({ requestId: 'r' })]
    expect(await within(read)).toEqual(expected)
    expect(await read()).toEqual(['', ''])
    await client.query('begin')
    expect(await within(read)).toEqual(expected)
    expect(await read()).toEqual(['', ''])
    await client.query('commit')
    expect(pool.unattributed).toBe(before)
  })

  test('a stream over a simple query goes as it is, and is counted', async () => {
    const other = createPool({ connectionString: testDatabase.url, max: 1 })
    const client = await other.connect()
    let done: () => void
    const finished = new Promise<void>((resolve) => {
      done = resolve
    })
    const stream = {
      submit: (connection: pg.Connection) => connection.query('insert into t values (40)'),
      handleCommandComplete: () => {},
      handleReadyForQuery: () => done(),
      handleError: () => done(),
    }
    within(() => client.query(stream as never))
    await finished
    expect(other.unattributed).toBe(1)
    client.release()
    await other.end()
  })
})

describe('the pool and the client', () => {
  test('the pool is a pg.Pool, and its options stay as they were', async () => {
    const options = Object.freeze({ connectionString: testDatabase.url, max: 2, application_name: 'shop' })
    const other = createPool(options)
    expect(other).toBeInstanceOf(pg.Pool)
    expect((await other.query('show application_name')).rows).toEqual([{ application_name: 'shop' }])
    await other.end()
  })

  test('the client carries the context by itself, for ORMs that ask for a class', async () => {
    const client = new Client(testDatabase.url)
    await within(() => client.connect())
    const read = async () =>
      (await client.query("select coalesce(current_setting('daybook.context', true), '') as c")).rows[0].c
    expect(await within(read)).toBe(writeContext({ requestId: 'r' }))
    expect(await read()).toBe('')
    await client.end()
  })

  test('B31 statements of a pipeline carry each its own context, with nothing added to the number of answers', async () => {
    const other = createPool({ connectionString: testDatabase.url, max: 1, pipeline: true })
    const client = await other.connect()
    const seen = listen(client)
    const read = async () =>
      (await client.query("select coalesce(current_setting('daybook.context', true), '') as c")).rows[0].c
    expect(await Promise.all([within(read), read(), within(read)])).toEqual([
      writeContext({ requestId: 'r' }),
      '',
      writeContext({ requestId: 'r' }),
    ])
    expect(seen.replies.split('Z').length - 1).toBe(3)
    client.release()
    await other.end()
  })

  test('B31 what a connection sets off is not credited to the request that opened it', async () => {
    const client = new Client(testDatabase.url)
    const written = await within(async () => {
      await client.connect()
      await client.query('listen later')
      const heard = new Promise((done, fail) => {
        client.on('notification', () => {
          const query = client.query("select coalesce(current_setting('daybook.context', true), '') as c")
          query.then(({ rows }) => done(rows[0].c), fail)
        })
      })
      await bare.query('notify later')
      return heard
    })
    expect(written).toBe('')
    await client.end()
  })
})

describe('a database that cannot be reached', () => {
  const reach = async (options: pg.PoolConfig) => {
    const unreachable = createPool(options)
    const error = await fromPgPool(unreachable)
      .query('select 1')
      .then(
        () => undefined,
        (thrown) => thrown,
      )
    await unreachable.end()
    return error
  }

  test('a server that does not listen: host, port, database and user are named, the password is not', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    server.close()
    const error = await reach({ connectionString: `postgres://ann:s3cret@127.0.0.1:${port}/shop` })
    expect(error).toMatchObject({
      code: 'database_unreachable',
      message: `The database shop on 127.0.0.1:${port}, as ann, can't be reached: nothing listens there. Start the server, or correct the host and the port.`,
      details: { host: '127.0.0.1', port, database: 'shop', user: 'ann' },
    })
    expect(JSON.stringify([error.message, error.details])).not.toContain('s3cret')
  })

  test('a server that accepts and never answers', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const error = await reach({ host: '127.0.0.1', port, user: 'ann', database: 'shop', connectionTimeoutMillis: 50 })
    expect(error).toMatchObject({
      code: 'database_unreachable',
      message: expect.stringContaining('no connection came about in time'),
    })
    server.close()
  })

  test('an unknown host, database or user, and a wrong password', async () => {
    await createLoginRole(bare, 'connection_guest')
    const url = (changes: Partial<URL>) => ({
      connectionString: Object.assign(new URL(testDatabase.url), changes).href,
    })
    const unknownHost = await reach(url({ hostname: 'nowhere.invalid' }))
    expect(unknownHost).toMatchObject({
      code: 'database_unreachable',
      message: expect.stringMatching(/host.*(not known|could not be looked up)/),
    })
    expect(await reach(url({ pathname: '/nowhere' }))).toMatchObject({
      code: 'database_unreachable',
      message: expect.stringContaining('no such database'),
    })
    expect(await reach(url({ username: 'connection_guest', password: 'wrong' }))).toMatchObject({
      code: 'database_unreachable',
      message: expect.stringContaining('the password was not accepted'),
    })
  })

  test('a connection that breaks in a transaction is an error of that transaction, and leaves the pool', async () => {
    const other = createPool({ connectionString: testDatabase.url, max: 1 })
    const database = fromPgPool(other)
    await expect(
      database.transaction(async (inside) => {
        const { rows } = await inside.query<{ pid: number }>('select pg_backend_pid() as pid')
        await bare.query('select pg_terminate_backend($1)', [rows[0]?.pid])
        await inside.query('select 1')
      }),
    ).rejects.toThrow()
    expect((await database.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await other.end()
  })
})
