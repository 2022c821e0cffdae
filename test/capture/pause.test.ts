import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { pause } from '../../src/capture/postgres/pause.ts'
import { createPool, fromPgPool } from '../../src/connection/pg.ts'
import { runInContext } from '../../src/core/context.ts'
import { createLoginRole } from '../database.ts'
import { type CapturedEntry, type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
  await createLoginRole(log.pool, 'pause_app')
  await log.run('grant daybook_writer to pause_app')
  for (const name of ['price', 'stock']) {
    await log.table(`create table ${name} (id int primary key, amount int)`, name)
    await log.run(`grant select, insert, update, delete, truncate on ${name} to pause_app`)
  }
})
afterAll(() => log?.close())

const told = (entries: readonly CapturedEntry[]) =>
  entries.map(({ action, model, object_id }) => [action, model, object_id].filter(Boolean).join(' '))

describe('a pause', () => {
  it('B17 leaves out what its block writes, and nothing that comes after it', async () => {
    await log.allEntries()
    const result = await pause(log.database, { reason: 'Yearly prices', tables: ['price'] }, async (transaction) => {
      await transaction.query('insert into price select i, i from generate_series(1, 1000) i')
      await transaction.query('update price set amount = amount + 1 where id <= 100')
      await transaction.query('delete from price where id > 900')
      await transaction.query('insert into stock values (1, 1)')
      return 'done'
    })
    expect(result).toBe('done')
    await log.run('update price set amount = 0 where id = 1')
    const entries = await log.allEntries()
    expect(told(entries)).toEqual(['capture.paused Price', 'create Stock 1', 'capture.resumed Price', 'update Price 1'])
    expect(entries.at(-1)?.changes).toEqual({ amount: [2, 0] })
  })

  it('B17 B42 is itself an entry: who, when, which table, why, how long, how many rows', async () => {
    await log.allEntries()
    const pool = createPool({ connectionString: log.url })
    try {
      await runInContext({ actor: { type: 'user', id: '7', label: 'ada@example.com' }, reason: 'of the request' }, () =>
        pause(fromPgPool(pool), { reason: "It's 'nightly' \u{1f319}" }, (transaction) =>
          transaction.query('insert into stock select i, i from generate_series(100, 299) i'),
        ),
      )
    } finally {
      await pool.end()
    }
    const entries = await log.allEntries()
    expect(told(entries).sort()).toEqual(
      ['capture.paused Price', 'capture.paused Stock', 'capture.resumed Price', 'capture.resumed Stock'].sort(),
    )
    for (const entry of entries) {
      expect(entry).toMatchObject({ actor_type: 'user', actor_id: '7', actor_label: 'ada@example.com' })
      expect(entry.table_name).toBe(`public.${entry.model?.toLowerCase()}`)
      expect(entry.context).toMatchObject({ reason: "It's 'nightly' \u{1f319}" })
    }
    const [stock] = entries.filter(({ action, model }) => action === 'capture.resumed' && model === 'Stock')
    expect(stock?.context).toMatchObject({ rows: 200, duration_ms: expect.any(Number) })
    expect(entries.find(({ action, model }) => action === 'capture.resumed' && model === 'Price')?.context?.rows).toBe(
      0,
    )
    expect(new Set(entries.map(({ transaction_id }) => transaction_id)).size).toBe(1)
  })

  it('B17 lets other transactions be captured meanwhile, also of the same table', async () => {
    await log.allEntries()
    await pause(log.database, { reason: 'load' }, async (transaction) => {
      await transaction.query('update price set amount = -1 where id between 10 and 20')
      await log.run("select set_config('daybook.paused', 'on', false); update price set amount = -2 where id = 30")
      await log.run('update price set amount = -2 where id = 31')
    })
    expect(told(await log.entries())).toEqual(['update Price 30', 'update Price 31'])
  })

  it('B17 is over after an error, which keeps nothing of the block', async () => {
    await log.allEntries()
    const client = await connect(log.url)
    const only = { connect: async () => Object.assign(client, { release: () => {} }) }
    try {
      await expect(
        pause(fromPgPool(only), { reason: 'load' }, async (transaction) => {
          await transaction.query('update price set amount = 7 where id = 40')
          await transaction.query('insert into price values (40, 1)')
        }),
      ).rejects.toMatchObject({ code: '23505' })
      await expect(
        pause(fromPgPool(only), { reason: 'load' }, async () => {
          throw new Error('of the work')
        }),
      ).rejects.toThrow('of the work')
      await client.query('update price set amount = 8 where id = 40')
    } finally {
      await client.end()
    }
    const entries = await log.allEntries()
    expect(told(entries)).toEqual(['update Price 40'])
    expect(entries[0]?.changes).toEqual({ amount: [41, 8] })
  })

  it('B17 ends with its transaction where nobody ends it, and says so', async () => {
    await log.allEntries()
    const client = await connect(log.url)
    try {
      await client.query(
        `begin; select daybook.pause('by hand', '{price}'); update price set amount = 9 where id = 50; commit`,
      )
      await client.query('update price set amount = 10 where id = 50')
      // Nothing is left that would make later statements look whether they are paused.
      expect((await client.query("select current_setting('daybook.paused') as paused")).rows).toEqual([{ paused: '' }])
    } finally {
      await client.end()
    }
    const entries = await log.allEntries()
    expect(told(entries)).toEqual(['capture.paused Price', 'capture.resumed Price', 'update Price 50'])
    expect(entries[1]?.context).toMatchObject({ reason: 'by hand', rows: 1 })
    expect((await log.run('select from daybook.paused_table')).rowCount).toBe(0)
  })

  it('B17 is as savepoints leave it', async () => {
    await log.allEntries()
    await log.run(`begin;
      savepoint before; select daybook.pause('one'); update price set amount = 1 where id = 60; rollback to before;
      update price set amount = 2 where id = 60;
      select daybook.pause('two'); savepoint inside; update price set amount = 3 where id = 60; rollback to inside;
      update price set amount = 4 where id = 60;
      select daybook.resume(); rollback to inside; update price set amount = 5 where id = 60;
      commit`)
    const entries = (await log.allEntries()).filter(({ model }) => model === 'Price')
    expect(told(entries)).toEqual(['update Price 60', 'capture.paused Price', 'capture.resumed Price'])
    expect(entries[0]?.changes).toEqual({ amount: [61, 2] })
    expect(entries[1]?.context).toMatchObject({ reason: 'two' })
    expect((await log.run('select amount from price where id = 60')).rows).toEqual([{ amount: 5 }])
  })

  it('B17 can follow another one in the same transaction', async () => {
    await log.allEntries()
    await log.run(`begin;
      select daybook.pause('one', '{price}'); update price set amount = 1 where id = 61; select daybook.resume();
      update price set amount = 2 where id = 61;
      select daybook.pause('two', '{price}'); update price set amount = 3 where id = 61; select daybook.resume();
      update price set amount = 4 where id = 61;
      commit`)
    const entries = await log.allEntries()
    expect(told(entries)).toEqual([
      ...['capture.paused Price', 'capture.resumed Price', 'update Price 61'],
      ...['capture.paused Price', 'capture.resumed Price', 'update Price 61'],
    ])
    expect(entries.flatMap(({ context }) => context?.rows ?? [])).toEqual([1, 1])
  })

  it('B17 is not ended by constraints that were made immediate before, and ends where they are made so', async () => {
    await log.allEntries()
    await log.run(`begin; set constraints all immediate;
      select daybook.pause('load', '{price}'); update price set amount = 1 where id = 62;
      set constraints all immediate; update price set amount = 2 where id = 62;
      commit`)
    expect(told(await log.allEntries())).toEqual(['capture.paused Price', 'capture.resumed Price', 'update Price 62'])
  })

  it('B17 of another transaction that left its row behind silences nobody', async () => {
    await log.allEntries()
    const client = await connect(log.url)
    try {
      // As after a restore: no trigger runs at its end.
      await client.query(`begin; set local session_replication_role = replica; select daybook.pause('left'); commit`)
      expect((await client.query('select from daybook.paused_table')).rowCount).toBeGreaterThan(0)
      await client.query("select set_config('daybook.paused', 'on', false)")
      await client.query('update price set amount = 1 where id = 63')
    } finally {
      await client.end()
    }
    await log.run('delete from daybook.paused_table')
    expect(told(await log.entries())).toEqual(['update Price 63'])
  })

  it('B17 holds for partitions, and for a transaction that is prepared', async () => {
    await log.table(
      `create table reading (id int, day date, primary key (id, day)) partition by range (day);
       create table reading_1 partition of reading for values from ('2026-01-01') to ('2026-02-01');
       create table reading_2 partition of reading for values from ('2026-02-01') to ('2026-03-01')`,
      'reading',
    )
    await log.allEntries()
    const client = await connect(log.url)
    try {
      await client.query(`begin; select daybook.pause('load', '{reading}');
        insert into reading values (1, '2026-01-02'), (2, '2026-02-02'); insert into reading_1 values (3, '2026-01-03');
        update reading set day = day + 31 where id = 1;
        prepare transaction 'paused'`)
      await client.query("insert into reading values (4, '2026-01-02')")
      await client.query("commit prepared 'paused'")
    } finally {
      await client.end()
    }
    const entries = await log.allEntries()
    expect(told(entries).sort()).toEqual([
      'capture.paused Reading',
      'capture.resumed Reading',
      'create Reading ["4", "2026-01-02"]',
    ])
    expect((await log.run('select from daybook.paused_table')).rowCount).toBe(0)
  })

  it('B10 B17 does not silence TRUNCATE, nor lift a refusal of it', async () => {
    await log.table('create table emptied (id int primary key)', 'emptied')
    await log.table('create table kept (id int primary key)', 'kept', { truncate: 'refuse' })
    await log.run('insert into emptied values (1), (2)')
    await log.allEntries()
    await pause(log.database, { reason: 'load', tables: ['emptied'] }, async (transaction) => {
      await transaction.query('truncate emptied')
      await transaction.query('insert into emptied values (3)')
    })
    const entries = await log.allEntries()
    expect(told(entries)).toEqual(['capture.paused Emptied', 'truncate Emptied', 'capture.resumed Emptied'])
    expect(entries[1]?.context).toMatchObject({ rows: 2 })
    await expect(
      pause(log.database, { reason: 'load' }, (transaction) => transaction.query('truncate kept')),
    ).rejects.toMatchObject({ code: 'YD006' })
  })

  it('B17 of a table with links leaves out the links', async () => {
    await log.table('create table person (id int primary key, name text)', 'person', { label: 'name' })
    await log.table('create table team (id int primary key, name text)', 'team', { label: 'name' })
    await log.table(
      'create table membership (person_id int references person on delete cascade, team_id int references team, primary key (person_id, team_id))',
      'membership',
      { link: { from: 'person_id', to: 'team_id' } },
    )
    await log.run("insert into person values (1, 'Ada'); insert into team values (1, 'One'), (2, 'Two')")
    await log.allEntries()
    await pause(log.database, { reason: 'load', tables: ['membership'] }, async (transaction) => {
      await transaction.query('insert into membership values (1, 1)')
      await transaction.query("update person set name = 'Ada L.'")
    })
    await log.run('insert into membership values (1, 2)')
    expect(told(await log.entries())).toEqual(['update Person 1', 'linked Person 1'])
  })
})

