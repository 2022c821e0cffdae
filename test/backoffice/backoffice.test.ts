import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Backoffice, startBackoffice } from '../../examples/backoffice/backoffice.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import { refusals } from './refusals.ts'
import { signedIn, type Visitor, visit } from './visitor.ts'

let database: TestDatabase
let dataFolder: string
let backoffice: Backoffice
let admin: Visitor

const settings = () => ({ port: 0, databaseUrl: database.url, dataFolder })

beforeAll(async () => {
  database = await createTestDatabase('backoffice')
  dataFolder = await mkdtemp(join(tmpdir(), 'backoffice-'))
  backoffice = await startBackoffice(settings(), () => {})
  admin = await signedIn(backoffice.url, 'admin@example.com')
})

afterAll(async () => {
  await backoffice?.close()
  await database?.close()
  await rm(dataFolder, { recursive: true, force: true })
})

interface Entry {
  readonly id: string
  readonly action: string
  readonly outcome: string
  readonly actor_type: string
  readonly actor_id: string | null
  readonly actor_label: string | null
  readonly ip_address: string | null
  readonly request_id: string | null
  readonly model: string | null
  readonly object_id: string | null
  readonly object_label: string | null
  readonly related_model: string | null
  readonly related_label: string | null
  readonly changes: Record<string, [unknown, unknown]>
  readonly database_user: string
  readonly context: { route?: string; reason?: string; user_agent?: string; extra?: unknown } | null
}

/** The entries that `work` made, in their order. */
async function entriesOf(work: () => Promise<unknown>): Promise<Entry[]> {
  const before = await database.pool.query('select coalesce(max(id), 0) as id from daybook.entries')
  await work()
  const { rows } = await database.pool.query('select * from daybook.entries where id > $1 order by id', [
    before.rows[0].id,
  ])
  return rows
}

async function one<Row extends object = { id: number }>(sql: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await database.pool.query(sql, values)
  if (!rows[0]) throw new Error(`nothing found by: ${sql}`)
  return rows[0]
}

const userId = async (email: string) => (await one('select id from backoffice."user" where email = $1', [email])).id
const roleId = async (name: string) => (await one('select id from backoffice.role where name = $1', [name])).id

describe('what is there at the start', () => {
  test('the shop is filled by the job seed, and the log says so', async () => {
    const { rows } = await database.pool.query(
      "select model, count(*)::int as number from daybook.entries where actor_type = 'job' and actor_id = 'seed' and action = 'create' group by model order by model",
    )
    expect(rows).toMatchObject([
      { model: 'Account', number: 3 },
      { model: 'Customer', number: 40 },
      { model: 'Invoice', number: 120 },
      { model: 'InvoiceLine' },
      { model: 'Product', number: 60 },
      { model: 'Role', number: 4 },
      { model: 'User', number: 10 },
    ])
    const others = await database.pool.query(
      "select action, count(*)::int as number from daybook.entries where actor_label <> 'seed' group by action order by action",
    )
    expect(others.rows).toEqual([
      { action: 'capture.tracked', number: 8 },
      { action: 'login', number: 1 },
    ])
  })

  test('the signing secret is made in the data folder, for its owner alone', async () => {
    const { mode } = await stat(join(dataFolder, 'signing-secret'))
    expect(mode & 0o777).toBe(0o600)
  })

  test('a second start finds everything, keeps sessions and fills nothing again', async () => {
    const visitor = await signedIn(backoffice.url, 'staff@example.com')
    const made = await entriesOf(async () => {
      const port = Number(new URL(backoffice.url).port)
      await backoffice.close()
      backoffice = await startBackoffice({ ...settings(), port }, () => {})
    })
    expect(made).toEqual([])
    expect((await visitor.get('/')).status).toBe(200)
  })
})

