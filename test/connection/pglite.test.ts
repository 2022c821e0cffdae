import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { access, cp, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { connectPglite, openPglite, type Pglite } from '../../src/connection/pglite.ts'
import { runInContext, writeContext } from '../../src/core/context.ts'
import { describeContext } from './context-contract.ts'

describeContext('the context on a pool of PGlite', async () => {
  const pglite = await openPglite()
  return { createPool: (max) => pglite.createPool({ max }), close: pglite.close }
})

let template: string
beforeAll(async () => {
  // To set up a database takes seconds, to copy one does not.
  template = await mkdtemp(join(tmpdir(), 'daybook-pglite-'))
  await (await openPglite({ folder: template })).close()
})
afterAll(() => rm(template, { recursive: true, force: true }))

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'daybook-pglite-'))
  await cp(template, folder, { recursive: true })
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe('the one session of PGlite and its connections', () => {
  let pglite: Pglite
  beforeAll(async () => {
    pglite = await openPglite({ maxWaitMs: 200 })
    await pglite.database.query(`create role app login; create role "O'Dd ""name" login; create role group_only;
      create table owned (n int); grant select on owned to app`)
  })
  afterAll(() => pglite.close())

  const userOf = async (pool: pg.Pool) =>
    (await pool.query('select session_user || $1 || current_user as who', ['/'])).rows[0].who

  test('two pools with different users are each their own, turn about, and have their own rights', async () => {
    const app = pglite.createPool({ user: 'app', max: 3 })
    const odd = pglite.createPool({ user: `O'Dd "name`, max: 3 })
    const owner = pglite.createPool({ max: 3 })
    const seen = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const [pool, user] =
          [[app, 'app'] as const, [odd, `O'Dd "name`] as const, [owner, 'postgres'] as const][index % 3] ?? []
        return pool && (await userOf(pool)) === `${user}/${user}`
      }),
    )
    expect(seen).toEqual(seen.map(() => true))
    await expect(app.query('insert into owned values (1)')).rejects.toMatchObject({ code: '42501' })
    await owner.query('insert into owned values (1)')
    await expect(odd.query('select * from owned')).rejects.toMatchObject({ code: '42501' })
  })

  test('a role that is not there, or may not log in, is refused and leaves the others working', async () => {
    await expect(pglite.createPool({ user: 'nobody' }).query('select 1')).rejects.toMatchObject({ code: '28000' })
    await expect(pglite.createPool({ user: 'group_only' }).query('select 1')).rejects.toThrow('not permitted to log in')
    await expect(pglite.database.query('select 1 as one')).resolves.toMatchObject({ rows: [{ one: 1 }] })
  })

  test('what one connection sets for its session holds for it alone, and is there again at its next turn', async () => {
    const pool = pglite.createPool({ max: 2 })
    const [one, other] = [await pool.connect(), await pool.connect()]
    const pathOf = async (client: pg.PoolClient) => (await client.query('show search_path')).rows[0].search_path
    await one.query('SET search_path TO pg_temp, public -- only here')
    await one.query('set role app')
    expect(await pathOf(other)).not.toContain('pg_temp')
    expect((await other.query('select current_user')).rows).toEqual([{ current_user: 'postgres' }])
    expect(await pathOf(one)).toBe('pg_temp, public')
    expect((await one.query('select current_user')).rows).toEqual([{ current_user: 'app' }])
    await one.query('reset search_path')
    expect(await pathOf(other)).toBe(await pathOf(one))
    one.release()
    other.release()
  })

  test('two connections may give different statements the same name', async () => {
    const pool = pglite.createPool({ max: 2 })
    const [one, other] = [await pool.connect(), await pool.connect()]
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await one.query({ name: 'same', text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
      expect((await other.query({ name: 'same', text: 'select 2 as n' })).rows).toEqual([{ n: 2 }])
    }
    one.release(true)
    other.release(true)
    await pool.end()
    const { rows } = await pglite.database.query('select name from pg_prepared_statements')
    expect(rows).toEqual([])
  })

  test('a connection that is destroyed within a transaction leaves nothing of it', async () => {
    const pool = pglite.createPool({ max: 1 })
    const client = await pool.connect()
    await client.query('begin')
    await client.query('insert into owned values (99)')
    client.release(true)
    expect((await pool.query('select * from owned where n = 99')).rows).toEqual([])
  })

  /** As a cursor does it: what fails is only over with the Sync, which comes when its reader has heard of it. */
  async function failsUntilSync(client: pg.PoolClient): Promise<() => void> {
    let sync = () => {}
    await new Promise<unknown>((heard) => {
      client.query({
        submit(connection: Record<'parse' | 'bind' | 'execute' | 'flush' | 'sync', (message?: object) => void>) {
          connection.parse({ text: 'select 1 / 0' })
          connection.bind({})
          connection.execute({})
          connection.flush()
          sync = () => connection.sync()
        },
        handleError: heard,
        handleReadyForQuery() {},
      } as never)
    })
    return sync
  }

  test('a statement that failed keeps the session up to its end, and the next connection is answered', async () => {
    const pool = pglite.createPool({ max: 2 })
    const [one, other] = [await pool.connect(), await pool.connect()]
    for (let turn = 0; turn < 5; turn += 1) {
      const sync = await failsUntilSync(one)
      const waiting = other.query('select 2 as n')
      setImmediate(sync)
      expect((await waiting).rows).toEqual([{ n: 2 }])
    }
    one.release()
    other.release()
  })

  test('a connection that is destroyed ahead of the end of what failed leaves nothing of it', async () => {
    const pool = pglite.createPool({ max: 1 })
    const client = await pool.connect()
    await failsUntilSync(client)
    client.release(true)
    expect((await pool.query('select 3 as n')).rows).toEqual([{ n: 3 }])
  })

  test('a transaction that waits for a second connection fails with a reason, and does not hang', async () => {
    const pool = pglite.createPool({ max: 2 })
    const [one, other] = [await pool.connect(), await pool.connect()]
    await one.query('begin')
    await expect(other.query('select 1')).rejects.toMatchObject({ code: '55P03' })
    await one.query('rollback')
    one.release()
    other.release(true)
    await expect(pglite.database.transaction(() => pglite.database.query('select 1'))).rejects.toMatchObject({
      code: 'database_unreachable',
      message: expect.stringContaining('Do not wait, inside a transaction, for a statement outside of it'),
    })
    await expect(pglite.database.query('select 1 as one')).resolves.toMatchObject({ rows: [{ one: 1 }] })
  })

  test('COPY FROM STDIN, which would end PGlite, is refused', async () => {
    await expect(pglite.database.query('copy owned from stdin')).rejects.toMatchObject({ code: '0A000' })
    await expect(pglite.createPool().query({ name: 'copy', text: 'copy owned (n) from STDIN' })).rejects.toMatchObject({
      code: '0A000',
    })
    await expect(pglite.database.query("select 'stdin' as word")).resolves.toMatchObject({ rows: [{ word: 'stdin' }] })
  })

  test('a large result and a large parameter arrive whole', async () => {
    const large = 'x'.repeat(5_000_000)
    const { rows } = await pglite.createPool().query('select $1 as large, n from generate_series(1, 3) n', [large])
    expect(rows.map((row: { large: string }) => row.large === large)).toEqual([true, true, true])
  })
})

