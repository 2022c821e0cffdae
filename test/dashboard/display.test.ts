import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import type { Tables } from '../../src/core/table.ts'
import { createDashboard } from '../../src/dashboard/index.ts'
import { createTestLog, type TestLog } from '../store/log.ts'

const HOSTILE = '<img src=x onerror=alert(1)>"\'&'

const TABLES = {
  customer: { label: 'name' },
  invoice: {
    label: 'number',
    fields: {
      status: { label: 'Status', choices: { o: 'Open', p: 'Paid', x: HOSTILE } },
      customer_id: { label: 'Customer' },
      approver: { references: 'User' },
      note: { label: HOSTILE },
    },
  },
  account: {
    model: 'User',
    label: 'email',
    permissionColumns: ['is_staff', 'level'],
    fields: { is_staff: { label: 'staff' } },
  },
  role: { label: 'title' },
  account_role: { permission: { to: 'account_id', grants: 'role_id' } },
  tag: { label: 'word' },
  invoice_tag: { link: { from: 'invoice_id', to: 'tag_id' } },
} satisfies Tables

const ADA = { actor: { id: '9', label: 'ada@example.com' } }

let log: TestLog

beforeAll(async () => {
  log = await createTestLog()
  await log.pool.query(`
    create table customer (id int primary key, name text);
    create table invoice (id int primary key, number text, status text, customer_id int references customer, approver int, note text);
    create table account (id int primary key, email text, is_staff boolean, level int);
    create table role (id int primary key, title text);
    create table account_role (account_id int references account, role_id int references role, primary key (account_id, role_id));
    create table tag (id int primary key, word text);
    create table invoice_tag (invoice_id int references invoice on delete cascade, tag_id int references tag, primary key (invoice_id, tag_id))`)
  for (const [table, options] of Object.entries(TABLES)) await track(fromPgPool(log.pool), table, options)
  await log.as(
    ADA,
    `insert into customer values (1, 'Aalto'), (2, $$${HOSTILE}$$)`,
    "insert into account values (5, 'bob@example.com', false, null), (6, null, false, null)",
    "insert into role values (3, 'Auditor'), (4, null)",
    `insert into tag values (7, 'urgent'), (8, $$${HOSTILE}$$)`,
    "insert into invoice values (1, 'A-1', 'o', 1, 77, 'n')",
  )
})
afterAll(() => log?.close())

const dashboard = () =>
  createDashboard({
    store: log.store,
    tables: TABLES,
    authorize: () => ({ allow: true, viewer: { id: '2', label: 'staff@example.com' } }),
    recordAs: async () => {},
  })

async function page(path: string): Promise<{ html: string; text: string }> {
  const response = await dashboard()(new Request(`http://127.0.0.1${path}`))
  const html = await response.text()
  expect(response.status).toBe(200)
  return { html, text: textOf(html) }
}

function textOf(html: string): string {
  return html
    .replace(/<title>.*?<\/title>/s, '')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
}

async function newest(): Promise<string> {
  return (await log.store.page({ limit: 1 })).entries[0]?.id ?? ''
}

