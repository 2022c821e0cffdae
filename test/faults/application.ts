import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { createPool } from '../../src/connection/pg.ts'
import { runInContext } from '../../src/core/context.ts'

/**
 * An application that writes through several connections, in every way, until it is killed. Each transaction has a marker, a row that
 * says how many changes came with it; the marker is told on stdout once its commit has come back. `pause` on stdin makes it rest, which
 * it tells as `idle`, until `go`.
 */

const WRITERS = 6
const [url = '', life = ''] = process.argv.slice(2)

const pool = createPool({ connectionString: url, max: WRITERS, connectionTimeoutMillis: 5000 })
// The server is killed under it: what was under way has failed by itself.
pool.on('error', () => {})
pool.on('connect', (client) => client.on('error', () => {}))

let going = true
process.stdin.on('data', (word) => {
  going = word.toString() === 'go'
})
// Whoever started it is gone.
process.stdin.once('end', () => process.exit())

let working = WRITERS

async function rest(): Promise<void> {
  working -= 1
  if (working === 0) writeSync(1, 'idle\n')
  while (!going) await sleep(10)
  working += 1
}

const below = (limit: number) => Math.floor(Math.random() * limit)

/** What one transaction does; it gives the number of changes that stay. */
type Work = (client: pg.PoolClient) => Promise<number>

/** How many rows a statement touched. */
async function changes(client: pg.PoolClient, text: string, values: unknown[] = []): Promise<number> {
  return (await client.query(text, values)).rowCount ?? 0
}

const deposit = (client: pg.PoolClient) =>
  changes(client, 'update account set balance = balance + 1 where id = $1', [below(200)])

const WORKS: readonly Work[] = [
  deposit,
  async (client) => (await deposit(client)) + (await deposit(client)),
  (client) => changes(client, "update account set name = name || '.' where id % 20 = $1", [below(20)]),
  (client) =>
    changes(client, 'insert into line select $1, n, n from generate_series(1, 30) n on conflict do nothing', [
      below(200),
    ]),
  (client) => changes(client, 'delete from line where account_id between $1 and $1 + 20 and n > 5', [below(200)]),
  // Cascades: what they delete are changes too.
  async (client) => {
    const id = below(200)
    const locked = await changes(client, 'select from account where id = $1 for update', [id])
    if (locked === 0) return 0
    const lines = await changes(client, 'select from line where account_id = $1', [id])
    return lines + (await changes(client, 'delete from account where id = $1', [id]))
  },
  (client) =>
    changes(client, "insert into account select n, 'again' from generate_series(0, 199) n on conflict do nothing"),
  // From one partition into the other, and back.
  (client) => changes(client, 'update reading set day = 19 - day, v = v + 1 where id % 10 = $1', [below(10)]),
  async (client) => {
    const kept = await deposit(client)
    await client.query('savepoint attempt')
    await client.query('delete from line where account_id < 50')
    await client.query('rollback to attempt')
    return kept + (await deposit(client))
  },
]

async function transaction(client: pg.PoolClient, marker: string): Promise<boolean> {
  const kind = below(12)
  // Alone, in the transaction that the statement brings along.
  if (kind === 0) {
    await client.query('insert into marker values ($1, 0)', [marker])
    return true
  }
  await client.query('begin')
  const count = await (WORKS[below(WORKS.length)] as Work)(client)
  await client.query('insert into marker values ($1, $2)', [marker, count])
  if (kind === 1) {
    await client.query('rollback')
    return false
  }
  if (kind === 2) {
    await client.query(`prepare transaction '${marker}'`)
    await client.query(`commit prepared '${marker}'`)
  } else {
    await client.query('commit')
  }
  return true
}

async function attempt(marker: string): Promise<void> {
  const client = await pool.connect()
  let failure: Error | undefined
  try {
    const actor = { type: 'user', id: marker, label: life } as const
    if (await runInContext({ actor }, () => transaction(client, marker))) writeSync(1, `${marker}\n`)
  } catch (error) {
    failure = error as Error
    await client.query('rollback').catch(() => {})
  } finally {
    client.release(failure)
  }
}

await Promise.all(
  Array.from({ length: WRITERS }, async (_, writer) => {
    for (let count = 0; ; count += 1) {
      if (!going) await rest()
      await attempt(`${life}-${writer}-${count}`).catch(() => sleep(20))
    }
  }),
)
