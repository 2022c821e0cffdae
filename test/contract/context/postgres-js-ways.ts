import { Pool } from 'daybook/connection/pg'
import { bindPostgresJs } from 'daybook/connection/postgres-js'
import postgres, { type ReservedSql, type TransactionSql } from 'postgres'
import oldest from 'postgres-3.4'
import type { Inside, OpenSubject, Session } from './subject.ts'

export type Sql = postgres.Sql | TransactionSql | ReservedSql

/** How a statement of a template is sent, and what is told of what came back. */
type Send = (sql: Sql, strings: TemplateStringsArray, values: readonly unknown[]) => Promise<unknown>

const query = (sql: Sql, strings: TemplateStringsArray, values: readonly unknown[]) =>
  sql(strings, ...(values as never[]))

/** All that a result tells but for what each connection numbers by itself. */
function tell({ count, command, columns, statement, ...rows }: postgres.RowList<postgres.Row[]>) {
  return { rows: Object.values(rows), count, command, columns, text: statement?.string, types: statement?.types }
}

const byTag: Send = async (sql, strings, values) => tell(await query(sql, strings, values))

const byValues: Send = async (sql, strings, values) =>
  tell(
    await sql.unsafe(
      strings.reduce((text, part, at) => `${text}$${at}${part}`),
      [...values] as never[],
    ),
  )

/** In a Query message, which takes no values. */
const bySimpleText: Send = async (sql, strings, values) => tell(await sql.unsafe(literally(strings, values)))

const byCursor: Send = async (sql, strings, values) => {
  const batches: unknown[] = []
  for await (const rows of query(sql, strings, values).cursor(1)) batches.push([...rows])
  return batches
}

const byCursorCallback: Send = async (sql, strings, values) => {
  const batches: unknown[] = []
  const end = await query(sql, strings, values).cursor(2, (rows) => {
    batches.push([...rows])
  })
  return { batches, end }
}

const byForEach: Send = async (sql, strings, values) => {
  const rows: unknown[] = []
  const { count, command } = await query(sql, strings, values).forEach((row) => {
    rows.push(row)
  })
  return { rows, count, command }
}

/** Started before it is awaited, and its values as a list. */
const byValuesOnly: Send = async (sql, strings, values) => {
  const started = query(sql, strings, values).values().execute()
  await null
  return [...(await started)]
}

/**
 * Rows go out by COPY TO STDOUT; what else there is goes as ever. (A COPY FROM STDIN that is refused never tells in postgres.js itself, so
 * that it can't be compared.)
 */
const byCopy: Send = async (sql, strings, values) => {
  if (!strings[0]?.startsWith('select * from invoice')) return byTag(sql, strings, values)
  const chunks: Buffer[] = []
  const stream = await sql.unsafe(`copy (${literally(strings, values)}) to stdout`).readable()
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function literally(strings: TemplateStringsArray, values: readonly unknown[]): string {
  return strings.reduce((text, part, at) => `${text}'${values[at - 1]}'${part}`)
}

function sessionOf(sql: Sql, send: Send): Session {
  const run = (strings: TemplateStringsArray, ...values: unknown[]) => send(sql, strings, values)
  return {
    insert: (id, who, total) => run`insert into invoice values (${id}, ${who}, ${total}) returning *`,
    update: (id, total) => run`update invoice set total = ${total} where id = ${id}`,
    remove: (id) => run`delete from invoice where id = ${id} returning id`,
    read: (who) => run`select * from invoice where who = ${who} order by id`,
    query: async (text, values = []) => [...(await sql.unsafe(text, values as never[]))],
  }
}

function insideOf(sql: TransactionSql, send: Send): Inside {
  return {
    ...sessionOf(sql, send),
    nested: (work) => sql.savepoint((inner) => work(insideOf(inner, send))) as never,
  }
}

/** A transaction of the application's own, on a connection that it has reserved. */
function insideOfReserved(sql: ReservedSql, send: Send, depth = 1): Inside {
  return {
    ...sessionOf(sql, send),
    async nested(work) {
      const name = sql(`nested_${depth}`)
      await sql`savepoint ${name}`
      try {
        const result = await work(insideOfReserved(sql, send, depth + 1))
        await sql`release savepoint ${name}`
        return result
      } catch (error) {
        await sql`rollback to savepoint ${name}`
        throw error
      }
    },
  }
}

type More = Partial<Parameters<typeof postgres>[1] & object>

function postgresJs(send: Send, more: More = {}, driver = postgres): OpenSubject {
  return ({ pg, options }) => {
    const carries = pg.Pool === Pool
    const sql = (carries ? bindPostgresJs(driver) : driver)(options.connectionString, { max: options.max, ...more })
    return {
      session: sessionOf(sql, send),
      transaction: (work, level) =>
        sql.begin(level ? `isolation level ${level}` : '', (inside) => work(insideOf(inside, send))) as never,
      close: () => sql.end(),
    }
  }
}

const reserved: OpenSubject = ({ pg, options }) => {
  const carries = pg.Pool === Pool
  const sql = (carries ? bindPostgresJs(postgres) : postgres)(options.connectionString, { max: options.max })
  const reserving = async <T>(work: (own: ReservedSql) => Promise<T>) => {
    const own = await sql.reserve()
    try {
      return await work(own)
    } finally {
      own.release()
    }
  }
  const session =
    (name: 'insert' | 'update' | 'remove' | 'read' | 'query') =>
    (...args: never[]) =>
      reserving((own) => (sessionOf(own, byTag)[name] as (...args: never[]) => Promise<never>)(...args))
  return {
    session: {
      insert: session('insert'),
      update: session('update'),
      remove: session('remove'),
      read: session('read'),
      query: session('query'),
    } as Session,
    transaction: (work, level) =>
      reserving(async (own) => {
        await own.unsafe(level ? `begin isolation level ${level}` : 'begin')
        try {
          const result = await work(insideOfReserved(own, byTag))
          await own`commit`
          return result
        } catch (error) {
          await own`rollback`
          throw error
        }
      }),
    close: () => sql.end(),
  }
}

/** Everything that can be sent with postgres.js, each as a subject of the contract. */
export const WAYS = {
  'prepared statements': postgresJs(byTag),
  'prepared statements, of the oldest version': postgresJs(byTag, {}, oldest as never),
  'texts alone, of the oldest version': postgresJs(bySimpleText, {}, oldest as never),
  'statements that are not prepared': postgresJs(byTag, { prepare: false }),
  'a text and its values': postgresJs(byValues),
  'a text alone, in a Query message': postgresJs(bySimpleText),
  cursors: postgresJs(byCursor),
  'cursors with a callback': postgresJs(byCursorCallback),
  'a callback for each row': postgresJs(byForEach),
  'values alone': postgresJs(byValuesOnly),
  'streams of COPY': postgresJs(byCopy),
  'reserved connections': reserved,
} as const satisfies Readonly<Record<string, OpenSubject>>
