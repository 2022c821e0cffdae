import pg from 'pg'
import { createPool } from '../dist/connection/pg.js'
import { runInContext } from '../dist/core/context.js'
import { median, type Result, timeMs } from './measure.ts'
import { CONTEXT, createSampleTables, insertRows } from './sample-table.ts'

const BLOCKS = 60
const BLOCK = 25

const STATEMENTS = {
  create: (table: string) =>
    `insert into ${table} values ($1, '2024-0117', 'open', 10.5, 'Due on receipt, call first', date '2024-01-01', false, 7, '{"a": 1}', 'EUR', now(), now())`,
  update: (table: string) => `update ${table} set status = 'paid', updated_at = clock_timestamp() where id = $1`,
  delete: (table: string) => `delete from ${table} where id = $1`,
} as const

/**
 * One row in a transaction of its own through `pg`: a bare pool on a plain table, and Daybook's pool with a full context on a tracked one.
 * In turns of 25 statements: at each statement, the other side's server process would find the processor's caches full of this one's.
 */
export async function measureOneRow(url: string, synchronousCommit: 'on' | 'off'): Promise<Result[]> {
  const options = { connectionString: url, max: 1, options: `-c synchronous_commit=${synchronousCommit}` }
  const bare = new pg.Pool(options)
  const carrying = createPool(options)
  await createSampleTables(bare)
  // Updates and deletes find a table that holds something.
  for (const table of ['plain', 'tracked']) await bare.query(insertRows(table, 10_000))
  const sides: [string, pg.Pool][] = [
    ['plain', bare],
    ['tracked', carrying],
  ]
  const times = new Map<string, number[]>()
  for (let block = 0; block < BLOCKS; block++) {
    const ids = Array.from({ length: BLOCK }, (_, index) => 1_000_000 + block * BLOCK + index)
    for (const [table, pool] of block % 2 ? sides : sides.toReversed()) {
      for (const [name, statement] of Object.entries(STATEMENTS)) {
        const key = `${name} ${table}`
        for (const id of ids) {
          const ms = await runInContext(CONTEXT, () => timeMs(() => pool.query(statement(table), [id])))
          times.set(key, [...(times.get(key) ?? []), ms])
        }
      }
    }
  }
  await Promise.all([bare.end(), carrying.end()])
  return Object.keys(STATEMENTS).map((name) => {
    const plain = median(times.get(`${name} plain`) ?? [])
    const tracked = median(times.get(`${name} tracked`) ?? [])
    return {
      claim: `one-row ${name} through pg with context, synchronous_commit ${synchronousCommit}`,
      must: synchronousCommit === 'off' ? '≤ 1.8×' : '≤ 1.5×',
      measured: `${(tracked / plain).toFixed(2)}×, ${((tracked - plain) * 1000).toFixed(0)} µs added (${(plain * 1000).toFixed(0)} → ${(tracked * 1000).toFixed(0)} µs)`,
    }
  })
}