describe('signing in and out', () => {
  test('B39 a sign-in, a failed sign-in and a sign-out are entries with person and address, without the password', async () => {
    const visitor = visit(backoffice.url)
    const made = await entriesOf(async () => {
      const refused = await visitor.post('/sign-in', { email: 'clerk@example.com', password: 'not-the-password-7' })
      expect(refused.status).toBe(401)
      expect(refused.body).toContain('don’t belong together')
      expect((await visitor.post('/sign-in', { email: 'clerk@example.com', password: 'daybook-demo' })).location).toBe(
        '/',
      )
      expect((await visitor.post('/sign-out')).location).toBe('/sign-in?notice=signed-out')
      expect((await visitor.get('/')).status).toBe(303)
    })
    const id = String(await userId('clerk@example.com'))
    expect(made).toMatchObject([
      { action: 'login', outcome: 'failure', object_label: 'clerk@example.com', ip_address: '127.0.0.1' },
      { action: 'login', outcome: 'success', actor_id: id, actor_label: 'clerk@example.com', ip_address: '127.0.0.1' },
      { action: 'logout', outcome: 'success', actor_id: id, actor_label: 'clerk@example.com', ip_address: '127.0.0.1' },
    ])
    expect(JSON.stringify(made)).not.toContain('not-the-password-7')
    expect(JSON.stringify(made)).not.toContain('daybook-demo')
  })

  test('a session that a new password or a superuser ends is no logout', async () => {
    const elsewhere = await signedIn(backoffice.url, 'clerk@example.com')
    const here = await signedIn(backoffice.url, 'clerk@example.com')
    const id = await userId('clerk@example.com')
    const change = (current: string, wanted: string) =>
      here.post('/account/password', { current, wanted, again: wanted })
    const made = await entriesOf(async () => {
      expect((await change('daybook-demo', 'another-password')).location).toBe('/account?notice=changed')
      expect((await elsewhere.get('/')).status).toBe(303)
      expect((await change('another-password', 'daybook-demo')).status).toBe(303)
      await admin.post(`/users/${id}`, { name: 'Clara Ortiz', email: 'clerk@example.com' })
      expect((await here.get('/')).status).toBe(303)
      expect(
        (await visit(backoffice.url).post('/sign-in', { email: 'clerk@example.com', password: 'daybook-demo' })).status,
      ).toBe(401)
      await admin.post(`/users/${id}`, { name: 'Clara Ortiz', email: 'clerk@example.com', is_active: 'yes' })
    })
    expect(made.filter(({ action }) => action === 'password_changed')).toMatchObject([
      { actor_label: 'clerk@example.com', object_id: String(id) },
      { actor_label: 'clerk@example.com', object_id: String(id) },
    ])
    expect(made.map(({ action }) => action)).not.toContain('logout')
    expect(made.filter(({ model, action }) => model === 'User' && action === 'update')).toMatchObject([
      { changes: { is_active: [true, false] }, actor_label: 'admin@example.com' },
      { changes: { is_active: [false, true] }, actor_label: 'admin@example.com' },
    ])
  })

  test('B24 no password, hash, session token or bank account stands in the log', async () => {
    const { rows: secrets } = await database.pool.query<{ secret: string }>(
      `select password as secret from backoffice.account where password is not null
       union all select token from backoffice.session union all select iban from backoffice.customer where iban is not null`,
    )
    const { log } = await one<{ log: string }>("select string_agg(e::text, '') as log from daybook.entries e")
    expect(secrets.length).toBeGreaterThan(40)
    for (const { secret } of secrets) expect(log).not.toContain(secret)
  })

  test('localhost and 127.0.0.1 both sign in, each with a cookie of its own', async () => {
    const { port } = new URL(backoffice.url)
    for (const host of ['localhost', '127.0.0.1']) {
      const visitor = await signedIn(`http://${host}:${port}`, 'staff@example.com')
      expect((await visitor.get('/')).body, host).toContain('Samir Haddad')
      expect((await visitor.post('/sign-out')).status, host).toBe(303)
      expect((await visitor.get('/')).status, host).toBe(303)
    }
  })

  test('after signing in one comes to the page that was wanted, never to another site', async () => {
    const visitor = visit(backoffice.url)
    expect((await visitor.get('/invoices?status=paid')).location).toBe('/sign-in?next=%2Finvoices%3Fstatus%3Dpaid')
    const signIn = (next: string) =>
      visit(backoffice.url).post('/sign-in', { email: 'staff@example.com', password: 'daybook-demo', next })
    expect((await signIn('/invoices?status=paid')).location).toBe('/invoices?status=paid')
    for (const elsewhere of [
      '//evil.example',
      '/\\evil.example',
      'https://evil.example',
      'javascript:alert(1)',
      '/\t/evil.example',
      '',
    ]) {
      expect((await signIn(elsewhere)).location, elsewhere).toBe('/')
    }
  })

  test('a form that another site sends does nothing', async () => {
    const { id } = await one('select id from backoffice.invoice order by id limit 1')
    const made = await entriesOf(async () => {
      for (const headers of [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' },
      ]) {
        const answer = await admin.post(`/invoices/${id}/delete`, {}, headers)
        expect(answer.status).toBe(403)
      }
    })
    expect(made).toEqual([])
  })
})

