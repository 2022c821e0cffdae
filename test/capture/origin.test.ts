import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Context, writeContext } from '../../src/core/context.ts'
import { storable } from '../../src/core/storable.ts'
import { createLoginRole } from '../database.ts'
import fc from '../fast-check.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
  await log.table('create table thing (id int generated always as identity primary key, v text)', 'thing')
})
afterAll(() => log?.close())

/** Writes a row with a context as it comes, and gives its entry. */
async function written(context: string) {
  await log.entries()
  const client = await log.pool.connect()
  try {
    await client.query('begin')
    await client.query("select set_config('daybook.context', $1, true)", [context])
    await client.query("insert into thing (v) values ('x')")
    await client.query('commit')
  } finally {
    client.release()
  }
  const entries = await log.entries()
  expect(entries).toHaveLength(1)
  return entries[0] as NonNullable<(typeof entries)[0]>
}

describe('the context', () => {
  it('is read in all its parts', async () => {
    const context: Context = {
      actor: { id: '7', label: 'Ada' },
      onBehalfOf: { type: 'user', id: '8', label: 'Bob' },
      ipAddress: '2001:db8::1',
      userAgent: 'Browser/1',
      route: 'POST /things',
      requestId: 'r-1',
      tenantId: 't-1',
      reason: 'because',
      extra: { a: [1] },
    }
    const json = {
      actor: { id: '7', label: 'Ada' },
      on_behalf_of: { type: 'user', id: '8', label: 'Bob' },
      ip_address: '2001:db8::1',
      user_agent: 'Browser/1',
      route: 'POST /things',
      request_id: 'r-1',
      tenant_id: 't-1',
      reason: 'because',
      extra: { a: [1] },
    }
    const expected = {
      actor_type: 'user',
      actor_id: '7',
      actor_label: 'Ada',
      ip_address: '2001:db8::1',
      request_id: 'r-1',
      tenant_id: 't-1',
      database_user: 'postgres',
      context: {
        user_agent: 'Browser/1',
        route: 'POST /things',
        reason: 'because',
        on_behalf_of: { type: 'user', id: '8', label: 'Bob' },
        extra: { a: [1] },
      },
    }
    expect(await written(writeContext(context))).toMatchObject(expected)
    expect(await written(JSON.stringify(json))).toMatchObject(expected)
  })

  it('B34 comes whole, whatever its texts hold', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.string({
        unit: fc.constantFrom('"', '\\', '(', ')', ',', '{', '}', "'", '$1', ' ', '\n', 'NULL', ''),
        maxLength: 12,
      }),
    )
    const whole = fc.record({
      actor: fc.record({ id: text, label: text }),
      requestId: text,
      tenantId: text,
      userAgent: text,
      extra: fc.record({ a: text }),
    })
    await fc.assert(
      fc.asyncProperty(whole, async (context) => {
        expect(await written(writeContext(context))).toMatchObject({
          ...{ actor_type: 'user', actor_id: storable(context.actor.id), actor_label: storable(context.actor.label) },
          ...{ request_id: storable(context.requestId), tenant_id: storable(context.tenantId) },
          context: { user_agent: storable(context.userAgent), extra: { a: storable(context.extra.a) } },
        })
      }),
      { numRuns: 100 },
    )
  })

  it.each([
    ['no actor', { requestId: 'r' }, { actor_type: 'anonymous', actor_id: null, actor_label: null, request_id: 'r' }],
    ['nothing', {}, { actor_type: 'anonymous', actor_id: null }],
    ['an empty id', { actor: { id: '' } }, { actor_type: 'user', actor_id: '', actor_label: '' }],
    [
      'a kind of actor that is not known',
      { actor: { type: 'root', id: '1' } },
      { actor_type: 'unknown', actor_id: '1' },
    ],
    ['an address that is none', { actor: { id: '1' }, ipAddress: 'here' }, { actor_id: '1', ip_address: null }],
    ['an address with a zone', { actor: { id: '1' }, ipAddress: 'fe80::1%eth0' }, { actor_id: '1', ip_address: null }],
    [
      'long texts',
      { actor: { id: 'x'.repeat(9_000), label: '😀'.repeat(9_000) }, requestId: 'y'.repeat(9_000) },
      { actor_id: `${'x'.repeat(255)}…`, request_id: `${'y'.repeat(127)}…` },
    ],
  ])('B34 with %s is read as far as it can be', async (_what, context, expected) => {
    const entry = await written(writeContext(context as Context))
    expect(entry).toMatchObject(expected)
    expect(entry.context?.ip_address_unreadable).toBe('ipAddress' in context ? true : undefined)
  })

  it('is shared by all entries of a statement, and read anew for the next', async () => {
    await log.entries()
    const client = await log.pool.connect()
    await client.query('begin')
    for (const id of ['1', '2']) {
      await client.query("select set_config('daybook.context', $1, true)", [
        writeContext({ actor: { id }, requestId: `r${id}` }),
      ])
      await client.query("insert into thing (v) select 'many' from generate_series(1, 3)")
    }
    await client.query('commit')
    client.release()
    const entries = await log.entries()
    expect(entries.map(({ actor_id, request_id }) => `${actor_id} ${request_id}`)).toEqual([
      ...Array.from({ length: 3 }, () => '1 r1'),
      ...Array.from({ length: 3 }, () => '2 r2'),
    ])
  })

  it('B32 a context that ended is not credited with what comes later on the connection', async () => {
    const client = await log.pool.connect()
    await client.query('begin')
    await client.query("select set_config('daybook.context', $1, true)", [writeContext({ actor: { id: '1' } })])
    await client.query("insert into thing (v) values ('in')")
    await client.query('commit')
    await client.query("insert into thing (v) values ('after')")
    client.release()
    expect((await log.entries()).slice(-2).map(({ actor_type }) => actor_type)).toEqual(['user', 'database'])
  })
})

