import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import type { Inside, OpenSubject, Session } from './subject.ts'

type Values = readonly unknown[]
type Send = (client: pg.ClientBase | pg.Pool, text: string, values: Values) => Promise<unknown>
type Release = (error?: Error) => void

/** How a client is had from the pool. */
type Acquire = (pool: pg.Pool) => Promise<[pg.ClientBase, Release]>

const acquireByPromise: Acquire = async (pool) => {
  const client = await pool.connect()
  return [client, (error) => client.release(error)]
}

const acquireByCallback: Acquire = (pool) =>
  new Promise((done, fail) => {
    pool.connect((error, client, release) => {
      if (error || !client) fail(error)
      else done([client, release])
    })
  })

const sendByPromise: Send = (client, text, values) => client.query(text, [...values])

const sendByCallback: Send = (client, text, values) =>
  new Promise((done, fail) => {
    client.query(text, [...values], (error, result) => (error ? fail(error) : done(result)))
  })

const sendNamed: Send = (client, text, values) =>
  client.query({ name: createHash('md5').update(text).digest('hex'), text, values: [...values] })

const sendByCursor: Send = async (client, text, values) => {
  const cursor = (client as pg.ClientBase).query(new Cursor(text, [...values]))
  try {
    const rows = await cursor.read(1)
    // Asked once more, the portal says that it is at its end.
    return [...rows, ...(await cursor.read(10))]
  } finally {
    await cursor.close()
  }
}

const sendByStream: Send = async (client, text, values) => {
  const rows: unknown[] = []
  const stream = (client as pg.ClientBase).query(new QueryStream(text, [...values], { batchSize: 2 }))
  for await (const row of stream) rows.push(row)
  return rows
}

interface Way {
  readonly send?: Send
  readonly acquire?: Acquire
  /** Cursors and streams are a client's, not a pool's. */
  readonly onClientsOnly?: boolean
}

/** Everything that can be sent with `pg`, each as a subject of the contract. */
function plainPg({ send = sendByPromise, acquire = acquireByPromise, onClientsOnly = false }: Way): OpenSubject {
  return ({ pg, options }) => {
    const pool = new pg.Pool(options)

    async function withClient<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
      const [client, release] = await acquire(pool)
      try {
        return await work(client)
      } finally {
        release()
      }
    }

    const session = sessionOf((text, values) =>
      onClientsOnly ? withClient((client) => send(client, text, values)) : send(pool, text, values),
    )

    return {
      session,
      transaction: (work, level) =>
        withClient(async (client) => {
          await client.query(level ? `begin isolation level ${level}` : 'begin')
          try {
            const result = await work(insideOf(client, send))
            await client.query('commit')
            return result
          } catch (error) {
            await client.query('rollback')
            throw error
          }
        }),
      close: () => pool.end(),
    }
  }
}

function sessionOf(run: (text: string, values: Values) => Promise<unknown>): Session {
  return {
    insert: (id, who, total) => run('insert into invoice values ($1, $2, $3) returning *', [id, who, total]),
    update: (id, total) => run('update invoice set total = $2 where id = $1', [id, total]),
    remove: (id) => run('delete from invoice where id = $1 returning id', [id]),
    read: (who) => run('select * from invoice where who = $1 order by id', [who]),
    async query(text, values = []) {
      const result = (await run(text, values)) as Record<string, unknown>[] | pg.QueryResult
      return Array.isArray(result) ? result : result.rows
    },
  }
}

function insideOf(client: pg.ClientBase, send: Send, depth = 1): Inside {
  return {
    ...sessionOf((text, values) => send(client, text, values)),
    async nested(work) {
      await client.query(`savepoint nested_${depth}`)
      try {
        const result = await work(insideOf(client, send, depth + 1))
        await client.query(`release savepoint nested_${depth}`)
        return result
      } catch (error) {
        await client.query(`rollback to savepoint nested_${depth}`)
        throw error
      }
    },
  }
}

/** A row comes in by COPY FROM STDIN and goes out by COPY TO STDOUT; what else there is goes as ever. */
const copyStreams: Send = async (client, text, values) => {
  if (text.startsWith('insert into invoice')) {
    const stream = (client as pg.ClientBase).query(copyFrom('copy invoice from stdin'))
    await pipeline([`${values.join('\t')}\n`], stream)
    return stream.rowCount
  }
  if (text.startsWith('select * from invoice')) {
    const chunks: Buffer[] = []
    const [who] = values
    const stream = (client as pg.ClientBase).query(
      copyTo(`copy (select * from invoice where who = '${who}' order by id) to stdout`),
    )
    for await (const chunk of stream) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
  return sendByPromise(client, text, values)
}

export const PROMISES = plainPg({})
export const CALLBACKS = plainPg({ send: sendByCallback, acquire: acquireByCallback })
export const NAMED = plainPg({ send: sendNamed })
export const CURSORS = plainPg({ send: sendByCursor, onClientsOnly: true })
export const QUERY_STREAMS = plainPg({ send: sendByStream, onClientsOnly: true })
export const COPY_STREAMS = plainPg({ send: copyStreams, onClientsOnly: true })

/** Of the work that is compared: five copies outside of a transaction at two each, four as the first statement of one. */
export const COPY_ROUND_TRIPS = 14