describe('the daily work', () => {
  test('B29 a changed invoice is one entry with person, address, request, route and only what changed', async () => {
    const invoice = await one<{ id: number; number: string; notes: string | null }>(
      "select id, number, notes from backoffice.invoice where status = 'sent' order by id desc limit 1",
    )
    let requestId: string | null = null
    const made = await entriesOf(async () => {
      const answer = await admin.post(`/invoices/${invoice.id}/status`, { status: 'paid' })
      expect(answer.location).toBe(`/invoices/${invoice.id}?notice=status`)
      requestId = answer.headers.get('x-request-id')
    })
    expect(made).toMatchObject([
      {
        action: 'update',
        model: 'Invoice',
        object_id: String(invoice.id),
        object_label: invoice.number,
        changes: { status: ['sent', 'paid'] },
        actor_type: 'user',
        actor_id: String(await userId('admin@example.com')),
        actor_label: 'admin@example.com',
        ip_address: '127.0.0.1',
        request_id: requestId,
        database_user: 'backoffice_app',
        context: { route: 'POST /invoices/:id/status' },
      },
    ])
    expect(Object.keys(made[0]?.changes ?? {})).toEqual(['status'])
  })

  test('B29 the actor and the address do not outlive their request', async () => {
    await admin.get('/invoices')
    const [entry] = await entriesOf(() =>
      backoffice.pool.query("update backoffice.customer set phone = coalesce(phone, '') || ' 1' where id = 1"),
    )
    expect(entry).toMatchObject({
      actor_type: 'database',
      actor_id: 'backoffice_app',
      ip_address: null,
      request_id: null,
    })
  })

  test('an invoice is written, edited line by line and deleted with its lines, each of them an entry', async () => {
    const customer = await one('select id from backoffice.customer order by id limit 1')
    const product = await one<{ id: number; name: string; price: string }>(
      'select id, name, price from backoffice.product order by id limit 1',
    )
    const form = { customer_id: String(customer.id), issued_on: '2026-11-21', due_on: '2026-12-21', notes: '' }
    const line = (index: number, fields: Record<string, string>) =>
      Object.fromEntries(
        ['id', 'product_id', 'description', 'quantity', 'unit_price', 'remove'].map((name) => [
          `lines.${index}.${name}`,
          fields[name] ?? '',
        ]),
      )

    let path = ''
    const written = await entriesOf(async () => {
      const answer = await admin.post('/invoices', {
        ...form,
        ...line(0, { product_id: String(product.id), quantity: '3' }),
        ...line(1, { description: 'Delivery', quantity: '1', unit_price: '4,50' }),
        ...line(2, {}),
      })
      path = (answer.location ?? '').replace('?notice=created', '')
    })
    const id = Number(path.replace('/invoices/', ''))
    expect(written).toMatchObject([
      { action: 'create', model: 'Invoice', object_id: String(id), changes: { status: [null, 'draft'] } },
      { action: 'create', model: 'InvoiceLine', object_label: product.name, changes: { quantity: [null, 3] } },
      { action: 'create', model: 'InvoiceLine', object_label: 'Delivery' },
    ])

    const { rows: lines } = await database.pool.query<{ id: number }>(
      'select id from backoffice.invoice_line where invoice_id = $1 order by id',
      [id],
    )
    const edited = await entriesOf(() =>
      admin.post(path, {
        ...form,
        ...line(0, {
          id: String(lines[0]?.id),
          product_id: String(product.id),
          description: product.name,
          quantity: '5',
          unit_price: product.price,
        }),
        ...line(1, {
          id: String(lines[1]?.id),
          description: 'Delivery',
          quantity: '1',
          unit_price: '4.50',
          remove: 'yes',
        }),
      }),
    )
    expect(
      edited.map(({ action, model, changes }) => ({ action, model, changed: Object.keys(changes).length })),
    ).toEqual([
      { action: 'delete', model: 'InvoiceLine', changed: expect.any(Number) },
      { action: 'update', model: 'InvoiceLine', changed: 1 },
    ])
    expect(edited[1]?.changes).toEqual({ quantity: [3, 5] })

    const deleted = await entriesOf(() => admin.post(`${path}/delete`))
    expect(deleted.map(({ action, model }) => `${action} ${model}`).sort()).toEqual([
      'delete Invoice',
      'delete InvoiceLine',
    ])
    expect(deleted.every(({ actor_label }) => actor_label === 'admin@example.com')).toBe(true)
    expect((await admin.get(path)).status).toBe(404)
  })

  test('B4 the price change of a category is one statement, and one entry a product with true old and new price', async () => {
    const read = async () =>
      (
        await database.pool.query<{ id: number; price: string }>(
          "select id, price from backoffice.product where category = 'Garden' order by id",
        )
      ).rows
    const before = await read()
    const made = await entriesOf(async () => {
      const answer = await admin.post('/products/prices', {
        category: 'Garden',
        percent: '5',
        reason: 'new supplier list',
      })
      expect(answer.location).toContain(`/products?category=Garden&changed=${before.length}&request=`)
    })
    const after = await read()
    expect(made).toHaveLength(12)
    expect(new Set(made.map((entry) => (entry as { statement_id?: string }).statement_id)).size).toBe(1)
    const byId = new Map(made.map((entry) => [entry.object_id, entry]))
    for (const [index, { id, price }] of before.entries()) {
      const entry = byId.get(String(id))
      expect(entry?.changes).toEqual({ price: [Number(price), Number(after[index]?.price)] })
      expect(Number(after[index]?.price)).toBeCloseTo(Number(price) * 1.05, 1)
      expect(entry).toMatchObject({ actor_label: 'admin@example.com', context: { reason: 'new supplier list' } })
    }
  })

  test('B28 a role that is granted and revoked names who, to whom and which', async () => {
    const [clerk, auditor] = [await userId('clerk@example.com'), await roleId('auditor')]
    const made = await entriesOf(async () => {
      await admin.post(`/users/${clerk}/roles`, { role_id: String(auditor) })
      await admin.post(`/users/${clerk}/roles`, { role_id: String(auditor) })
      await admin.post(`/users/${clerk}/roles/${auditor}/revoke`)
    })
    const about = {
      actor_label: 'admin@example.com',
      model: 'User',
      object_id: String(clerk),
      object_label: 'clerk@example.com',
      related_model: 'Role',
      related_label: 'auditor',
    }
    expect(made).toMatchObject([
      { action: 'permission_granted', ...about },
      { action: 'permission_revoked', ...about },
    ])
    expect(made).toHaveLength(2)
  })

  test('B40 a noted reminder is an event of the application’s own', async () => {
    const { id, number } = await one<{ id: number; number: string }>(
      "select id, number from backoffice.invoice where status = 'sent' limit 1",
    )
    const made = await entriesOf(() => admin.post(`/invoices/${id}/remind`))
    expect(made).toMatchObject([
      {
        action: 'invoice.reminded',
        model: 'Invoice',
        object_id: String(id),
        object_label: number,
        related_model: 'Customer',
        actor_label: 'admin@example.com',
      },
    ])
  })

  test('B36 entries keep the name of a person who is renamed and then deleted', async () => {
    await database.pool.query(
      `insert into backoffice."user" (name, email) values ('Temp', 'temp@example.com');
       insert into backoffice.account (user_id, account_id, provider_id, password)
       select u.id, u.id::text, 'credential', a.password from backoffice."user" u, backoffice.account a
       where u.email = 'temp@example.com' and a.user_id = (select id from backoffice."user" where email = 'admin@example.com');
       insert into backoffice.user_role select u.id, r.id from backoffice."user" u, backoffice.role r
       where u.email = 'temp@example.com' and r.name = 'clerk'`,
    )
    const id = await userId('temp@example.com')
    const temp = await signedIn(backoffice.url, 'temp@example.com')
    const { id: invoice } = await one("select id from backoffice.invoice where status = 'draft' order by id limit 1")
    const [made] = await entriesOf(() => temp.post(`/invoices/${invoice}/status`, { status: 'void' }))
    await admin.post(`/users/${id}`, { name: 'Temp', email: 'renamed@example.com', is_active: 'yes' })
    await database.pool.query('delete from backoffice."user" where id = $1', [id])
    expect(await one('select actor_id, actor_label from daybook.entries where id = $1', [made?.id])).toEqual({
      actor_id: String(id),
      actor_label: 'temp@example.com',
    })
  })

  test('a form with mistakes comes back with what was typed and what is wrong, and nothing is written', async () => {
    const made = await entriesOf(async () => {
      const customer = await admin.post('/customers', {
        name: '',
        email: 'nobody',
        contact_name: '<b>Eve</b>',
        city: 'X',
        country: 'Y',
      })
      expect(customer.status).toBe(422)
      expect(customer.body).toContain('Enter the company’s name.')
      expect(customer.body).toContain('such as name@example.com')
      expect(customer.body).toContain('value="&lt;b&gt;Eve&lt;/b&gt;"')
      expect((await admin.post('/products/prices', { category: 'Garden', percent: 'five' })).status).toBe(422)
      expect((await admin.post('/products/prices', { category: 'Nowhere', percent: '5' })).status).toBe(422)
      expect(
        (await admin.post('/invoices', { customer_id: '1', issued_on: '2026-11-21', due_on: '2026-11-20' })).status,
      ).toBe(422)
      expect((await admin.post('/products/1', { name: 'X', price: '-1', stock: '1' })).status).toBe(422)
      expect(
        (
          await admin.post(`/users/${await userId('staff@example.com')}`, {
            name: 'S',
            email: 'admin@example.com',
            is_active: 'yes',
          })
        ).status,
      ).toBe(422)
    })
    expect(made).toEqual([])
  })

  test('addresses that lead nowhere are 404 pages, also where the id is no number', async () => {
    for (const path of [
      '/nowhere',
      '/invoices/999999',
      '/invoices/abc',
      '/invoices/99999999999',
      '/customers/0',
      '/products/-1',
      '/users/1e3',
    ]) {
      expect((await admin.get(path)).status, path).toBe(404)
    }
  })
})