describe('a hostile context', () => {
  const unreadable: [what: string, context: string][] = [
    ['not JSON', 'hello'],
    ['half of a JSON', '{"actor": {"id": "1"'],
    ['an array', '[{"actor": 1}]'],
    ['an empty array', '[]'],
    ['a number', '5'],
    ['a text', '"actor"'],
    ['null', 'null'],
    ['a megabyte', JSON.stringify({ actor: { id: '1' }, extra: 'x'.repeat(1_000_000) })],
    ['a NUL', '{"actor": {"id": "\\u0000"}}'],
    ['a lone surrogate', '{"actor": {"id": "\\ud800"}}'],
    ['a lone surrogate in a key', '{"\\udc00": 1}'],
    ['a huge number', '{"actor": {"id": 1e400000}}'],
    ['nested deep', '['.repeat(30_000)],
    ['nested deep in an object', `{"actor":${'[['.repeat(8_000)}${']]'.repeat(8_000)}`],
    ['SQL', "'; drop table thing; --"],
    ['blank', ' '],
    ['half of a row', '(user,1'],
    ['a row with too few parts', '(user,1,Ada)'],
    ['a row with too many parts', '(user,1,Ada,,,,,,)'],
    ['a row of nothing', '(,,,,,,)'],
    ['a row with a kind of actor that is not known', '(root,1,Ada,,,,)'],
    ['a row with a long id', `(user,${'x'.repeat(257)},,,,,)`],
    ['a row with an address that is junk', '(user,1,Ada,localhost,,,)'],
    ['a row whose rest is not JSON', '(user,1,Ada,,,,{)'],
    ['a row whose rest is a list', '(user,1,Ada,,,,[1])'],
    ['a row whose rest is a text', '(user,1,Ada,,,,"""x""")'],
    ['a row whose rest holds a NUL', '(user,1,Ada,,,,"{""a"": ""\\\\u0000""}")'],
    ['a large row', `(user,1,Ada,,,,"{""a"": ""${'x'.repeat(40_000)}""}")`],
    ['two rows', '(user,1,Ada,,,,)(user,2,Bob,,,,)'],
  ]
  for (const [what, context] of unreadable) {
    it(`B34 a context that is ${what} does not stop the write, whose actor is then unknown`, async () => {
      const entry = await written(context)
      expect(entry).toMatchObject({
        actor_type: 'unknown',
        actor_id: null,
        ip_address: null,
        request_id: null,
        database_user: 'postgres',
      })
      expect(entry.context).toMatchObject({ unreadable: { bytes: Buffer.byteLength(context) } })
    })
  }

  const odd: [what: string, context: object, expected: object][] = [
    ['an actor type that is not known', { actor: { type: 'root', id: '1' } }, { actor_type: 'unknown', actor_id: '1' }],
    ['an actor type that is nested', { actor: { type: { a: 1 }, id: '1' } }, { actor_type: 'unknown', actor_id: '1' }],
    ['an actor that is a text', { actor: 'admin' }, { actor_type: 'unknown', actor_id: null }],
    ['an actor that is a list', { actor: [{ id: 1 }] }, { actor_type: 'unknown', actor_id: null }],
    ['no actor', { actor: null }, { actor_type: 'anonymous', actor_id: null }],
    ['an actor id that is nested', { actor: { id: { a: 1 } } }, { actor_type: 'user', actor_id: '{"a": 1}' }],
    ['a long actor id', { actor: { id: '😀'.repeat(5_000) } }, { actor_type: 'user', actor_id: '😀'.repeat(256) }],
    [
      'a long request id',
      { actor: { id: '1' }, request_id: 'x'.repeat(9_000), tenant_id: '😀'.repeat(500) },
      { request_id: 'x'.repeat(128), tenant_id: '😀'.repeat(128) },
    ],
    [
      'an address that is junk',
      { actor: { id: '1' }, ip_address: 'localhost; drop' },
      { actor_type: 'user', actor_id: '1', ip_address: null },
    ],
    [
      'an address that is nested',
      { actor: { id: '1' }, ip_address: { a: [1] } },
      { actor_type: 'user', ip_address: null },
    ],
    [
      'an address with a zone',
      { actor: { id: '1' }, ip_address: 'fe80::1%eth0' },
      { actor_type: 'user', ip_address: null },
    ],
  ]
  for (const [what, context, expected] of odd) {
    it(`B34 a context with ${what} is read as far as it can be`, async () => {
      expect(await written(JSON.stringify(context))).toMatchObject(expected)
    })
  }

  it('B34 a context can not put itself in the place of what the database saw', async () => {
    const before = Date.now()
    const entry = await written(
      JSON.stringify({
        actor: { id: '1' },
        database_user: 'nobody',
        recorded_at: '1999-01-01',
        transaction_id: '1',
        database: { address: '6.6.6.6', role: 'nobody' },
        unreadable: true,
        rows: 5,
      }),
    )
    const row = await written('(user,9,Eve,,,,"{""database"": {""role"": ""nobody""}, ""database_user"": ""nobody""}")')
    expect(row.context?.database).toEqual(entry.context?.database)
    expect(entry.database_user).toBe('postgres')
    expect(entry.context?.database).toMatchObject({ address: '127.0.0.1' })
    expect(JSON.stringify(entry.context?.database)).not.toContain('nobody')
    const { rows } = await log.run('select recorded_at from daybook.entries where id = $1', [entry.id])
    expect(rows[0].recorded_at.getTime()).toBeGreaterThan(before - 60_000)
  })

  it('B34 no context whatever stops a write', async () => {
    const context = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.json({ stringUnit: 'binary' }),
      fc
        .array(fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('user', '::1', '""{}""', '')), {
          maxLength: 9,
        })
        .map((parts) => `(${parts.join()})`),
      fc
        .record(
          {
            actor: fc.jsonValue(),
            ip_address: fc.jsonValue(),
            request_id: fc.jsonValue(),
            tenant_id: fc.jsonValue(),
            extra: fc.jsonValue(),
            on_behalf_of: fc.jsonValue(),
          },
          { requiredKeys: [] },
        )
        .map((value) => JSON.stringify(value)),
    )
    await fc.assert(
      fc.asyncProperty(context, async (text) => {
        const sent = text.replaceAll('\0', '')
        const entry = await written(sent)
        expect(['user', 'service', 'job', 'database', 'anonymous', 'unknown']).toContain(entry.actor_type)
      }),
      { numRuns: 200 },
    )
  })
})

