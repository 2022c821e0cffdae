import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { createDisplay, type ObjectReference, referenceKey } from '../../src/core/display.ts'
import type { Entry } from '../../src/core/entry.ts'
import { createTestLog, type TestLog } from './log.ts'

let log: TestLog

beforeAll(async () => {
  log = await createTestLog()
  await log.pool.query(`
    create schema shop;
    create table customer (id int primary key, name text, city text);
    create table shop."Order Line" (id int primary key, what text);
    create table country (code text primary key, name text, number int unique);
    create table kept_apart (id int primary key);
    create table invoice (
      id int primary key, customer_id int references customer on update cascade deferrable initially deferred,
      line_id int references shop."Order Line", country text references country, by_number int references country (number),
      apart_id int references kept_apart, loose_id int, unique (id, customer_id));
    create table visit (invoice_id int, customer_id int, foreign key (invoice_id, customer_id) references invoice (id, customer_id))`)
  const database = fromPgPool(log.pool)
  await track(database, 'customer', { label: 'name' })
  await track(database, 'shop."Order Line"', { model: 'Line', label: 'what' })
  await track(database, 'country', { label: 'name' })
  await track(database, 'kept_apart')
  await track(database, 'invoice')
  await track(database, 'visit')
})
afterAll(() => log?.close())

/** The entries of the invoices, oldest first. */
async function invoices(id: number): Promise<readonly Entry[]> {
  const { entries } = await log.store.timeline({ model: 'Invoice', objectId: String(id) })
  return entries.toReversed()
}

async function shown(entry: Entry | undefined, field: string): Promise<readonly string[]> {
  if (!entry) throw new Error('there is no such entry')
  const plain = createDisplay(
    { invoice: { fields: { loose_id: { references: 'Customer' } } } },
    await log.store.foreignKeys(),
  )
  const display = plain.withLabels(await log.store.labels(plain.references(entry)))
  return (entry.changes[field] ?? []).map((value) => {
    const { text, isMissing } = display.value(entry, field, value)
    return isMissing ? `${text}?` : text
  })
}