describe('the folder of a PGlite', () => {
  test('what was written is there when the folder is opened again, and nothing of the process is left', async () => {
    const folder = await makeFolder()
    const first = await openPglite({ folder })
    await first.database.query('create table kept as select 42 as n')
    await first.close()
    await expect(access(join(folder, 'daybook.lock'))).rejects.toThrow('ENOENT')
    await expect(access(join(folder, '.s.PGSQL.5432'))).rejects.toThrow('ENOENT')
    const second = await openPglite({ folder })
    expect((await second.database.query('select * from kept')).rows).toEqual([{ n: 42 }])
    await second.close()
  })

  test('a folder that is open is refused, with the process that has it', async () => {
    const folder = await makeFolder()
    const pglite = await openPglite({ folder })
    await expect(openPglite({ folder })).rejects.toMatchObject({
      code: 'folder_in_use',
      message: expect.stringMatching(
        new RegExp(`${folder} is open in process ${process.pid} .*Stop that process first`),
      ),
      details: { folder, pid: process.pid },
    })
    await pglite.close()
  })

  test.each([
    ['of a process that is gone', { pid: spawnSync('true').pid, host: hostname(), startedAt: '1' }],
    ['of a process whose number another one has now', { pid: process.pid, host: hostname(), startedAt: '1' }],
  ])('a lock %s is taken over', async (_title, holder) => {
    const folder = await makeFolder()
    await writeFile(join(folder, 'daybook.lock'), JSON.stringify(holder))
    await writeFile(join(folder, '.s.PGSQL.5432'), '')
    const pglite = await openPglite({ folder })
    expect(JSON.parse(await readFile(join(folder, 'daybook.lock'), 'utf8'))).toMatchObject({ pid: process.pid })
    await pglite.close()
  })

  test.each([
    ['of another machine', JSON.stringify({ pid: 1, host: 'elsewhere', startedAt: '1' })],
    ['that nobody can read', 'x'],
  ])('a lock %s is respected', async (_title, lock) => {
    const folder = await makeFolder()
    await writeFile(join(folder, 'daybook.lock'), lock)
    await expect(openPglite({ folder })).rejects.toMatchObject({ code: 'folder_in_use' })
    expect(await readFile(join(folder, 'daybook.lock'), 'utf8')).toBe(lock)
  })

  test('a process that is killed leaves its folder to the next one, and what it had committed', async () => {
    const folder = await makeFolder()
    const child = await holdFolder(folder)
    await expect(openPglite({ folder })).rejects.toMatchObject({ code: 'folder_in_use', details: { pid: child.pid } })
    child.kill('SIGKILL')
    await once(child, 'close')
    await access(join(folder, '.s.PGSQL.5432'))
    const pglite = await openPglite({ folder })
    expect((await pglite.database.query('select * from kept')).rows).toEqual([{ n: 1 }])
    await pglite.close()
  })
})

