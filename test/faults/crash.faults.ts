import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { install, track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import type { CapturedEntry } from '../capture/log.ts'
import { type Replayed, replay } from '../capture/replay.ts'
import { type Cluster, createCluster, killProcess, postgresPrograms } from '../postgres-cluster.ts'

let cluster: Cluster
let pool: pg.Pool

beforeAll(async () => {
  cluster = await createCluster(await postgresPrograms(), {
    fsync: 'on',
    deadlock_timeout: '100ms',
    max_prepared_transactions: 20,
    // Recovery that starts from somewhere else each time.
    checkpoint_timeout: '30s',
  })
  await cluster.start()
  pool = new pg.Pool({ connectionString: `${cluster.url}/postgres`, max: 3 })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  await install(fromPgPool(pool))
  await pool.query(`create table account (id int primary key, name text not null, balance numeric not null default 0);
    create table line (account_id int references account on delete cascade, n int, amount int, primary key (account_id, n));
    create table reading (id int, day int, v int not null, primary key (id, day)) partition by range (day);
    create table reading_early partition of reading for values from (0) to (10);
    create table reading_late partition of reading for values from (10) to (20);
    create table marker (id text primary key, changes int not null)`)
  for (const table of Object.keys(MODELS)) await track(fromPgPool(pool), table)
  await pool.query(`insert into account select n, 'first' from generate_series(0, 199) n;
    insert into reading select n, n % 20, 0 from generate_series(1, 100) n`)
})
afterAll(async () => {
  for (const application of applications) application.kill('SIGKILL')
  await pool?.end()
  await cluster?.remove()
})

const MODELS = { account: 'Account', line: 'Line', reading: 'Reading', marker: 'Marker' } as const

interface Application {
  readonly process: ChildProcess
  /** Markers whose commit has come back to it. */
  readonly acknowledged: Set<string>
  /** Lets it go on after a pause. */
  go(): void
  pause(): void
  /** Whether it rests, or has ended and all that it said has been read. */
  rests(): boolean
}

let lives = 0
const applications: ChildProcess[] = []

function startApplication(): Application {
  const program = fileURLToPath(new URL('./application.ts', import.meta.url))
  lives += 1
  const child = spawn(process.execPath, ['--import', 'tsx', program, `${cluster.url}/postgres`, `life${lives}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  applications.push(child)
  const acknowledged = new Set<string>()
  let resting = false
  child.once('close', () => {
    resting = true
  })
  // It may be dead.
  child.stdin.on('error', () => {})
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === 'idle') resting = true
      else acknowledged.add(line)
    }
  })
  return {
    process: child,
    acknowledged,
    go() {
      resting = false
      child.stdin.write('go')
    },
    pause: () => child.stdin.write('pause'),
    rests: () => resting,
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 1500; attempt += 1) {
    if (await condition()) return
    await sleep(20)
  }
  throw new Error('What was waited for did not come about in half a minute.')
}

/** What is killed, and how; each leaves a server that runs or recovers by itself. */
const FAULTS = {
  'a backend is killed': async () => {
    const { rows } = await pool.query<{ pid: number }>(
      "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 1",
    )
    for (const { pid } of rows) killProcess(pid)
    // The others are ended by the postmaster, which then recovers.
    await sleep(50)
    await cluster.ready()
  },
  'the server is stopped at once': async () => {
    await cluster.stop('immediate')
    await cluster.start()
  },
  'all of the server is killed': async () => {
    await cluster.kill()
    await cluster.start()
  },
  'the application is killed': async ({ process: child }: Application) => {
    child.kill('SIGKILL')
  },
} as const

const TIMES = 5

/** Ends transactions that were prepared, one way or the other: whoever would have done it may be dead, and others wait behind them. */
async function endPrepared(): Promise<void> {
  const { rows } = await pool.query<{ gid: string }>('select gid from pg_prepared_xacts')
  for (const { gid } of rows) {
    // Where the application was faster there is none any more.
    await pool.query(`${Math.random() < 0.5 ? 'commit' : 'rollback'} prepared '${gid}'`).catch(() => {})
  }
}

/** Waits until the application has committed so many transactions more. */
async function moreThan(count: number, { acknowledged }: Application): Promise<void> {
  const before = acknowledged.size
  await until(async () => {
    await endPrepared()
    return acknowledged.size > before + count
  })
}

/** Nothing of the application is under way any more. */
async function settle(application: Application): Promise<void> {
  await until(async () => {
    await endPrepared()
    const { rows } = await pool.query(
      "select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'",
    )
    return application.rests() && rows.length === 0
  })
  await endPrepared()
}

async function expectEntriesAreTheChanges(known: { last: string; rows: Map<string, Replayed> }): Promise<void> {
  const { rows: entries } = await pool.query<CapturedEntry>(
    "select * from daybook.entries where id > $1 and action in ('create', 'update', 'delete') order by id",
    [known.last],
  )
  known.last = entries.at(-1)?.id ?? known.last
  for (const [table, model] of Object.entries(MODELS)) {
    const rows = replay(
      entries.filter((entry) => entry.model === model),
      known.rows.get(table),
    )
    known.rows.set(table, rows)
    const { rows: there } = await pool.query<{ row: unknown }>(`select to_json(t) as row from ${table} t`)
    expect(inOrder([...rows.values()]), table).toEqual(inOrder(there.map(({ row }) => row)))
  }
}

function inOrder(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort()
}

describe('in a storm of writes', () => {
  it('B57 after each of twenty kills of a backend, the server or the application an entry exists exactly where its change does', async () => {
    const known = { last: '0', rows: new Map<string, Replayed>() }
    const { rows } = await pool.query<{ id: string }>('select max(id) as id from daybook.entries')
    const seeded = rows[0]?.id
    const acknowledged = new Set<string>()
    let application = startApplication()
    for (const [what, fault] of Array.from({ length: TIMES }, () => Object.entries(FAULTS)).flat()) {
      if (application.process.killed) application = startApplication()
      else application.go()
      await moreThan(5, application)
      await sleep(Math.random() * 400)
      await fault(application)
      if (!application.process.killed) {
        // It goes on by itself.
        await moreThan(5, application)
        application.pause()
      }
      await settle(application)
      for (const marker of application.acknowledged) acknowledged.add(marker)
      await expectEntriesAreTheChanges(known)
      const markers = new Set([...(known.rows.get('marker')?.values() ?? [])].map(({ id }) => id))
      expect(
        [...acknowledged].filter((marker) => !markers.has(marker)),
        what,
      ).toEqual([])
      expect(await unevenTransactions(seeded), what).toEqual([])
    }
    expect(acknowledged.size).toBeGreaterThan(TIMES * 4 * 10)
  }, 170_000)
})

/** Transactions whose entries are not as many as their marker says, and ids that were given twice. */
async function unevenTransactions(after: string | undefined): Promise<unknown[]> {
  const { rows } = await pool.query(
    `select transaction_id, count(*), json_agg(json_build_array(id, action, model, object_id)) as entries from daybook.entries where id > $1 and action in ('create', 'update', 'delete')
      group by transaction_id having count(*) <> 1 + coalesce(max(case model when 'Marker' then (changes -> 'changes' ->> 1)::int end), -1)
    union all select null, count(*), json_agg(id) from daybook.entries group by id having count(*) > 1`,
    [after],
  )
  return rows
}