describe('labels as they were', () => {
  test('B21 each entry shows the label that the object had then, also when it is renamed or gone', async () => {
    await log.pool.query("insert into customer values (1, 'Aalto')")
    await log.pool.query('insert into invoice (id, customer_id) values (1, 1)')
    await log.pool.query("update customer set name = 'Aalto Oy' where id = 1")
    await log.pool.query('update invoice set customer_id = null where id = 1')
    await log.pool.query('delete from customer where id = 1')
    await log.pool.query('update invoice set loose_id = 1 where id = 1')
    const [created, cleared, later] = await invoices(1)
    expect(await shown(created, 'customer_id')).toEqual(['null', 'Aalto'])
    expect(await shown(cleared, 'customer_id')).toEqual(['Aalto Oy', 'null'])
    expect(await shown(later, 'loose_id')).toEqual(['null', 'Aalto Oy'])
  })

  test('B21 an object that the log never saw is missing, and so is one of another model with the same key', async () => {
    await log.pool.query(`
      alter table customer disable trigger daybook_insert;
      insert into customer values (40, 'Silent');
      alter table customer enable trigger daybook_insert;
      insert into kept_apart values (40);
      insert into invoice (id, customer_id) values (40, 40)`)
    const [created] = await invoices(40)
    expect(await shown(created, 'customer_id')).toEqual(['null', '40?'])
    await log.pool.query("update customer set city = 'Espoo' where id = 40")
    // What the log learned later is not what was known then.
    expect(await shown(created, 'customer_id')).toEqual(['null', '40?'])
  })

  test('B21 an object that the same transaction made after it was referred to has its label', async () => {
    await log.as(
      undefined,
      'insert into invoice (id, customer_id) values (3, 3)',
      "insert into customer values (3, 'Deferred')",
    )
    const [created] = await invoices(3)
    expect(await shown(created, 'customer_id')).toEqual(['null', 'Deferred'])
    await log.pool.query('update customer set id = 33 where id = 3')
    const [, cascaded] = await invoices(3)
    expect(await shown(cascaded, 'customer_id')).toEqual(['Deferred', 'Deferred'])
  })

  test('B21 keys of text and tables with odd names are resolved as well; what was tried in vain names nothing', async () => {
    await log.pool.query(`
      insert into country values ('FI', 'Finland', 246);
      insert into shop."Order Line" values (5, 'Kettle');
      insert into invoice (id, country, line_id) values (5, 'FI', 5)`)
    await log.write({
      action: 'login',
      outcome: 'failure',
      model: 'Country',
      object_id: 'FI',
      object_label: 'as typed',
    })
    await log.pool.query('update invoice set country = null where id = 5')
    const [created, cleared] = await invoices(5)
    expect(await shown(created, 'country')).toEqual(['null', 'Finland'])
    expect(await shown(created, 'line_id')).toEqual(['null', 'Kettle'])
    expect(await shown(cleared, 'country')).toEqual(['Finland', 'null'])
  })

  test('B21 an object that was only ever the other side of a link has its label from there', async () => {
    const [id = ''] = await log.write({
      action: 'linked',
      model: 'Account',
      object_id: '1',
      related_model: 'Role',
      related_id: '9',
      related_label: 'Auditor',
    })
    const reference: ObjectReference = {
      model: 'Role',
      id: '9',
      entry: { id: String(BigInt(id) + 5n), transactionId: null },
    }
    expect([...(await log.store.labels([reference])).values()]).toEqual(['Auditor'])
  })

  test('B21 a key that no log can hold, or one too many, is an error nowhere', async () => {
    const at = { id: '9000000000000000000', transactionId: '1' }
    const odd = ['a\0b', 'x'.repeat(2000), '\ud800', "'; drop", ''].map((id) => ({ model: 'Customer', id, entry: at }))
    const many = Array.from({ length: 1500 }, (_, n) => ({ model: 'Nothing', id: `n${n}`, entry: at }))
    const labels = await log.store.labels([...odd, { ...odd[4], model: 'a\0b' } as ObjectReference, ...many])
    expect(labels.size).toBe(1000)
    expect(new Set(labels.values())).toEqual(new Set([null]))
    expect(await log.store.labels([])).toEqual(new Map())
  })

  test('B21 behind thousands of entries of other models with the same key nothing is said to be missing', async () => {
    await log.write({ action: 'create', model: 'Buried', object_id: 'hot', object_label: 'Found' })
    const [top = ''] = await log.write({ model: 'Near', object_id: 'hot', object_label: 'Near it' })
    const before = { id: String(BigInt(top) - 1n), transactionId: null }
    await log.pool.query(
      `insert into daybook.entry (recorded_at, action, actor_type, model, object_id) select now(), 'update', 'job', 'Counter', 'hot' from generate_series(1, 2100)`,
    )
    const behind = { id: '9000000000000000000', transactionId: null }
    const references = [
      { model: 'Buried', id: 'hot', entry: before },
      { model: 'Buried', id: 'hot', entry: behind },
      { model: 'Never', id: 'hot', entry: behind },
      { model: 'Never', id: 'hot', entry: before },
    ]
    const labels = await log.store.labels(references)
    expect(references.map((reference) => labels.get(referenceKey(reference)))).toEqual([
      'Found',
      undefined,
      undefined,
      null,
    ])
  })
})

test('B21 foreign keys are known from the database: of one column, to the key of a table with a label', async () => {
  expect(await log.store.foreignKeys()).toEqual([
    { table: 'public.invoice', column: 'country', references: 'Country' },
    { table: 'public.invoice', column: 'customer_id', references: 'Customer' },
    { table: 'public.invoice', column: 'line_id', references: 'Line' },
  ])
})