describe('what is refused', () => {
  it.each([
    ['no reason', "select daybook.pause('')", 'YD008'],
    ['a blank reason', "select daybook.pause(E' \\n')", 'YD008'],
    ['a null reason', 'select daybook.pause(null)', 'YD008'],
    ['an endless reason', "select daybook.pause(repeat('x', 1001))", 'YD008'],
    ['a table that is not there', "select daybook.pause('load', '{nowhere}')", 'YD001'],
    ['a table that is not tracked', "create table plain (); select daybook.pause('load', '{price,plain}')", 'YD004'],
    ['a partition alone', "select daybook.pause('load', '{reading_1}')", 'YD004'],
    ['no table at all', "select daybook.pause('load', '{}')", 'YD004'],
    ['a second pause', "select daybook.pause('one', '{price}'); select daybook.pause('two', '{stock}')", 'YD008'],
    ['an end without a pause', 'select daybook.resume()', 'YD008'],
  ])('B17 %s', async (_what, text, code) => {
    await expect(log.run(text)).rejects.toMatchObject({ code })
  })

  it('B17 a mistake is told in the terms of the library', async () => {
    const work = async () => {}
    await expect(pause(log.database, { reason: ' ' }, work)).rejects.toMatchObject({ code: 'invalid_option' })
    await expect(pause(log.database, { reason: 'load', tables: ['plain2'] }, work)).rejects.toMatchObject({
      code: 'unknown_table',
    })
  })

  it("B45 the application's role can't silence its own log", async () => {
    await log.allEntries()
    const app = await connect(log.urlAs('pause_app'))
    const owner = await connect(log.url)
    try {
      for (const attempt of [
        "select daybook.pause('quiet')",
        'select daybook.resume()',
        'select daybook.is_paused(1)',
        "insert into daybook.paused_table values (pg_current_xact_id(), 1, 'x', 'x', 'x', now(), 0)",
        'select * from daybook.paused_table',
        'set role daybook_owner',
      ]) {
        await expect(app.query(attempt), attempt).rejects.toMatchObject({ code: '42501' })
      }
      // Another transaction's pause, and any value of the setting, are worth nothing to it.
      await owner.query("begin; select daybook.pause('load')")
      let id = 5000
      for (const value of ['on', 'true', 'off', '1', ' ', 'x'.repeat(10_000)]) {
        await app.query("select set_config('daybook.paused', $1, false)", [value])
        await app.query('insert into price values ($1, 1)', [++id])
        await app.query('begin isolation level serializable')
        await app.query('update price set amount = 2 where id = $1', [id])
        await app.query('commit')
        await app.query('delete from price where id = $1', [id])
      }
      await app.query('truncate stock')
      await expect(
        pause(
          fromPgPool({ connect: async () => Object.assign(app, { release: () => {} }) }),
          { reason: 'x' },
          async () => {},
        ),
      ).rejects.toMatchObject({ code: 'permission_denied' })
      await owner.query('rollback')
    } finally {
      await app.end()
      await owner.end()
    }
    const actions = (await log.allEntries()).map(({ action }) => action)
    expect(actions).toEqual([...Array(6).fill(['create', 'update', 'delete']).flat(), 'truncate'])
  })
})

it('B17 among many writers, what was paused is missing and nothing else', async () => {
  await log.run('create table busy (id int primary key generated always as identity, paused boolean)')
  await track(log.database, 'busy')
  await log.allEntries()
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      for (let round = 0; round < 12; round += 1) {
        if ((writer + round) % 3 === 0) {
          await pause(log.database, { reason: 'load', tables: ['busy'] }, async (transaction) => {
            await transaction.query('insert into busy (paused) values (true), (true)')
          })
        } else {
          await log.run('insert into busy (paused) values (false)')
        }
      }
    }),
  )
  const captured = (await log.entries()).map(({ object_id }) => object_id).sort()
  const { rows } = await log.run('select id::text from busy where not paused order by id::text')
  expect(rows.length).toBeGreaterThan(0)
  expect(captured).toEqual(rows.map(({ id }) => id).sort())
})
