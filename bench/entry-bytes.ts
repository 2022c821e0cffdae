import pg from 'pg'
import { createPool } from '../dist/connection/pg.js'
import { runInContext } from '../dist/core/context.js'
import type { Result } from './measure.ts'
import { CONTEXT, createSampleTables, insertRows, updateRows } from './sample-table.ts'

const ALONE = 5000
const BULK = 20_000

/** What an update of two fields takes on disk, with a full context and all indexes: once a statement each, and in one statement. */
export async function measureEntryBytes(url: string): Promise<Result[]> {
  const bare = new pg.Pool({ connectionString: url, max: 1 })
  const carrying = createPool({ connectionString: url, max: 1 })
  await createSampleTables(bare)
  await bare.query(insertRows('tracked', BULK))
  const grownBy = async (count: number, work: () => Promise<unknown>) => {
    const before = await logBytes(bare)
    await runInContext(CONTEXT, work)
    return Math.round(((await logBytes(bare)) - before) / count)
  }
  const alone = await grownBy(ALONE, async () => {
    for (let id = 1; id <= ALONE; id++) {
      await carrying.query("update tracked set status = 'paid', updated_at = clock_timestamp() where id = $1", [id])
    }
  })
  const bulk = await grownBy(BULK, () => carrying.query(updateRows('tracked')))
  await Promise.all([bare.end(), carrying.end()])
  return [
    { claim: 'bytes an update of two fields, alone', must: '≤ 700', measured: String(alone) },
    { claim: 'bytes an update of two fields, in a bulk', must: '≤ 450', measured: String(bulk) },
  ]
}

async function logBytes(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(
    "select sum(pg_total_relation_size(inhrelid))::bigint::text as bytes from pg_inherits where inhparent = 'daybook.entry'::regclass",
  )
  return Number(rows[0]?.bytes)
}