describe('who may do what', () => {
  test('a clerk may not change prices or people, and the refusal is on the record', async () => {
    const clerk = await signedIn(backoffice.url, 'clerk@example.com')
    const made = await entriesOf(async () => {
      expect((await clerk.post('/products/prices', { category: 'Garden', percent: '5' })).status).toBe(403)
      expect((await clerk.get('/users')).status).toBe(403)
      expect((await clerk.post('/users/1/roles', { role_id: '1' })).status).toBe(403)
    })
    expect(made).toHaveLength(3)
    for (const entry of made)
      expect(entry).toMatchObject({ action: 'access.denied', outcome: 'denied', actor_label: 'clerk@example.com' })
  })

  test('the way to the log is shown to those who may read it', async () => {
    const { id } = await one('select id from backoffice.invoice order by id desc limit 1')
    const staff = await signedIn(backoffice.url, 'staff@example.com')
    const clerk = await signedIn(backoffice.url, 'clerk@example.com')
    expect((await staff.get(`/invoices/${id}`)).body).toContain(`href="/audit/objects/Invoice/${id}"`)
    expect((await clerk.get(`/invoices/${id}`)).body).not.toContain('/audit')
  })

  test('B43 no route of the log answers a clerk or a stranger, whatever the method', async () => {
    const clerk = await signedIn(backoffice.url, 'clerk@example.com')
    const stranger = visit(backoffice.url)
    const paths = [
      '/audit',
      '/audit/',
      '/audit?q=model:Invoice',
      '/audit/entries/1',
      '/audit/objects/Invoice/1',
      '/audit/objects/Invoice/999999',
      '/audit/export.csv',
      '/audit/export',
      '/audit/nowhere',
      '/audit/%2e%2e/audit',
    ]
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const refused = await clerk.request(method, path)
        expect([403, 405], `${method} ${path}`).toContain(refused.status)
        const unknown = await stranger.request(method, path)
        expect([401, 302, 303, 405], `${method} ${path}`).toContain(unknown.status)
        for (const { body } of [refused, unknown]) expect(body).not.toContain('admin@example.com')
      }
      expect((await clerk.get(path)).status, path).toBe(403)
      const page = await stranger.get(path, { accept: 'text/html' })
      if (page.status !== 401) expect(page.location, path).toMatch(/^\/sign-in\?next=/)
    }
  })

  test('B43 a role counts from the next request on, and so does its end', async () => {
    const [clerk, auditor] = [await userId('clerk@example.com'), await roleId('auditor')]
    const visitor = await signedIn(backoffice.url, 'clerk@example.com')
    expect((await visitor.get('/audit')).status).toBe(403)
    await admin.post(`/users/${clerk}/roles`, { role_id: String(auditor) })
    expect((await visitor.get('/audit')).status).toBe(200)
    await admin.post(`/users/${clerk}/roles/${auditor}/revoke`)
    expect((await visitor.get('/audit')).status).toBe(403)
  })

  test('B45 the back office’s own connection can’t change, forge or switch off anything of the log', async () => {
    await refusals(backoffice.pool, database.pool)
  })

  test('B45 the connection that reads the log can’t write it, nor read the shop', async () => {
    const { rows } = await database.pool.query(
      `select has_schema_privilege('backoffice_auditor', 'backoffice', 'usage') as shop,
        has_table_privilege('backoffice_auditor', 'daybook.entry', 'insert, update, delete, truncate') as log`,
    )
    expect(rows).toEqual([{ shop: false, log: false }])
  })
})
