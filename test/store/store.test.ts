import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { isExactNumber, writeExactJson } from '../../src/core/exact-json.ts'
import type { Filter } from '../../src/core/filter.ts'
import { parseQuery } from '../../src/core/query.ts'
import { createStore, readAs } from '../../src/store/index.ts'
import { SEARCHED_STATEMENTS } from '../../src/store/scan.ts'
import { createTestDatabase } from '../database.ts'
import { createTestLog, type TestLog } from './log.ts'

describe('an entry', () => {
  let log: TestLog
  beforeAll(async () => {
    log = await createTestLog()
  })
  afterAll(() => log.close())

  test('has every value as it was recorded: large numbers, trailing zeros, null, empty and odd names', async () => {
    const [id = ''] = await log.write({
      changes:
        '{"n":[9007199254740993,1.00],"t":["",null],"o":[null,{"a":[1,2.50]}],"__proto__":[1,2],"twice":[{"k":1,"k":2},null],"big":[1e400000,-0]}',
      changed_fields: ['n', 't', 'o', '__proto__', 'twice', 'big'],
      ip_address: '2001:db8::7',
      context:
        '{"user_agent":"curl","database":{"role":"app","address":"10.0.0.1"},"on_behalf_of":{"id":"3","label":"Eve"}}',
    })
    const entry = await log.store.entry(id)
    expect(entry).toMatchObject({
      id,
      outcome: 'success',
      ipAddress: '2001:db8::7',
      databaseUser: 'app',
      changedFields: ['n', 't', 'o', '__proto__', 'twice', 'big'],
      context: { userAgent: 'curl', database: { role: 'app' }, onBehalfOf: { id: '3', label: 'Eve' } },
    })
    const { n, t, o, big } = entry?.changes ?? {}
    expect(n?.map((value) => (isExactNumber(value) ? value.value : value))).toEqual(['9007199254740993', '1.00'])
    expect(t).toEqual(['', null])
    expect(o?.[1]).toMatchObject({ a: [1, { value: '2.50' }] })
    expect(big?.[0]).toMatchObject({ value: '1e400000' })
    expect(Object.keys(entry?.changes ?? {})).toContain('__proto__')
  })

  test.each([400, 700, 4000])('B15 that is nested %i deep is read and can be written', async (depth) => {
    const [id = ''] = await log.write({
      changes: `{"tree":[null,${'['.repeat(depth)}${']'.repeat(depth)}],"price":[1.00,${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}]}`,
      changed_fields: ['tree', 'price'],
    })
    const entry = await log.store.entry(id)
    expect(Object.keys(entry?.changes ?? {})).toEqual(['tree', 'price'])
    expect(writeExactJson(entry)).toContain(depth > 500 ? '"$daybook":"capped"' : '[[[[')
  })

  test('that does not exist is undefined', async () => {
    expect(await log.store.entry('9223372036854775807')).toBeUndefined()
  })
})

