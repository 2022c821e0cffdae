import pg from 'pg'
import { writeContext } from '../dist/core/context.js'
import { median, type Result, timeMs } from './measure.ts'
import { CONTEXT, createSampleTables, deleteRows, insertRows, updateRows } from './sample-table.ts'

const ROWS = 10_000
const ROUNDS = 11

/** One statement over 10,000 rows, with and without capture in turn. */
export async function measureBulk(url: string, synchronousCommit: 'on' | 'off'): Promise<Result[]> {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  await createSampleTables(pool)
  await pool.query(`set synchronous_commit = ${synchronousCommit}`)
  const statements = { INSERT: (table: string) => insertRows(table, ROWS), UPDATE: updateRows, DELETE: deleteRows }
  const times = new Map<string, number[]>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, statement] of Object.entries(statements)) {
      for (const table of round % 2 ? ['tracked', 'plain'] : ['plain', 'tracked']) {
        const key = `${name} ${table}`
        times.set(key, [...(times.get(key) ?? []), await timeStatement(pool, statement(table))])
      }
    }
    await pool.query('vacuum plain')
    await pool.query('vacuum tracked')
  }
  await pool.end()
  const must = { INSERT: '≤ 6× and ≤ 12 µs a row', UPDATE: '≤ 6×', DELETE: '≤ 15 µs a row' }
  return Object.entries(must).map(([name, limit]) => {
    const plain = median(times.get(`${name} plain`) ?? [])
    const tracked = median(times.get(`${name} tracked`) ?? [])
    return {
      claim: `${ROWS.toLocaleString('en')}-row ${name}, synchronous_commit ${synchronousCommit}`,
      must: limit,
      measured: `${(tracked / plain).toFixed(1)}×, ${(((tracked - plain) * 1000) / ROWS).toFixed(1)} µs a row added (${plain.toFixed(0)} → ${tracked.toFixed(0)} ms)`,
    }
  })
}

/** With its commit, for that is where the log's own pages are written. */
async function timeStatement(pool: pg.Pool, statement: string): Promise<number> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query("select set_config('daybook.context', $1, true)", [writeContext(CONTEXT)])
    return await timeMs(async () => {
      await client.query(statement)
      await client.query('commit')
    })
  } finally {
    client.release()
  }
}

/** Statements of one row and of 20,000 in one session, in any order: a plan that was cached for the one must not be used for the other. */
export async function measureMixedSizes(url: string): Promise<Result[]> {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  await createSampleTables(pool)
  await pool.query(insertRows('tracked', 20_000))
  const one = (id: number) =>
    pool.query("update tracked set status = 'open ' || clock_timestamp(), updated_at = now() where id = $1", [id])
  const small = async () => {
    const times: number[] = []
    for (let id = 1; id <= 20; id++) times.push(await timeMs(() => one(id)))
    return median(times)
  }
  const large = () => timeMs(() => pool.query(updateRows('tracked')))
  const smallFirst = await small()
  const largeAfterSmall = await large()
  await large()
  const smallAfterLarge = await small()
  await pool.end()
  return [
    {
      claim: 'one-row updates, then 20,000 rows, then one-row updates, in one session',
      must: 'flat in any order',
      measured: `one row ${smallFirst.toFixed(2)} ms, then 20,000 rows ${largeAfterSmall.toFixed(0)} ms, then one row ${smallAfterLarge.toFixed(2)} ms`,
    },
  ]
}