describe('B21 the display', () => {
  test('B21 names fields, codes and keys in the list, beside it, on the entry’s page and in the timeline', async () => {
    await log.as(ADA, "update invoice set customer_id = 2, status = 'p', approver = null where id = 1")
    const id = await newest()
    const list = await page('/')
    expect(list.text).toContain('changed Status from Open to Paid and 2 more on Invoice A-1')
    for (const path of [`/?entry=${id}`, `/entries/${id}`]) {
      const { html, text } = await page(path)
      expect(text).toContain('Status status')
      expect(text).toMatch(/− Open o \+ Paid p/)
      expect(text).toMatch(/Customer customer_id − Aalto 1 \+ <img src=x onerror=alert\(1\)>"'& 2/)
      expect(text).toMatch(/approver − 77 not in the log \+ null/)
      expect(html).toContain('href="/objects/Customer/1"')
      expect(html).not.toContain('href="/objects/User/77"')
      expect(html).not.toContain('<img')
    }
    const timeline = await page('/objects/Invoice/1')
    expect(timeline.text).toMatch(/Status Open o → to Paid p/)
    expect(timeline.text).toMatch(/Customer Aalto 1 → to <img/)
    expect(timeline.html).not.toContain('<img')
  })

  test('B21 shows a key by the label of that moment, and the recorded JSON and the export keep the code', async () => {
    const before = await newest()
    await log.as(
      ADA,
      "update customer set name = 'Renamed' where id = 1",
      'update invoice set customer_id = 1 where id = 1',
    )
    const id = await newest()
    expect((await page(`/entries/${id}`)).text).toContain('to Renamed on Invoice A-1')
    expect((await page(`/entries/${before}`)).text).toMatch(/− Aalto 1/)
    expect((await page(`/entries/${id}`)).text).toMatch(/"customer_id": \[ 2, 1 \]/)
    const csv = await (await dashboard()(new Request('http://127.0.0.1/export.csv?q=model:Invoice'))).text()
    expect(csv).toContain('{""customer_id"":[2,1]}')
    expect(csv).not.toContain('Renamed')
  })

  test('B23 a name that is markup is text, for a field and for a code', async () => {
    await log.as(ADA, "update invoice set status = 'x', note = 'm' where id = 1")
    for (const path of ['/', `/entries/${await newest()}`, '/objects/Invoice/1']) {
      const { html, text } = await page(path)
      expect(text).toContain(HOSTILE)
      expect(html).not.toContain('<img')
    }
  })
})

test('B39 an account’s timeline has the sign-ins that failed under its name, and is called as the account is', async () => {
  await log.write({
    action: 'login',
    outcome: 'failure',
    actor_type: 'anonymous',
    model: 'User',
    object_id: '5',
    object_label: 'BOB@example.com',
  })
  const { html, text } = await page('/objects/User/5')
  expect(text).toContain('Sign-in failed for BOB@example.com')
  expect(html).toContain('<h1>User bob@example.com</h1>')
})

describe('B27 links and permissions', () => {
  const from = async (model: string, id: number) => (await page(`/objects/${model}/${id}`)).text

  test('B27 a link that comes and goes is told in the same words in both timelines', async () => {
    await log.as(ADA, 'insert into invoice_tag values (1, 7), (1, 8)')
    await log.as(ADA, 'delete from invoice_tag where tag_id = 7')
    for (const [model, id] of [
      ['Invoice', 1],
      ['Tag', 7],
    ] as const) {
      expect(await from(model, id)).toContain('ada@example.com linked Tag urgent to Invoice A-1')
      expect(await from(model, id)).toContain('ada@example.com unlinked Tag urgent from Invoice A-1')
    }
    expect(await from('Tag', 8)).toContain(`linked Tag ${HOSTILE} to Invoice A-1`)
    expect(await from('Tag', 8)).not.toContain('urgent')
  })

  test('B27 links that go with one side still stand in the other’s timeline', async () => {
    await log.as(
      ADA,
      "insert into invoice values (2, 'A-2', 'o', 1, null, null)",
      'insert into invoice_tag values (2, 7)',
    )
    await log.as(ADA, 'delete from invoice where id = 2')
    expect(await from('Tag', 7)).toContain('unlinked Tag urgent from Invoice')
    expect(await from('Invoice', 2)).toContain('unlinked Tag urgent from Invoice')
  })

  test('B28 a role that is given or taken says who, to whom and what, in both timelines', async () => {
    await log.as(ADA, 'insert into account_role values (5, 3)')
    await log.as(ADA, 'delete from account_role')
    for (const [model, id] of [
      ['User', 5],
      ['Role', 3],
    ] as const) {
      expect(await from(model, id)).toContain('ada@example.com granted Auditor to bob@example.com')
      expect(await from(model, id)).toContain('ada@example.com revoked Auditor from bob@example.com')
    }
  })

  test('B28 sides without a label are named by their models and keys', async () => {
    await log.as(ADA, 'insert into account_role values (6, 4)')
    expect(await from('Role', 4)).toContain('granted Role 4 to User 6')
    expect(await from('User', 6)).toContain('granted Role 4 to User 6')
  })

  test('B28 a flag that is set or cleared says which, and a level which one', async () => {
    await log.as(ADA, 'update account set is_staff = true where id = 5')
    await log.as(ADA, 'update account set is_staff = false where id = 5')
    await log.as(ADA, 'update account set level = 3 where id = 5')
    await log.as(ADA, 'update account set level = null where id = 5')
    const text = await from('User', 5)
    expect(text).toContain('ada@example.com granted staff to bob@example.com')
    expect(text).toContain('ada@example.com revoked staff from bob@example.com')
    expect(text).toContain('ada@example.com granted level 3 to bob@example.com')
    expect(text).toContain('ada@example.com revoked level 3 from bob@example.com')
  })
})