describe('a page', () => {
  let log: TestLog
  let ids: string[]
  beforeAll(async () => {
    log = await createTestLog()
    ids = await log.write(
      ...Array.from({ length: 25 }, (_, n) => ({ model: n % 2 ? 'Odd' : 'Even', object_id: String(n) })),
    )
  })
  afterAll(() => log.close())

  test('B46 is walked from newest to oldest and back by ids, each entry once, steady while new entries arrive', async () => {
    const { store } = log
    const walked: string[] = []
    let page = await store.page({ limit: 10 })
    expect(page.newer).toBeUndefined()
    walked.push(...page.entries.map((entry) => entry.id))
    const later = await log.write({ model: 'Even' }, { model: 'Odd' })
    while (page.older) {
      page = await store.page({ ...page.older, limit: 10 })
      walked.push(...page.entries.map((entry) => entry.id))
    }
    expect(walked).toEqual([...ids].reverse())
    expect(page.newer).toBeDefined()

    page = await store.page({ ...page.newer, limit: 10 })
    expect(page.entries.map((entry) => entry.id)).toEqual(walked.slice(10, 20))
    expect(page.newer).toBeDefined()
    page = await store.page({ ...page.newer, limit: 10 })
    expect(page.entries.map((entry) => entry.id)).toEqual(walked.slice(0, 10))
    // The two that came meanwhile are no whole page: the newest page is shown instead, and it is the last one.
    page = await store.page({ ...page.newer, limit: 10 })
    expect(page.entries.map((entry) => entry.id)).toEqual([...later].reverse().concat(walked.slice(0, 8)))
    expect(page.newer).toBeUndefined()
    await log.pool.query('delete from daybook.entry where id = any($1)', [later])
  })

  test('of a filter holds that filter alone, both ways', async () => {
    const filter: Filter = { model: ['Odd'] }
    const first = await log.store.page({ filter, limit: 5 })
    expect(first.entries.map((entry) => entry.objectId)).toEqual(['23', '21', '19', '17', '15'])
    const second = await log.store.page({ filter, ...first.older, limit: 5 })
    expect(second.entries.map((entry) => entry.objectId)).toEqual(['13', '11', '9', '7', '5'])
    const again = await log.store.page({ filter, ...second.newer, limit: 5 })
    expect(again.entries).toEqual(first.entries)
    expect(await log.store.neighbours(second.entries[0]?.id ?? '', filter)).toEqual({
      newer: first.entries.at(-1)?.id,
      older: second.entries[1]?.id,
    })
  })

  test('beyond either end is empty and leads back', async () => {
    const [oldest = ''] = ids
    expect(await log.store.page({ before: oldest })).toEqual({ entries: [], newer: {} })
    const newest = await log.store.page({ after: '9223372036854775807', limit: 3 })
    expect(newest.entries.map((entry) => entry.id)).toEqual([...ids].reverse().slice(0, 3))
  })

  test('B46 counts up to its bound and says that there are more; exactly when asked', async () => {
    expect(await log.store.count({}, { atMost: 10 })).toEqual({ count: 10, orMore: true })
    expect(await log.store.count({}, { atMost: 25 })).toEqual({ count: 25, orMore: false })
    expect(await log.store.count({ model: ['Odd'] })).toEqual({ count: 12, orMore: false })
    expect(await log.store.countExactly({ model: ['Odd'] })).toBe(12)
    expect(await log.store.countExactly({ text: ['nothing'] })).toBe(0)
  })
})

