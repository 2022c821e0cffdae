import pg from 'pg'
import { createPool } from '../src/connection/pg.ts'
import { runInContext } from '../src/core/context.ts'
import { median, type Result, timeMs } from './measure.ts'
import { CONTEXT, createSampleTables, insertRows } from './sample-table.ts'

const ROUNDS = 1500

const STATEMENTS = {
  create: (table: string) =>
    `insert into ${table} values ($1, '2024-0117', 'open', 10.5, 'Due on receipt, call first', date '2024-01-01', false, 7, '{"a": 1}', 'EUR', now(), now())`,
  update: (table: string) => `update ${table} set status = 'paid', updated_at = clock_timestamp() where id = $1`,
  delete: (table: string) => `delete from ${table} where id = $1`,
} as const

/** One row in a transaction of its own through `pg`: a bare pool on a plain table, and Daybook's pool with a full context on a tracked one. */
export async function measureOneRow(url: string, synchronousCommit: 'on' | 'off'): Promise<Result[]> {
  const options = { connectionString: url, max: 1, options: `-c synchronous_commit=${synchronousCommit}` }
  const bare = new pg.Pool(options)
  const carrying = createPool(options)
  await createSampleTables(bare)
  // Updates and deletes find a table that holds something.
  for (const table of ['plain', 'tracked']) await bare.query(insertRows(table, 10_000))
  const times = new Map<string, number[]>()
  const first = 1_000_000
  for (let id = first; id < first + ROUNDS; id++) {
    for (const [name, statement] of Object.entries(STATEMENTS)) {
      const sides: [string, () => Promise<unknown>][] = [
        ['plain', () => bare.query(statement('plain'), [id])],
        ['tracked', () => carrying.query(statement('tracked'), [id])],
      ]
      for (const [side, run] of id % 2 ? sides : sides.toReversed()) {
        const ms = await runInContext(CONTEXT, () => timeMs(run))
        const key = `${name} ${side}`
        times.set(key, [...(times.get(key) ?? []), ms])
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