async function holdFolder(folder: string): Promise<ChildProcess> {
  const script = new URL('./hold-folder.ts', import.meta.url).pathname
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

describe('another process on the folder of a PGlite', () => {
  test('reads, writes with its context, and has the rights of its user', async () => {
    const folder = await makeFolder()
    const child = await holdFolder(folder)
    const visitor = await connectPglite({ folder })
    await visitor.database.query('create role app login; create table seen (context text); grant insert on seen to app')
    const app = visitor.createPool({ user: 'app' })
    await runInContext({ requestId: 'visit' }, () =>
      app.query("insert into seen values (current_setting('daybook.context'))"),
    )
    await expect(app.query('select * from seen')).rejects.toMatchObject({ code: '42501' })
    expect((await visitor.database.query('select * from seen')).rows).toEqual([
      { context: writeContext({ requestId: 'visit' }) },
    ])
    await visitor.close()
    // The process that has it open goes on, and closes it.
    child.stdin?.end()
    await once(child, 'close')
    await expect(access(join(folder, 'daybook.lock'))).rejects.toThrow('ENOENT')
  })

  test('opens it itself where no process has it open', async () => {
    const folder = await makeFolder()
    const pglite = await connectPglite({ folder })
    expect((await pglite.database.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await pglite.close()
  })

  test('comes in by a plain pg client, also where the path is too long for a socket, and no other user may', async () => {
    const folder = join(tmpdir(), 'long'.repeat(30))
    await rename(await makeFolder(), folder)
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const pglite = await openPglite({ folder })
    const { socket } = JSON.parse(await readFile(join(folder, 'daybook.lock'), 'utf8'))
    expect((await stat(socket)).mode & 0o777).toBe(0o600)
    const client = new pg.Client({ host: dirname(socket), user: 'postgres', database: 'postgres' })
    await client.connect()
    expect((await client.query('select $1::int as n', [3])).rows).toEqual([{ n: 3 }])
    await client.end()
    await pglite.close()
    await expect(access(dirname(socket))).rejects.toThrow('ENOENT')
  })

  test('is told what is wrong when it asks for encryption, another database, another user or a cancellation', async () => {
    const folder = await makeFolder()
    const pglite = await openPglite({ folder })
    const connect = (options: pg.ClientConfig) =>
      new pg.Client({ host: folder, user: 'postgres', database: 'postgres', ...options }).connect()
    await expect(connect({ ssl: true })).rejects.toThrow('does not support SSL')
    await expect(connect({ database: 'other' })).rejects.toMatchObject({ code: '3D000' })
    await expect(connect({ user: 'nobody' })).rejects.toMatchObject({ code: '28000' })
    const cancel = createConnection(join(folder, '.s.PGSQL.5432'))
    cancel.write(Buffer.from([0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 1]))
    cancel.resume()
    await once(cancel, 'end')
    cancel.destroy()
    const garbage = createConnection(join(folder, '.s.PGSQL.5432'))
    garbage.end('GET / HTTP/1.1\r\n\r\n')
    garbage.resume()
    await once(garbage, 'close')
    expect((await pglite.database.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await pglite.close()
  })

  const hasPsql = spawnSync('psql', ['--version']).status === 0
  test.skipIf(!hasPsql)('comes in by psql', async () => {
    const folder = await makeFolder()
    const pglite = await openPglite({ folder })
    const psql = spawn('psql', [
      '-h',
      folder,
      '-U',
      'postgres',
      '-d',
      'postgres',
      '-Atc',
      'select session_user',
      '-c',
      '\\dn',
    ])
    const output: Buffer[] = []
    psql.stdout.on('data', (chunk) => output.push(chunk))
    expect(await once(psql, 'close')).toEqual([0, null])
    expect(Buffer.concat(output).toString()).toBe('postgres\npublic|pg_database_owner\n')
    await pglite.close()
  })
})