describe('a filter', () => {
  let log: TestLog
  beforeAll(async () => {
    log = await createTestLog()
    const [first = ''] = await log.write({
      action: 'create',
      actor_id: '7',
      actor_label: 'ada@example.com',
      ip_address: '203.0.113.9',
      request_id: 'req-1',
      transaction_id: '771204',
      model: 'Invoice',
      object_id: '117',
      object_label: 'Invoice 2024-0117 100%',
      changes: '[1,"open",10.00]',
      changed_fields: ['number', 'status', 'total'],
      recorded_at: '2026-11-01T00:00:00Z',
    })
    await log.write(
      {
        action: 'create',
        actor_id: '7',
        statement_id: first,
        model: 'Invoice',
        object_id: '118',
        object_label: 'Aalto Oy',
        changes: '[2,"open",20.00]',
        recorded_at: '2026-11-01T00:00:00Z',
        ip_address: '203.0.113.9',
      },
      {
        action: 'login',
        outcome: 'failure',
        actor_type: 'anonymous',
        object_label: 'eve@example.com',
        tenant_id: 'acme',
        ip_address: '198.51.100.23',
        recorded_at: '2026-11-02T23:59:59.999999Z',
      },
      {
        action: 'invoice.approved',
        actor_type: 'job',
        actor_id: '7',
        actor_label: 'nightly',
        model: 'Invoice',
        object_id: '117',
        ip_address: '2001:db8::1',
        // What json accepts and could not be unescaped as a whole.
        changes: '[["of \\"two\\" words",1,2],["note","\\u0000","\\ud800"]]',
        recorded_at: '2026-11-03T00:00:00Z',
      },
      {
        action: 'invoices',
        actor_type: 'database',
        actor_id: 'postgres',
        actor_label: 'postgres',
        model: 'User',
        object_id: '117',
        related_label: 'billing_admin',
        changes: '[["status","open","paid"],["total2","total",1]]',
        recorded_at: '2026-11-04T10:00:00Z',
      },
    )
  })
  afterAll(() => log.close())

  const cases: readonly (readonly [query: string, actions: readonly string[]])[] = [
    ['', ['invoices', 'invoice.approved', 'login', 'create', 'create']],
    ['actor:user:7', ['create', 'create']],
    ['actor:job:7', ['invoice.approved']],
    ['actor:7', ['invoice.approved', 'create', 'create']],
    ['actor:ADA@example.com', ['create', 'create']],
    ['actor:ada', []],
    ['actor:anonymous', ['login']],
    ['actor:database:postgres actor:anonymous', ['invoices', 'login']],
    ['model:Invoice', ['invoice.approved', 'create', 'create']],
    ['model:Invoice model:User object-id:117', ['invoices', 'invoice.approved', 'create']],
    ['model:Invoice object-id:117 object-id:118', ['invoice.approved', 'create', 'create']],
    ['object:117', ['invoices', 'invoice.approved', 'create']],
    ['object:aalto', ['create']],
    ['object:100%', ['create']],
    ['object:%', ['create']],
    ['object:_', []],
    ['action:login', ['login']],
    ['action:invoice.*', ['invoice.approved']],
    ['action:invoice.* action:login', ['invoice.approved', 'login']],
    ['outcome:failure', ['login']],
    ['outcome:denied', []],
    ['outcome:success', ['invoices', 'invoice.approved', 'create', 'create']],
    ['outcome:success outcome:failure action:login', ['login']],
    ['ip:203.0.113.9', ['create', 'create']],
    ['ip:203.0.113.0/24 ip:198.51.100.23', ['login', 'create', 'create']],
    ['ip:2001:db8::/32', ['invoice.approved']],
    ['ip:0.0.0.0/0', ['login', 'create', 'create']],
    ['request:req-1', ['create', 'create']],
    ['request:req-1 object:aalto', ['create']],
    ['transaction:771204', ['create', 'create']],
    ['transaction:771204 request:other', []],
    ['at:2026-11-02..', ['invoices', 'invoice.approved', 'login']],
    ['at:..2026-11-02', ['login', 'create', 'create']],
    ['at:..2026-11-03T00:00', ['login', 'create', 'create']],
    ['at:2026-11-03..2026-11-03', ['invoice.approved']],
    ['at:2026-11-02T23:59:59.999999..2026-11-03T00:00', ['login']],
    ['action:login at:0001-01-01..9999-12-31', ['login']],
    ['ada@', ['create', 'create']],
    ['NIGHTLY', ['invoice.approved']],
    ['billing_admin', ['invoices']],
    ['billing-admin', []],
    ['nightly eve', []],
    ['ada aalto', ['create']],
    ['ada -aalto', ['create']],
    ['-create', ['invoices', 'invoice.approved', 'login', 'create', 'create']],
    ['-action:create', ['invoices', 'invoice.approved', 'login']],
    ['-action:invoice.* -outcome:failure', ['invoices', 'create', 'create']],
    ['-actor:user:7 -ip:2001:db8::/32', ['invoices', 'login']],
    ['-request:req-1 -transaction:1', ['invoices', 'invoice.approved', 'login']],
    ['at:2026-11-01 at:2026-11-03', ['invoice.approved', 'create', 'create']],
    ['-at:2026-11-01..2026-11-02', ['invoices', 'invoice.approved']],
    ['tenant:acme', ['login']],
    ['-tenant:acme action:login', []],
    ['field:status', ['invoices', 'create', 'create']],
    ['field:status -field:total', ['invoices']],
    ['field:"of \\"two\\" words"', ['invoice.approved']],
    ['"\' or 1=1 --"', []],
    ['\\', []],
  ]

  test.each(cases)('"%s" gives its entries, counted and streamed alike', async (query, actions) => {
    const filter = parseQuery(query)
    const page = await log.store.page({ filter })
    expect(page.entries.map((entry) => entry.action)).toEqual(actions)
    expect(await log.store.count(filter)).toEqual({ count: actions.length, orMore: false })
    expect(await log.store.countExactly(filter)).toBe(actions.length)
    const streamed = []
    for await (const entry of log.store.stream(filter)) streamed.push(entry)
    expect(streamed).toEqual(page.entries)
  })

  test('by statement gives the whole of it', async () => {
    const page = await log.store.page({ filter: { action: ['create'] } })
    const statement = page.entries[0]?.statementId ?? ''
    expect(page.entries.map((entry) => entry.statementId)).toEqual([statement, statement])
    const found = await log.store.page({ filter: { statement: [statement] } })
    expect(found.entries).toEqual(page.entries)
  })

  test('has the values that occur to choose from, and who acted lately', async () => {
    expect(await log.store.values('action')).toEqual(['create', 'invoice.approved', 'invoices', 'login'])
    expect(await log.store.values('model')).toEqual(['Invoice', 'User'])
    expect((await log.store.recentActors()).map((actor) => actor.actorLabel ?? actor.actorType)).toEqual([
      'postgres',
      'nightly',
      'anonymous',
      'ada@example.com',
    ])
  })
})

