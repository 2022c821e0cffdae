import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createPool } from '../dist/connection/pg.js'
import { runInContext } from '../dist/core/context.js'
import type { Result } from './measure.ts'
import { CONTEXT, createSampleTables, insertRows } from './sample-table.ts'

const CLIENTS = 16
const HOT_ROWS = 50
const THINK_MS = 5
const ROUND_MS = 2000
const ROUNDS = 6

/** What the clients of one side did: transactions that were committed, and those that PostgreSQL gave up to end a deadlock. */
interface Tally {
  committed: number
  deadlocks: number
}

/**
 * Clients that each update two of a few rows in one transaction, think, and go on: on a plain table through a bare pool, and on a tracked
 * one through Daybook's pool with a full context, in turn. Rows taken in any order deadlock without Daybook too; in the rows' order never.
 */
export async function measureConcurrency(url: string): Promise<Result[]> {
  // With a second of waiting for each deadlock, a few more or fewer of them would decide the ratio.
  const options = { connectionString: url, max: CLIENTS, options: '-c deadlock_timeout=50ms' }
  const bare = new pg.Pool(options)
  const carrying = createPool(options)
  await createSampleTables(bare)
  for (const table of ['plain', 'tracked']) await bare.query(insertRows(table, HOT_ROWS))
  const sides = [
    { pool: bare, table: 'plain' },
    { pool: carrying, table: 'tracked' },
  ] as const
  const random = { plain: { committed: 0, deadlocks: 0 }, tracked: { committed: 0, deadlocks: 0 } }
  const ordered = { plain: { committed: 0, deadlocks: 0 }, tracked: { committed: 0, deadlocks: 0 } }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { pool, table } of round % 2 ? sides : sides.toReversed()) {
      await compete(pool, table, anyTwo, random[table])
      await compete(pool, table, () => anyTwo().sort((a, b) => a - b), ordered[table])
    }
  }
  await Promise.all([bare.end(), carrying.end()])
  return [
    {
      claim: `${CLIENTS} clients, two of ${HOT_ROWS} rows each, in any order, ${THINK_MS} ms of think time`,
      must: '≥ 0.8 of the throughput',
      measured: `${throughput(random)}, deadlocks ${often(random.plain)} → ${often(random.tracked)}`,
    },
    {
      claim: 'the same, in the order of the rows',
      must: 'no deadlock',
      measured: `${throughput(ordered)}, deadlocks ${often(ordered.plain)} → ${often(ordered.tracked)}`,
    },
  ]
}

function anyTwo(): [number, number] {
  const first = 1 + Math.floor(Math.random() * HOT_ROWS)
  const second = 1 + Math.floor(Math.random() * (HOT_ROWS - 1))
  return [first, second < first ? second : second + 1]
}

async function compete(pool: pg.Pool, table: string, choose: () => number[], tally: Tally): Promise<void> {
  const end = performance.now() + ROUND_MS
  const work = async () => {
    while (performance.now() < end) {
      try {
        await runInContext(CONTEXT, () => updateBoth(pool, table, choose()))
        tally.committed += 1
      } catch (error) {
        if ((error as { code?: unknown }).code !== '40P01') throw error
        tally.deadlocks += 1
      }
      await sleep(THINK_MS)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
}

async function updateBoth(pool: pg.Pool, table: string, ids: readonly number[]): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    for (const id of ids) {
      await client.query(`update ${table} set amount = amount + 1, updated_at = clock_timestamp() where id = $1`, [id])
    }
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

function throughput({ plain, tracked }: { plain: Tally; tracked: Tally }): string {
  const rate = ({ committed }: Tally) => Math.round((committed * 1000) / (ROUNDS * ROUND_MS))
  return `${(tracked.committed / plain.committed).toFixed(2)} (${rate(plain)} → ${rate(tracked)} transactions a second)`
}

function often({ committed, deadlocks }: Tally): string {
  return `${deadlocks} of ${(committed + deadlocks).toLocaleString('en')}`
}
