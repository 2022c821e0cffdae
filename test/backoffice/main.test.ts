import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { startBackoffice } from '../../examples/backoffice/backoffice.ts'
import { connectPglite } from '../../src/connection/pglite.ts'
import { createTestDatabase } from '../database.ts'
import { refusals } from './refusals.ts'
import { signedIn } from './visitor.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

// Each start is a process of its own, which a busy machine takes its time for.
vi.setConfig({ testTimeout: 120_000 })

const folders: string[] = []
const running = new Set<Program>()

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'backoffice-'))
  folders.push(folder)
  return folder
}

/** `npm start`, as a process of its own. */
class Program {
  readonly process: ChildProcess
  output = ''
  readonly #closed: Promise<unknown>

  constructor(environment: Record<string, string>) {
    const { DATABASE_URL: _, ...inherited } = process.env
    this.process = spawn(process.execPath, ['--import', 'tsx', 'examples/backoffice/main.ts'], {
      cwd: ROOT,
      env: { ...inherited, PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this)
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk
      })
    }
    this.#closed = once(this.process, 'close').finally(() => running.delete(this))
  }

  /** Its address, once it is ready. */
  async url(): Promise<string> {
    for (;;) {
      const [, url] = /^The back office {3}(\S+)$/m.exec(this.output) ?? []
      if (url) return url
      if (this.process.exitCode !== null) throw new Error(`ended with ${this.process.exitCode}: ${this.output}`)
      await Promise.race([once(this.process.stdout as NodeJS.ReadableStream, 'data'), this.#closed])
    }
  }

  /** Its exit code, once it has ended. */
  async ended(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal) this.process.kill(signal)
    await this.#closed
    return this.process.exitCode
  }
}

afterEach(async () => {
  for (const program of running) await program.ended('SIGKILL')
})

afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

describe('npm start on the embedded database', () => {
  let folder: string

  beforeAll(async () => {
    folder = await newFolder()
  })

  test('the first start says what it does, then where it is and who may sign in', async () => {
    const program = new Program({ BACKOFFICE_DATA: folder })
    const url = await program.url()
    for (const part of [
      'Opening the database in',
      'Filling it with',
      `${url}/audit`,
      'daybook-demo',
      'admin@example.com',
      'staff@example.com',
      'clerk@example.com',
    ]) {
      expect(program.output).toContain(part)
    }
    expect(await program.ended('SIGTERM')).toBe(0)
    expect(existsSync(join(folder, 'database', 'daybook.lock'))).toBe(false)
  })

  test('B57 after a kill -9 it starts again, without filling anything, and has the entry of every change', async () => {
    const first = new Program({ BACKOFFICE_DATA: folder })
    const admin = await signedIn(await first.url(), 'admin@example.com')
    expect((await admin.post('/products/prices', { category: 'Storage', percent: '-2.5' })).status).toBe(303)
    await first.ended('SIGKILL')

    const second = new Program({ BACKOFFICE_DATA: folder })
    const url = await second.url()
    expect(second.output).not.toContain('Filling it with')
    await signedIn(url, 'admin@example.com')
    const pglite = await connectPglite({ folder: join(folder, 'database') })
    const { rows } = await pglite.database.query(
      `select e.actor_label, e.changes -> 'price' ->> 1 as logged, p.price::float8::text as price from daybook.entries e
       join backoffice.product p on p.id::text = e.object_id where e.model = 'Product' and e.action = 'update'`,
    )
    await pglite.close()
    expect(rows).toHaveLength(12)
    for (const row of rows) {
      expect(row.actor_label).toBe('admin@example.com')
      expect(Number(row.logged)).toBe(Number(row.price))
    }
    expect(await second.ended('SIGINT')).toBe(0)
  })

  test('a folder that another process has open is refused in one sentence, and the other goes on', async () => {
    const first = new Program({ BACKOFFICE_DATA: folder })
    const url = await first.url()
    const second = new Program({ BACKOFFICE_DATA: folder })
    expect(await second.ended()).toBe(3)
    expect(second.output).toMatch(/is open in process \d+/)
    expect(second.output).not.toContain('    at ')
    await signedIn(url, 'clerk@example.com')
    expect(await first.ended('SIGTERM')).toBe(0)
  })

  test('B45 on the embedded database, too, the back office’s connection can’t change or forge an entry', async () => {
    const backoffice = await startBackoffice({ port: 0, databaseUrl: undefined, dataFolder: folder }, () => {})
    const owner = await connectPglite({ folder: join(folder, 'database') })
    try {
      const { rows } = await backoffice.pool.query('select session_user, current_user')
      expect(rows).toEqual([{ session_user: 'backoffice_app', current_user: 'backoffice_app' }])
      await refusals(backoffice.pool, owner.database)
    } finally {
      await owner.close()
      await backoffice.close()
    }
  })
})

describe('what keeps npm start from starting', () => {
  test('a port in use: exit 3, and nothing was made', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    const folder = await newFolder()
    const program = new Program({ PORT: String(port), BACKOFFICE_DATA: folder })
    expect(await program.ended()).toBe(3)
    other.close()
    expect(program.output.trim()).toBe(
      `Port ${port} is in use. Stop what listens there, or choose another: PORT=4001 npm start`,
    )
    expect(await readdir(folder)).toEqual([])
  })

  test.each([
    [{ PORT: 'four thousand' }, 'PORT must be a number'],
    [{ PORT: '70000' }, 'PORT must be a number'],
    [{ DATABASE_URL: 'mysql://user:s3cret@127.0.0.1/shop' }, 'DATABASE_URL must be the URL of a PostgreSQL database'],
  ])('a wrong setting: exit 2 and what it must be (%o)', async (environment, sentence) => {
    const program = new Program({ BACKOFFICE_DATA: await newFolder(), ...environment })
    expect(await program.ended()).toBe(2)
    expect(program.output).toContain(sentence)
    expect(program.output).not.toContain('s3cret')
  })

  test('a database that can’t be reached: exit 3 and where it was looked for, without the password', async () => {
    const program = new Program({
      BACKOFFICE_DATA: await newFolder(),
      DATABASE_URL: 'postgres://postgres:s3cret@127.0.0.1:1/shop',
    })
    expect(await program.ended()).toBe(3)
    expect(program.output).toContain("127.0.0.1:1, as postgres, can't be reached")
    expect(program.output).not.toContain('s3cret')
    expect(program.output).not.toContain('    at ')
  })

  test.each([
    [
      'log',
      'create schema daybook; create table daybook.migration (version int, name text); insert into daybook.migration values (999)',
    ],
    [
      'back office',
      'create schema backoffice; create table backoffice.version (version int); insert into backoffice.version values (999)',
    ],
  ])('a %s of a newer version: exit 3 with both numbers, and nothing was made', async (what, sql) => {
    const database = await createTestDatabase('newer')
    try {
      await database.pool.query(sql)
      const program = new Program({ BACKOFFICE_DATA: await newFolder(), DATABASE_URL: database.url })
      expect(await program.ended()).toBe(3)
      expect(program.output).toMatch(new RegExp(`The ${what} in this database has .*version 999.* only up to \\d+`))
      const { rows } = await database.pool.query("select count(*)::int as n from pg_class where relname = 'invoice'")
      expect(rows).toEqual([{ n: 0 }])
    } finally {
      await database.close()
    }
  })
})