describe('a search', () => {
  let log: TestLog
  const total = SEARCHED_STATEMENTS + 10_000
  beforeAll(async () => {
    log = await createTestLog()
    await log.pool.query(
      `insert into daybook.entry (recorded_at, action, actor_type, database_user, object_label)
       select timestamptz '2026-11-01' + n * interval '1 second', 'update', 'user', 'app', case when n in (1, 2, $1 - 10) then 'needle' else 'hay' end
       from generate_series(1, $1::int) n`,
      [total],
    )
  }, 120_000)
  afterAll(() => log.close())

  test('B46 for a rare word looks at a bounded number of entries, says how far it came, and goes on from there', async () => {
    const filter: Filter = { text: ['needle'] }
    const first = await log.store.page({ filter })
    expect(first.entries).toHaveLength(1)
    expect(first.searchedTo).toBeInstanceOf(Date)
    expect(await log.store.count(filter)).toEqual({ count: 1, orMore: true })
    expect(await log.store.countExactly(filter)).toBe(3)

    const second = await log.store.page({ filter, ...first.older })
    expect(second.entries).toHaveLength(2)
    expect(second.searchedTo).toBeUndefined()
    expect(second.older).toBeUndefined()
  })

  test('for a frequent word is a page like any other', async () => {
    const page = await log.store.page({ filter: { text: ['hay'] }, limit: 10 })
    expect(page.entries).toHaveLength(10)
    expect(page.searchedTo).toBeUndefined()
  })

  test('B55 a stream that is left early ends its transaction, and one that is read holds one snapshot', async () => {
    const open = async () => {
      const { rows } = await log.pool.query(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()",
      )
      return rows[0].n
    }
    let seen = 0
    for await (const entry of log.store.stream()) {
      expect(entry.id).toBeTypeOf('string')
      seen += 1
      if (seen === 700) {
        expect(await open()).toBe(1)
        break
      }
    }
    expect(await open()).toBe(0)

    const stream = log.store.stream({ action: ['update'] })
    await stream.next()
    await log.write({ action: 'update' })
    let count = 1
    for await (const _ of stream) count += 1
    expect(count).toBe(total)
  })
})

