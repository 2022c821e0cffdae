import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { load } from './http-load.ts'
import { median, type Result } from './measure.ts'
import { CONTEXT, createSampleTables, insertRows } from './sample-table.ts'

const ROUNDS = 15
const ROUND_MS = 2000
const CONNECTIONS = 16
const ROWS = 10_000

const SIDES = ['plain', 'tracked'] as const

/**
 * The throughput that an Express application keeps whose request reads one row and updates it. Each side is a process of its own, under
 * the same load in turns; the load comes from this process. What counts is the middle of the ratios of neighbouring rounds.
 */
export async function measureHttp(url: string): Promise<Result[]> {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  await createSampleTables(pool)
  for (const side of SIDES) await pool.query(insertRows(side, ROWS))
  await pool.query('vacuum analyze')
  await pool.end()
  return [await measureSides(url, 'off'), await measureSides(url, 'on')]
}

async function measureSides(url: string, synchronousCommit: 'off' | 'on'): Promise<Result> {
  const servers = await Promise.all(SIDES.map((side) => startServer([side, url, synchronousCommit])))
  try {
    const [plain, tracked] = await measureRounds(servers.map(({ port }) => port))
    const ratio = median(tracked.map((perSecond, round) => perSecond / (plain[round] ?? Number.NaN)))
    return {
      claim: `Express request with one read and one update, ${CONNECTIONS} connections, synchronous_commit ${synchronousCommit}`,
      must: '≥ 0.90 of the throughput',
      measured: `${ratio.toFixed(2)} (${median(plain).toFixed(0)} → ${median(tracked).toFixed(0)} requests/s, median of ${ROUNDS} pairs of rounds)`,
    }
  } finally {
    for (const { process } of servers) process.kill()
  }
}

async function measureRounds(ports: readonly number[]): Promise<[plain: number[], tracked: number[]]> {
  const results: [number[], number[]] = [[], []]
  // The first round warms both sides up.
  for (let round = -1; round < ROUNDS; round++) {
    for (const side of round % 2 ? [0, 1] : [1, 0]) {
      const perSecond = await load(ports[side] ?? 0, { connections: CONNECTIONS, forMs: ROUND_MS, nextRequest })
      if (round >= 0) results[side]?.push(perSecond)
    }
  }
  return results
}

function nextRequest(): string {
  const id = 1 + Math.floor(Math.random() * ROWS)
  return `PATCH /invoices/${id} HTTP/1.1\r\nHost: shop\r\nUser-Agent: ${CONTEXT.userAgent}\r\nContent-Length: 0\r\n\r\n`
}

async function startServer(args: string[]): Promise<{ process: ChildProcess; port: number }> {
  const child = fork(fileURLToPath(new URL('./http-server.mjs', import.meta.url)), args, { execArgv: [] })
  const [port] = (await once(child, 'message')) as [number]
  return { process: child, port }
}