describe('without a context', () => {
  it('B35 plain SQL has an actor of the kind database, with the role that signed in', async () => {
    await createLoginRole(log.pool, 'plain_writer')
    await createLoginRole(log.pool, 'other_role')
    await log.run('grant all on thing to plain_writer, other_role; grant other_role to plain_writer')
    await log.entries()
    const client = await connect(log.urlAs('plain_writer'))
    await client.query("set application_name = 'psql'; insert into thing (v) values ('a')")
    await client.query('set role other_role')
    await client.query("insert into thing (v) values ('b')")
    await client.end()
    const entries = await log.entries()
    expect(entries).toMatchObject([
      { actor_type: 'database', actor_id: 'plain_writer', actor_label: 'plain_writer', database_user: 'plain_writer' },
      { actor_type: 'database', actor_id: 'plain_writer', database_user: 'plain_writer' },
    ])
    expect(entries[0]?.context).toEqual({ database: { address: '127.0.0.1', application: 'psql' } })
    expect(entries[1]?.context).toEqual({ database: { address: '127.0.0.1', application: 'psql', role: 'other_role' } })
  })

  it('B35 a setting that was set in the session and is over is no context', async () => {
    const client = await connect(log.url)
    await client.query("begin; set local daybook.context = '{}'; commit")
    await client.query("insert into thing (v) values ('x')")
    await client.end()
    expect((await log.entries()).at(-1)).toMatchObject({ actor_type: 'database' })
  })

  it('B35 jobs and services keep their kind', async () => {
    for (const type of ['job', 'service'] as const) {
      expect(await written(writeContext({ actor: { type, id: 'nightly' } }))).toMatchObject({
        actor_type: type,
        actor_id: 'nightly',
        actor_label: 'nightly',
      })
    }
  })
})

describe('what the log hangs on', () => {
  it('B36 no foreign key leads out of the log, and entries outlive the account and the table', async () => {
    await log.table('create table account (id int primary key, name text)', 'account', { label: 'name' })
    const { rows } =
      await log.run(`select conname from pg_constraint c join pg_class r on r.oid in (c.conrelid, c.confrelid)
      where c.contype = 'f' and r.relnamespace = 'daybook'::regnamespace`)
    expect(rows).toEqual([])
    await log.run("insert into account values (1, 'Ada')")
    await written(writeContext({ actor: { id: '1', label: 'Ada' } }))
    await log.run('delete from account; drop table account')
    const kept = await log.run(
      "select actor_id, actor_label from daybook.entries where actor_id = '1' and actor_label = 'Ada'",
    )
    expect(kept.rows).toHaveLength(1)
    expect(
      (await log.run("select object_label from daybook.entries where model = 'Account' and object_id is not null"))
        .rows,
    ).toEqual([{ object_label: 'Ada' }, { object_label: 'Ada' }])
  })
})