describe('a timeline', () => {
  let log: TestLog
  beforeAll(async () => {
    log = await createTestLog()
  })
  afterAll(() => log.close())

  const actions = async (objectId: string, model = 'Person') =>
    (await log.store.timeline({ model, objectId })).entries.map((entry) => `${entry.action} ${entry.objectId}`)

  test('B8 goes on where the key changed, from the old key as from the new one', async () => {
    await log.write(
      { action: 'create', model: 'Person', object_id: '5' },
      { action: 'update', model: 'Person', object_id: '7', previous_object_id: '5' },
      { action: 'update', model: 'Person', object_id: '7' },
      { action: 'update', model: 'Person', object_id: '9', previous_object_id: '7' },
      { action: 'delete', model: 'Person', object_id: '9' },
      // Another person gets the first key, and somebody else's row has it too.
      { action: 'create', model: 'Person', object_id: '5' },
      { action: 'create', model: 'Order', object_id: '7' },
    )
    const life = ['delete 9', 'update 9', 'update 7', 'update 7', 'create 5']
    expect(await actions('9')).toEqual(life)
    expect(await actions('7')).toEqual(life)
    expect(await actions('5')).toEqual(['create 5', ...life])
    expect(await actions('7', 'Order')).toEqual(['create 7'])
    expect(await actions('nobody')).toEqual([])
  })

  test('B9 keeps the lives of an id that is used again apart: both stand in its own timeline, and no other key leads from one to the other', async () => {
    await log.pool.query('create table member (id int primary key, name text)')
    await track(fromPgPool(log.pool), 'member')
    await log.as(
      undefined,
      "insert into member values (5, 'first')",
      'update member set id = 6',
      'update member set id = 5',
      'delete from member',
    )
    await log.as(
      undefined,
      "insert into member values (5, 'second')",
      "update member set name = 'Second'",
      'update member set id = 8',
    )
    await log.as(undefined, "insert into member values (5, 'third')", 'delete from member where id = 8')
    await log.as(
      undefined,
      "insert into member values (8, 'fourth')",
      'update member set id = 9 where id = 8',
      "insert into member values (8, 'fifth')",
    )
    const first = ['delete 5', 'update 5', 'update 6', 'create 5']
    const second = ['delete 8', 'update 8', 'update 5', 'create 5']
    const fourth = ['update 9', 'create 8']
    expect(await actions('6', 'Member')).toEqual(first)
    expect(await actions('9', 'Member')).toEqual(fourth)
    expect(await actions('5', 'Member')).toEqual([second[0], 'create 5', ...second.slice(1), ...first])
    expect(await actions('8', 'Member')).toEqual(['create 8', ...fourth, ...second])
  })

  test('B27 holds what joined the object to another one, once, from both sides', async () => {
    await log.write({
      action: 'permission_granted',
      model: 'User',
      object_id: '52',
      related_model: 'Role',
      related_id: 'billing',
    })
    await log.write({ action: 'merged', model: 'User', object_id: '52', related_model: 'User', related_id: '52' })
    expect(await actions('billing', 'Role')).toEqual(['permission_granted 52'])
    expect(await actions('52', 'User')).toEqual(['merged 52', 'permission_granted 52'])
  })

  test('is paged both ways', async () => {
    const ids = await log.write(...Array.from({ length: 7 }, () => ({ model: 'Long', object_id: 'a' })))
    const query = { model: 'Long', objectId: 'a', limit: 3 }
    const first = await log.store.timeline(query)
    const second = await log.store.timeline({ ...query, ...first.older })
    const third = await log.store.timeline({ ...query, ...second.older })
    expect([first, second, third].flatMap((page) => page.entries.map((entry) => entry.id))).toEqual([...ids].reverse())
    expect(third.older).toBeUndefined()
    expect((await log.store.timeline({ ...query, ...third.newer })).entries).toEqual(second.entries)
    expect((await log.store.timeline({ ...query, ...second.newer })).entries).toEqual(first.entries)
  })
})

describe('the store', () => {
  test('reads as daybook_reader on a pool of the application: it sees the log and can change nothing', async () => {
    const log = await createTestLog()
    try {
      const database = readAs(fromPgPool(log.pool))
      await log.write({ action: 'create' })
      const store = createStore(database)
      expect((await store.page()).entries).toHaveLength(1)
      const streamed = []
      for await (const entry of store.stream()) streamed.push(entry)
      expect(streamed).toHaveLength(1)
      await expect(database.query('select current_user as role')).resolves.toMatchObject({
        rows: [{ role: 'daybook_reader' }],
      })
      await expect(database.query('delete from daybook.entry')).rejects.toThrow()
    } finally {
      await log.close()
    }
  })

  test('on a database without the log says what to do', async () => {
    const database = await createTestDatabase('store')
    try {
      const store = createStore(fromPgPool(database.pool))
      await expect(store.page()).rejects.toMatchObject({ code: 'not_installed' })
      await expect(store.stream().next()).rejects.toMatchObject({ code: 'not_installed' })
    } finally {
      await database.close()
    }
  })
})
