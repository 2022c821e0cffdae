import type pg from 'pg'
import { install, track } from '../dist/capture/postgres/index.js'
import { fromPgPool } from '../dist/connection/pg.js'
import type { Context } from '../dist/core/context.js'

/** A full context, as a request of a signed-in person has it. */
export const CONTEXT: Context = {
  actor: { type: 'user', id: '4711', label: 'ada@example.com' },
  ipAddress: '203.0.113.9',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  route: 'PATCH /invoices/:id',
  requestId: '0193f2c8-7c1e-7b9a-8c1e-7b9a0193f2c8',
}

const COLUMNS = `id int primary key, number text, status text, amount numeric(12, 2), notes text, due date, paid boolean,
  customer_id int, meta jsonb, currency text, created_at timestamptz, updated_at timestamptz`

/** Two tables of the same twelve columns: `plain`, and `tracked` with the log as it ships. */
export async function createSampleTables(pool: pg.Pool): Promise<void> {
  const database = fromPgPool(pool)
  await install(database)
  await pool.query(`create table plain (${COLUMNS}); create table tracked (${COLUMNS})`)
  await track(database, 'public.tracked', { model: 'Invoice', label: 'number' })
}

/** Rows `1` to `count`. */
export const insertRows = (table: string, count: number) => `insert into ${table}
  select g, '2024-' || g, 'open', g * 1.5, 'Due on receipt, call first', date '2024-01-01' + g % 300, false,
    g % 500, '{"a": 1}', 'EUR', now(), now() from generate_series(1, ${count}) g`

/** Two of the twelve columns of every row. */
export const updateRows = (table: string) =>
  `update ${table} set status = case status when 'open' then 'paid' else 'open' end, updated_at = clock_timestamp()`

export const deleteRows = (table: string) => `delete from ${table}`
