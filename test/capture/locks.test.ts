import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sync, track, trackedTables, untrack } from '../../src/capture/postgres/index.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

/** How long the transaction stays open that everybody else is behind. */
const OPEN_MS = process.env.DAYBOOK_LONG_TESTS ? 60_000 : 4_000
const TIMEOUT_MS = OPEN_MS * 3 + 60_000

let log: CaptureLog
const clients: pg.Client[] = []

beforeEach(async () => {
  log = await createCaptureLog()
  await log.run(`create table busy (id int primary key, v int not null default 0); insert into busy select generate_series(0, 20);
    create table split (id int primary key, v int not null default 0) partition by range (id);
    create table split_a partition of split for values from (0) to (10); create table split_b partition of split for values from (10) to (100);
    insert into split select generate_series(0, 20)`)
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.end()
  await log.close()
})

async function client(): Promise<pg.Client> {
  const opened = await connect(log.url)
  clients.push(opened)
  return opened
}

/** Eight writers, each on a row of its own: every write is given a second, and fails if it takes longer. */
async function writers(table: string) {
  let writing = true
  const done = Promise.all(
    Array.from({ length: 8 }, async (_, place) => {
      const own = await client()
      await own.query("set statement_timeout = '1s'")
      let writes = 0
      while (writing) {
        await own.query(`update ${table} set v = v + 1 where id = ${place * 2 + 1}`)
        writes++
        await sleep(2)
      }
      return writes
    }),
  )
  // A writer that fails is reported when they are stopped.
  done.catch(() => {})
  return {
    async stop() {
      writing = false
      return (await done).reduce((sum, writes) => sum + writes, 0)
    },
  }
}

describe('behind a transaction that stays open', () => {
  it(
    'track waits without making any writer wait over a second, and succeeds when the transaction ends',
    async () => {
      const open = await client()
      await open.query('begin; update busy set v = v + 1 where id = 0')
      const working = await writers('busy')
      let waited = 0
      const tracking = track(log.database, 'busy', {}, { onWait: () => waited++ })
      await sleep(OPEN_MS)
      expect((await trackedTables(log.database)).flatMap(({ uncaptured }) => uncaptured)).toEqual([])
      expect(await log.entries()).toEqual([])
      await open.query('commit')
      expect((await tracking).uncaptured).toEqual([])
      expect(waited).toBe(1)
      await log.run('update busy set v = v + 1 where id = 0')
      await working.stop()
      const captured = (await log.entries()).map(({ object_id }) => object_id)
      expect(captured).toContain('0')
      expect(captured.length).toBeGreaterThan(1)
    },
    TIMEOUT_MS,
  )

  it(
    'sync and untrack do the same, also where one partition alone is busy',
    async () => {
      const open = await client()
      await open.query('begin; update split_b set v = v + 1 where id = 20')
      const working = await writers('split')
      const syncing = sync(log.database, { split: {}, busy: {} })
      await sleep(OPEN_MS / 2)
      await open.query('commit')
      await syncing
      expect((await trackedTables(log.database)).map(({ table, uncaptured }) => [table, uncaptured])).toEqual([
        ['public.busy', []],
        ['public.split', []],
      ])
      await open.query('begin; update split_b set v = v + 1 where id = 20')
      const untracking = untrack(log.database, 'split')
      await sleep(OPEN_MS / 2)
      await open.query('commit')
      await untracking
      await log.entries()
      await log.run('update split set v = v + 1')
      expect(await log.entries()).toEqual([])
      expect(await working.stop()).toBeGreaterThan(100)
    },
    TIMEOUT_MS,
  )

  it('a wait that is too long is given up, with nothing half done', async () => {
    const open = await client()
    await open.query('begin; update busy set v = v + 1 where id = 0')
    await expect(track(log.database, 'busy', {}, { waitMs: 500 })).rejects.toMatchObject({ code: 'lock_timeout' })
    expect(await trackedTables(log.database)).toEqual([])
    const own = await client()
    await expect(own.query("select daybook.track('public.busy')")).rejects.toMatchObject({ code: '55P03' })
    expect((await own.query('show lock_timeout')).rows).toEqual([{ lock_timeout: '0' }])
    await open.query('rollback')
    await own.query("select daybook.track('public.busy')")
    expect((await own.query('show lock_timeout')).rows).toEqual([{ lock_timeout: '0' }])
  })
})

describe('replacing the capture', () => {
  it('leaves no gap: of writers at work while a table is tracked anew, every write is recorded', async () => {
    await track(log.database, 'busy')
    await log.entries()
    const working = await writers('busy')
    for (let round = 0; round < 15; round++) {
      await track(log.database, 'busy', round % 2 ? { label: 'v' } : {})
      await sync(log.database, { busy: { model: `Busy ${round}` } })
    }
    const writes = await working.stop()
    expect(await log.entries()).toHaveLength(writes)
  })

  it('two that track at once get along', async () => {
    await log.run(
      'create table a (id int primary key); create table b (id int primary key); create table c (id int primary key)',
    )
    await Promise.all(['a', 'b', 'c', 'a', 'b', 'c', 'split', 'split'].map((table) => track(log.database, table)))
    expect((await trackedTables(log.database)).map(({ table, uncaptured }) => [table, uncaptured])).toEqual(
      ['a', 'b', 'c', 'split'].map((table) => [`public.${table}`, []]),
    )
  })
})

