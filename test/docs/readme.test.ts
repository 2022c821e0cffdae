import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { approve } from '../../examples/quickstart/approve.ts'
import configuration from '../../examples/quickstart/daybook.config.ts'
import { install, sync } from '../../src/capture/postgres/index.ts'
import { createPool, fromPgPool } from '../../src/connection/pg.ts'
import { runInContext } from '../../src/core/context.ts'
import { createDaybook } from '../../src/daybook.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from '../database.ts'

const readme = readFileSync('README.md', 'utf8')
const root = new URL('../../', import.meta.url)
let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase('readme')
  await database.pool.query(`
    create table invoice (id int primary key, number text, status text, approved boolean, search_text text);
    create table customer (id int primary key, name text, iban text);
    create table account (id int primary key, email text, is_staff boolean);
    create table role (id int primary key, name text);
    create table account_role (account_id int references account, role_id int references role, primary key (account_id, role_id));
    insert into invoice values (117, '2024-0117', 'open')`)
  await createLoginRole(database.pool, 'readme_app')
  await install(fromPgPool(database.pool), { applicationRoles: ['readme_app'], readerRoles: ['readme_app'] })
  await sync(fromPgPool(database.pool), configuration.tables ?? {})
  await database.pool.query('grant select, update on invoice to readme_app')
})

afterAll(() => database.close())

describe('the README', () => {
  test('shows the examples as they are', () => {
    const shown = [...readme.matchAll(/<!-- (examples\/\S+) -->\n```ts\n([\s\S]*?)```/g)]
    expect(shown.map(([, path]) => path)).toEqual([
      'examples/quickstart/app.ts',
      'examples/quickstart/daybook.config.ts',
      'examples/quickstart/approve.ts',
    ])
    for (const [, path, code] of shown) expect(code).toBe(readFileSync(new URL(path ?? '', root), 'utf8'))
  })

  test('leads to pages that are there', () => {
    const paths = [...readme.matchAll(/\]\(((?!http)[^)#]+)/g)].map(([, path]) => path ?? '')
    expect(paths.length).toBeGreaterThan(5)
    for (const path of paths) expect(() => readFileSync(new URL(path, root)), path).not.toThrow()
  })

  test('adds Daybook to an Express application that says who changed an invoice, and lets the auditor alone read it', async () => {
    const port = await freePort()
    const server = await startApplication({ PORT: String(port), DATABASE_URL: database.urlAs('readme_app') })
    try {
      const url = `http://127.0.0.1:${port}`
      const paid = await fetch(`${url}/invoices/117/pay`, {
        method: 'POST',
        headers: { cookie: 'session=grace-session' },
      })
      expect(paid.status).toBe(204)
      const get = (cookie: string) => fetch(`${url}/audit/`, { headers: { cookie }, redirect: 'manual' })
      expect((await get('')).status).toBe(401)
      expect((await get('session=grace-session')).status).toBe(403)
      const page = await get('session=ada-session')
      expect(page.status).toBe(200)
      expect(await page.text()).toContain('grace@example.com')
    } finally {
      await end(server)
    }
    const { rows } = await database.pool.query(
      'select actor_id, actor_label, host(ip_address) as ip, changes from daybook.entries',
    )
    expect(rows).toContainEqual({
      actor_id: '8',
      actor_label: 'grace@example.com',
      ip: '127.0.0.1',
      changes: { status: ['open', 'paid'] },
    })
  })

  test('records an approval in the same transaction as the change', async () => {
    const pool = createPool({ connectionString: database.url })
    const daybook = createDaybook({ pool })
    await runInContext({ actor: { id: '7', label: 'ada@example.com' } }, () =>
      approve(pool, daybook, { id: '117', number: '2024-0117' }),
    )
    daybook.close()
    await pool.end()
    const { rows } = await database.pool.query(
      `select action, actor_label, object_label
       from daybook.entries order by id desc limit 2`,
    )
    expect(rows.map(({ action, actor_label, object_label }) => [action, actor_label, object_label])).toEqual([
      ['invoice.approved', 'ada@example.com', '2024-0117'],
      ['update', 'ada@example.com', '2024-0117'],
    ])
  })
})

async function startApplication(environment: Record<string, string>): Promise<ChildProcess> {
  const server = spawn(process.execPath, ['--import', 'tsx', 'examples/quickstart/app.ts'], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const url = `http://127.0.0.1:${environment.PORT}/audit/`
  for (let attempt = 0; attempt < 200; attempt++) {
    if (server.exitCode !== null) throw new Error(`the application ended with exit code ${server.exitCode}`)
    const answered = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answered) return server
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('the application did not answer')
}

async function end(server: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => server.once('exit', resolve))
  server.kill()
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
