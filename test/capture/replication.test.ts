import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { install, track, trackedTables } from '../../src/capture/postgres/index.ts'
import type { Database } from '../../src/connection/database.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { startPostgres, type TestServer } from '../postgres-server.ts'

let server: TestServer
let publisher: pg.Pool
let subscriber: pg.Pool
let subscribing: Database

const DEFINITION = 'create table item (id int primary key, name text)'

/** One server is both sides: then the slot is made by hand, for a subscription that makes its own would wait for itself. */
beforeAll(async () => {
  server = await startPostgres({ flags: ['-c', 'wal_level=logical'] })
  const make = new pg.Pool({ connectionString: `${server.url}/postgres` })
  for (const name of ['publisher', 'subscriber']) await make.query(`create database ${name}`)
  await make.end()
  publisher = new pg.Pool({ connectionString: `${server.url}/publisher` })
  subscriber = new pg.Pool({ connectionString: `${server.url}/subscriber` })
  // The server is stopped under idle connections.
  for (const pool of [publisher, subscriber]) pool.on('error', () => {})
  subscribing = fromPgPool(subscriber)
  for (const pool of [publisher, subscriber]) {
    await install(fromPgPool(pool))
    await pool.query(DEFINITION)
    await track(fromPgPool(pool), 'item', { label: 'name' })
  }
  await publisher.query("insert into item values (1, 'there before'); create publication items for table item")
})
afterAll(async () => {
  await subscriber?.query('drop subscription if exists items').catch(() => {})
  await publisher?.end()
  await subscriber?.end()
  await server?.stop()
})

async function told(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query(
    "select action, object_id from daybook.entries where table_name = 'public.item' and action not like 'capture.%' order by id",
  )
  return rows.map(({ action, object_id }) => `${action} ${object_id ?? ''}`.trim())
}

/** Waits until the subscriber has all that the publisher has. */
async function replicated(): Promise<void> {
  const rows = async (pool: pg.Pool) => JSON.stringify((await pool.query('select * from item order by id')).rows)
  for (let attempt = 0; attempt < 500; attempt++) {
    const { rows: states } = await subscriber.query("select from pg_subscription_rel where srsubstate <> 'r'")
    if (states.length === 0 && (await rows(publisher)) === (await rows(subscriber))) return
    await sleep(20)
  }
  throw new Error('The subscriber did not follow.')
}

async function subscribe(): Promise<void> {
  await publisher.query("select pg_create_logical_replication_slot('items', 'pgoutput')")
  await subscriber.query(
    `create subscription items connection '${server.url}/publisher' publication items with (create_slot = false, slot_name = 'items')`,
  )
  await replicated()
}

/** Four statements on two rows of the publisher, which the subscriber then has too. */
async function writeAtPublisher(first: number): Promise<void> {
  await publisher.query(`insert into item values (${first}, 'b'), (${first + 1}, 'c')`)
  await publisher.query("update item set name = name || '!'")
  await publisher.query(`update item set id = id + 100 where id = ${first + 1}`)
  await publisher.query(`delete from item where id = ${first}`)
  await replicated()
}

const WRITTEN = ['create 2', 'create 3', 'update 1', 'update 2', 'update 3', 'update 103', 'delete 2']

describe('logical replication', () => {
  it('is recorded where it is written, not where a subscription applies it', async () => {
    await subscribe()
    expect(await told(subscriber)).toEqual([])
    await writeAtPublisher(2)
    expect(await told(publisher)).toEqual(['create 1', ...WRITTEN])
    expect(await told(subscriber)).toEqual([])
    // Whoever else writes there is recorded there.
    await subscriber.query("insert into item values (900, 'local')")
    expect(await told(subscriber)).toEqual(['create 900'])
    await subscriber.query('delete from item where id = 900')
  })

  it('with triggers that are ENABLE ALWAYS, records the first copy and TRUNCATE, but no rows after: PostgreSQL applies them without statement triggers', async () => {
    await subscriber.query('drop subscription items')
    for (const name of ['insert', 'update', 'delete', 'truncate'])
      await subscriber.query(`alter table item enable always trigger daybook_${name}`)
    expect((await trackedTables(subscribing)).map(({ uncaptured }) => uncaptured)).toEqual([[]])
    await subscriber.query('truncate item')
    const before = await told(subscriber)
    await subscribe()
    expect((await told(subscriber)).slice(before.length)).toEqual(['create 1', 'create 103'])
    await writeAtPublisher(4)
    expect(await told(subscriber)).toHaveLength(before.length + 2)
    await publisher.query('truncate item')
    await replicated()
    expect((await told(subscriber)).slice(before.length + 2)).toEqual(['truncate'])
  })

  it('carries the log itself to where it is subscribed to', async () => {
    const months = (pool: pg.Pool) => pool.query('select count(*)::int as n from daybook.entries')
    await subscriber.query('truncate daybook.entry')
    await publisher.query('create publication log for table daybook.entry with (publish_via_partition_root = true)')
    await publisher.query("select pg_create_logical_replication_slot('log', 'pgoutput')")
    await subscriber.query(
      `create subscription log connection '${server.url}/publisher' publication log with (create_slot = false, slot_name = 'log')`,
    )
    try {
      await publisher.query("insert into item values (500, 'told there too')")
      for (
        let attempt = 0;
        attempt < 500 && (await months(subscriber)).rows[0].n !== (await months(publisher)).rows[0].n;
        attempt++
      )
        await sleep(20)
      const all =
        'select id, action, object_id, changes::text, actor_id, transaction_id from daybook.entries order by id'
      expect((await subscriber.query(all)).rows).toEqual((await publisher.query(all)).rows)
    } finally {
      await subscriber.query('drop subscription log')
    }
  })
})