describe('writers', () => {
  it('B58 the capture takes no lock that writers share: two that write to the same table in open transactions do not wait', async () => {
    await track(log.database, 'busy')
    const [one, two] = [await client(), await client()]
    for (const own of [one, two]) await own.query("set lock_timeout = '1s'; begin")
    for (let round = 0; round < 5; round++) {
      await one.query('update busy set v = v + 1 where id = 1')
      await two.query('update busy set v = v + 1 where id = 2')
    }
    await two.query('commit')
    await one.query('commit')
    expect(await log.entries()).toHaveLength(10)
  })

  it('B58 serializable transactions that get along without the capture get along with it', async () => {
    await log.run('insert into busy select n from generate_series(1000, 20999) n; analyze busy')
    const rounds = async () => {
      const pair = [await client(), await client()]
      for (let round = 0; round < 10; round++) {
        for (const own of pair) await own.query('begin isolation level serializable')
        for (const [place, own] of pair.entries())
          await own.query(`update busy set v = v + 1 where id = ${2000 + place * 10_000}`)
        for (const own of pair) await own.query('commit')
      }
    }
    await rounds()
    await track(log.database, 'busy')
    await rounds()
    expect(await log.entries()).toHaveLength(20)
  })

  it.for(['read committed', 'repeatable read', 'serializable'])(
    'B58 of sixteen clients that update two hot rows each in the order of the rows none is ended by a deadlock, at %s',
    async (level) => {
      await track(log.database, 'busy')
      await log.entries()
      const own = await Promise.all(Array.from({ length: 16 }, client))
      const committed = await Promise.all(
        own.map(async (each, place) => {
          let done = 0
          for (let round = 0; round < 25; round++) {
            const first = (place * 7 + round) % 9
            const second = first + 1 + ((place + round * 5) % (9 - first))
            try {
              await each.query(`begin isolation level ${level}`)
              await each.query('update busy set v = v + 1 where id = $1', [first])
              await each.query('update busy set v = v + 1 where id = $1', [second])
              await each.query('commit')
              done++
            } catch (error) {
              await each.query('rollback')
              // At these levels who comes second is refused, with the capture and without.
              expect(error).toMatchObject({ code: level === 'read committed' ? 'none at all' : '40001' })
            }
          }
          return done
        }),
      )
      const sum = committed.reduce((total, done) => total + done, 0)
      expect(sum).toBeGreaterThan(0)
      expect(await log.entries()).toHaveLength(2 * sum)
    },
  )

  it.for(['repeatable read', 'serializable'])(
    'B58 of sixteen clients on rows of their own none is refused, at %s, with the capture as without',
    async (level) => {
      await log.run('insert into busy select n from generate_series(1000, 40999) n; analyze busy')
      const own = await Promise.all(Array.from({ length: 16 }, client))
      const rounds = () =>
        Promise.all(
          own.map(async (each, place) => {
            for (let round = 0; round < 10; round++) {
              await each.query(`begin isolation level ${level}`)
              for (const id of [2000, 2001]) {
                await each.query('update busy set v = v + 1 where id = $1', [id + place * 2000])
              }
              await each.query('commit')
            }
          }),
        )
      await rounds()
      await track(log.database, 'busy')
      await log.entries()
      await rounds()
      expect(await log.entries()).toHaveLength(16 * 10 * 2)
    },
  )

  it('mixed sizes of statements in one session keep their plans apart: no nested loop over many rows', async ({
    annotate,
  }) => {
    await track(log.database, 'busy')
    await log.run('insert into busy select n from generate_series(1000, 20999) n')
    const own = await client()
    const plans: string[] = []
    own.on('notice', ({ message }) => plans.push(message ?? ''))
    await own
      .query(
        "load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on; set client_min_messages = log",
      )
      .catch(() => annotate('this server has no auto_explain: that it ends in time is all that is seen'))
    // The statement for a single row loops, but behind a filter that is asked once and lets nothing through where there are more.
    const loopsOverMany = (plan: string) =>
      plan.includes('old_rows') && plan.includes('Nested Loop') && !plan.includes('One-Time Filter')
    // Looped over each other, two transition tables of 20,000 rows take minutes.
    await own.query("set statement_timeout = '25s'")
    const few = async () => {
      for (let id = 1; id <= 10; id++) await own.query('update busy set v = v + 1 where id = $1', [id])
      for (let id = 1; id <= 10; id++) await own.query('update busy set v = v + 1 where id in ($1, $1 + 1)', [id])
    }
    const many = () => own.query('update busy set v = v + 1 where id >= 1000')
    await few()
    await log.entries()
    plans.splice(0)
    await many()
    expect(await log.entries()).toHaveLength(20_000)
    expect(plans.filter(loopsOverMany)).toEqual([])
    await few()
    plans.splice(0)
    await many()
    expect(await log.entries()).toHaveLength(20_030)
    expect(plans.filter(loopsOverMany)).toEqual([])
    await own.query(
      'set client_min_messages = notice; begin; set local jit = on; update busy set v = v + 1 where id < 5',
    )
    expect(
      (await own.query("select current_setting('enable_nestloop') as loops, current_setting('jit') as jit")).rows,
    ).toEqual([{ loops: 'on', jit: 'on' }])
    await own.query('commit')
  })

  it('the session keeps its own settings for the rest of its transaction', async () => {
    await track(log.database, 'busy')
    const own = await client()
    await own.query("begin; set local enable_nestloop = off; set jit = on; set timezone = 'Asia/Tokyo'")
    await own.query('update busy set v = v + 1')
    const shown = async () =>
      (
        await own.query(
          "select current_setting('enable_nestloop') as loops, current_setting('jit') as jit, current_setting('timezone') as zone, current_setting('search_path') as path",
        )
      ).rows[0]
    expect(await shown()).toEqual({ loops: 'off', jit: 'on', zone: 'Asia/Tokyo', path: '"$user", public' })
    await own.query('commit')
    expect(await shown()).toEqual({ loops: 'on', jit: 'on', zone: 'Asia/Tokyo', path: '"$user", public' })
  })
})
