import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { install } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { openPglite } from '../../src/connection/pglite.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from '../database.ts'
import { createTestLog, type TestLog } from '../store/log.ts'
import { runCli } from './run-cli.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const TSCONFIG = fileURLToPath(new URL('../../tsconfig.json', import.meta.url))
const TSX = import.meta.resolve('tsx')

const READER = 'serve_reader'
const WRITER = 'serve_writer'
/** Used by one server at a time. */
const STOPPED = 'serve_stopped'

let log: TestLog
let folder: string
const children: ChildProcess[] = []

beforeAll(async () => {
  log = await createTestLog()
  folder = await mkdtemp(join(tmpdir(), 'daybook-serve-'))
  await createLoginRole(log.pool, READER)
  await createLoginRole(log.pool, WRITER)
  await createLoginRole(log.pool, STOPPED)
  await log.pool.query(`grant daybook_reader to ${READER}, ${WRITER}, ${STOPPED}; grant daybook_writer to ${WRITER}`)
  await log.write({ model: 'Invoice', object_id: '117', object_label: '<b>2024-0117</b>', actor_id: '7' })
})
afterAll(async () => {
  for (const child of children) if (child.exitCode === null && child.kill('SIGKILL')) await once(child, 'close')
  await log.close()
  await rm(folder, { recursive: true, force: true })
})

const urlAs = (role: string) => {
  const url = new URL(log.url)
  url.username = role
  url.password = role
  return url.href
}

/** A running `daybook serve`. */
interface Served {
  readonly url: URL
  readonly exports: boolean
  /** Asks for a path as it is written, with what a browser would not send. */
  ask(path: string, options?: RequestOptions): Promise<Answer>
  stop(signal: 'SIGINT' | 'SIGTERM'): Promise<{ readonly exitCode: number; readonly stderr: string }>
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

async function serve(args: readonly string[], databaseUrl = urlAs(READER)): Promise<Served> {
  const child = spawn(process.execPath, ['--import', TSX, MAIN, 'serve', '--json', ...args], {
    cwd: folder,
    env: { ...process.env, DATABASE_URL: databaseUrl, TSX_TSCONFIG_PATH: TSCONFIG },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const closed = once(child, 'close')
  const first = await Promise.race([once(child.stdout, 'data'), closed.then(() => undefined)])
  if (!first) throw new Error(`It ended at once: ${stderr}`)
  const { url: text, exports } = JSON.parse(String(first[0])) as { url: string; exports: boolean }
  const url = new URL(text)
  return {
    ...{ url, exports },
    ask: (path, options = {}) => ask(Number(url.port), path, options),
    async stop(signal) {
      child.kill(signal)
      const [exitCode] = (await closed) as [number]
      return { exitCode, stderr }
    },
  }
}

function ask(port: number, path: string, options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, agent: false, ...options }, async (response) => {
      let text = ''
      try {
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode, headers: response.headers, text })
      } catch (error) {
        reject(error)
      }
    })
    asking.on('error', reject).end()
  })
}

/** Opens the link, and gives the headers of the browser that did. */
async function open({ url, ask }: Served): Promise<{ cookie: string }> {
  const { headers } = await ask(`${url.pathname}${url.search}`)
  return { cookie: headers['set-cookie']?.[0]?.split(';')[0] ?? '' }
}

describe('on this machine alone', () => {
  test('B43 it lets in the browser that opens its link, once, and nobody else', async () => {
    const served = await serve([])
    const { url } = served
    expect(url.hostname).toBe('127.0.0.1')
    const stranger = await served.ask('/', { headers: { accept: 'text/html' } })
    expect(stranger.status).toBe(401)
    expect(stranger.text).toContain('This page opens by the link that “daybook serve” printed.')
    expect((await served.ask('/entries/1')).text).not.toContain('2024-0117')
    for (const wrong of ['?token=', '?token=x', `${url.search}x`, '?token=%00']) {
      expect((await served.ask(`/${wrong}`)).status, wrong).toBe(401)
    }
    // Whoever only looks where the link leads does not use it up.
    expect((await served.ask(`/${url.search}`, { method: 'HEAD' })).status).toBe(401)
    for (const host of ['evil.example', `evil.example:${url.port}`, '127.0.0.1.evil.example', '10.0.0.1', '0.0.0.0']) {
      const { status, headers } = await served.ask(`/${url.search}`, { headers: { host } })
      expect([status, headers['set-cookie']], host).toEqual([421, undefined])
    }

    const opened = await served.ask(`/${url.search}`)
    expect([opened.status, opened.headers.location, opened.headers['cache-control']]).toEqual([303, '/', 'no-store'])
    expect(opened.headers['set-cookie']).toEqual([
      expect.stringMatching(new RegExp(`^daybook_serve_${url.port}=[\\w-]{32}; HttpOnly; SameSite=Strict; Path=/$`)),
    ])
    const cookie = opened.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const page = await served.ask('/', { headers: { cookie } })
    expect(page.status).toBe(200)
    expect(page.text).toContain('&lt;b&gt;2024-0117&lt;/b&gt;')
    expect(page.text).not.toContain(url.search)

    expect((await served.ask(`/${url.search}`)).status).toBe(401)
    expect((await served.ask(`/${url.search}`, { headers: { cookie } })).status).toBe(303)
    for (const other of [`${cookie}x`, cookie.slice(0, -1), cookie.replace('=', '=x'), `a=${cookie}`]) {
      expect((await served.ask('/', { headers: { cookie: other } })).status, other).toBe(401)
    }
  })

  describe('with a login of daybook_reader alone', () => {
    let served: Served
    let headers: { cookie: string }
    beforeAll(async () => {
      served = await serve([])
      headers = await open(served)
    })

    test('B43 a page elsewhere whose name leads here is not answered, with the cookie or without it', async () => {
      const { port } = served.url
      const { cookie } = headers
      for (const host of [
        'evil.example',
        `localhost.evil.example:${port}`,
        '127.0.0.1@evil.example',
        '[::1].evil',
        '127.0.0.1:x',
      ]) {
        const { status, text } = await served.ask('/', { headers: { host, cookie } })
        expect([status, text.includes('2024-0117')], host).toEqual([421, false])
      }
      for (const host of [`localhost:${port}`, 'LOCALHOST', `[::1]:${port}`, '127.1.2.3', '127.0.0.1:1']) {
        expect((await served.ask('/', { headers: { host, cookie } })).status, host).toBe(200)
      }
    })

    test('odd targets and lines are answered, and end nothing', async () => {
      for (const path of ['//', '//?token=x', '///evil.example/', 'http://evil.example/', '/%', '/%00', '/?%', '/\\']) {
        expect((await served.ask(path, { headers })).status, path).toBeLessThan(500)
      }
      expect((await served.ask('*', { method: 'OPTIONS', headers })).status).toBeLessThan(500)
      const raw = connect(Number(served.url.port), '127.0.0.1')
      raw.end('GET / HTTP/1.0\r\n\r\n')
      const [line] = await once(raw, 'data')
      expect(String(line)).toMatch(/^HTTP\/1\.1 421 /)
      expect((await served.ask('/', { headers })).status).toBe(200)
    })

    test('the log is read; nothing is exported, as nothing can be recorded', async () => {
      expect(served.exports).toBe(false)
      const { text } = await served.ask('/', { headers })
      expect(text).toContain('2024-0117')
      expect(text).not.toContain('Export CSV')
      const refused = await served.ask('/export.csv', { headers })
      expect([refused.status, refused.headers['content-type']]).toEqual([403, 'text/html; charset=utf-8'])
      expect(refused.text).toContain('here nothing can be recorded: so nothing is exported')
      expect(refused.text).toContain('All entries')
    })
  })

  test('on a database that takes no writes nothing is exported', async () => {
    const url = new URL(urlAs(WRITER))
    url.searchParams.set('options', '-c default_transaction_read_only=on')
    const served = await serve([], url.href)
    expect(served.exports).toBe(false)
    expect((await served.ask('/', { headers: await open(served) })).text).toContain('2024-0117')
  })

  test('B42 B54 an export is an entry, of whoever started the command', async () => {
    const served = await serve([], urlAs(WRITER))
    expect(served.exports).toBe(true)
    const headers = await open(served)
    expect((await served.ask('/', { headers })).text).toContain('Export CSV')
    const { status, text } = await served.ask('/export.csv?q=model:Invoice', { headers })
    expect([status, text.split('\r\n').length]).toEqual([200, 3])
    const { rows } = await log.pool.query(
      `select actor_type, actor_label, host(ip_address) as ip, context -> 'extra' as extra from daybook.entries
       where action = 'export' order by id desc limit 1`,
    )
    expect(rows).toEqual([
      {
        actor_type: 'job',
        actor_label: expect.stringMatching(/^daybook serve \(.+\)$/),
        ip: '127.0.0.1',
        extra: { filter: 'model:Invoice', format: 'csv', count: 1 },
      },
    ])
  })

  test('B42 B54 an export that is cut short by the end of the command is an entry, with what had left', async () => {
    await log.pool.query(
      `insert into daybook.entry (recorded_at, action, actor_type, database_user, model, object_id, object_label)
       select now(), 'update', 'job', 'app', 'Bulk', n::text, repeat('x', 200) from generate_series(1, 100000) n`,
    )
    const served = await serve([], urlAs(WRITER))
    const { cookie } = await open(served)
    const slow = connect(Number(served.url.port), '127.0.0.1')
    slow.on('error', () => {})
    slow.write(`GET /export.csv?q=model:Bulk HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: ${cookie}\r\n\r\n`)
    await once(slow, 'data')
    // Nobody reads on.
    slow.pause()
    expect(await served.stop('SIGTERM')).toEqual({ exitCode: 0, stderr: '' })
    slow.destroy()
    const { rows } = await log.pool.query(
      `select outcome, (context #>> '{extra,count}')::int as count from daybook.entries where action = 'export' order by id desc limit 1`,
    )
    expect(rows).toEqual([{ outcome: 'failure', count: expect.any(Number) }])
    expect(rows[0].count).toBeGreaterThan(0)
    expect(rows[0].count).toBeLessThan(100_000)
  })

  test('it reads as daybook_reader, whoever it signs in as, and names what the configuration names', async () => {
    const served = await serve(['--title', '<i>Shop</i>'], log.url)
    const { text } = await served.ask('/', { headers: await open(served) })
    expect(text).toContain('&lt;i&gt;Shop&lt;/i&gt;')
    const { rows } = await log.pool.query(
      `select query from pg_stat_activity where datname = current_database() and application_name = 'daybook' and usename = current_user`,
    )
    expect(rows.length).toBeGreaterThan(0)
    // The last thing that each connection did was the end of a transaction: none reads outside of one.
    for (const { query } of rows) expect(query).toMatch(/^commit$|current_setting/i)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s ends it with its connections, and the exit code is 0',
    async (signal) => {
      const served = await serve([], urlAs(STOPPED))
      await served.ask('/', { headers: await open(served) })
      const connected = () => log.pool.query('select from pg_stat_activity where usename = $1', [STOPPED])
      expect((await connected()).rows).not.toEqual([])
      expect(await served.stop(signal)).toEqual({ exitCode: 0, stderr: '' })
      expect((await connected()).rows).toEqual([])
      await expect(served.ask('/')).rejects.toThrow('ECONNREFUSED')
    },
  )
})

describe('behind a proxy', () => {
  let served: Served
  beforeAll(async () => {
    served = await serve([
      ...PROXY,
      '--host',
      '0.0.0.0',
      '--base-path',
      '/audit',
      '--allowed-host',
      'Audit.example.com',
    ])
  })
  const PROXY = ['--trust-header', 'X-Forwarded-User', '--trusted-proxy', '127.0.0.1']
  const as = (name: string | readonly string[], more: Record<string, string> = {}) => ({
    headers: { 'X-Forwarded-User': name as string, ...more },
  })

  test('B43 the header of the proxy is believed, and that of nobody else', async () => {
    expect(served.url.search).toBe('')
    const shown = await served.ask('/audit/', as('ada@example.com'))
    expect(shown.status).toBe(200)
    expect(shown.text).toContain('ada@example.com')
    expect(shown.text).toContain('href="/audit/?entry=')
    // What the proxy says of the client's way counts for the addresses that the page offers.
    expect((await served.ask('/audit/', as('ada', { 'X-Forwarded-Proto': 'https' }))).text).toMatch(
      /&#39;https:\/\/127/,
    )
    expect((await served.ask('/audit/', as('ada', { 'X-Forwarded-Proto': 'gopher' }))).text).toMatch(
      /&#39;http:\/\/127/,
    )
    expect((await served.ask('/audit/?token=x')).status).toBe(401)
  })

  test('B43 a header from anywhere else is not believed, whatever it says', async () => {
    const elsewhere = await serve([
      '--trust-header',
      'X-Forwarded-User',
      '--trusted-proxy',
      '127.0.0.2/31',
      '--trusted-proxy',
      '10.0.0.7',
    ])
    for (const more of [{}, { 'X-Forwarded-For': '10.0.0.7' }, { Forwarded: 'for=10.0.0.7' }, { host: '10.0.0.7' }]) {
      const forged = await elsewhere.ask('/', as('ada@example.com', more))
      expect(forged.status).toBe(401)
      expect(forged.text).not.toContain('2024-0117')
      expect(forged.text).toContain('for those whom the proxy in front of it has signed in')
    }
  })

  test('B43 a header that is missing, empty, no text, too long, or there twice, names nobody', async () => {
    for (const name of ['', ' ', '\xff', 'x'.repeat(201), ['eve', 'ada'], ['ada', 'ada']]) {
      expect((await served.ask('/audit/', as(name))).status, JSON.stringify(name)).toBe(401)
    }
    expect((await served.ask('/audit/')).status).toBe(401)
    expect(
      (await served.ask('/audit/', { headers: { X_Forwarded_User: 'ada', 'x-forwarded-users': 'ada' } })).status,
    ).toBe(401)
    const { status, text } = await served.ask('/audit/', as(Buffer.from('<b>Žofie</b>').toString('latin1')))
    expect([status, text.includes('&lt;b&gt;Žofie&lt;/b&gt;')]).toEqual([200, true])
  })

  test('B43 it answers to addresses and to the names that it was told, and to no other', async () => {
    const named = (host: string) => served.ask('/audit/', as('ada', { host }))
    for (const host of ['audit.example.com', 'audit.example.com:443', '10.0.0.9:4600', '[2001:db8::1]', 'localhost']) {
      expect((await named(host)).status, host).toBe(200)
    }
    for (const host of ['evil.example', 'audit.example.com.evil.example', 'audit.example.com:x']) {
      expect((await named(host)).status, host).toBe(421)
    }
  })

  test('B42 B37 an export is an entry of the person, from where the proxy says that they are', async () => {
    const served = await serve(PROXY, urlAs(WRITER))
    const from = { 'X-Forwarded-For': '198.51.100.9, 203.0.113.5' }
    expect((await served.ask('/export.csv?q=model:Nothing', as('ada@example.com', from))).status).toBe(200)
    const { rows } = await log.pool.query(
      `select actor_type, actor_id, host(ip_address) as ip from daybook.entries where action = 'export' order by id desc limit 1`,
    )
    expect(rows).toEqual([{ actor_type: 'user', actor_id: 'ada@example.com', ip: '203.0.113.5' }])
  })
})

describe('what is refused', () => {
  const LONE = '--trust-header and --trusted-proxy belong together'
  test.each([
    [['--host', '0.0.0.0'], 'would open the log to others, and nobody signs them in'],
    [['--host', '::'], 'would open the log to others'],
    [['--host', '10.1.2.3'], 'would open the log to others'],
    [['--host', 'shop.example.com'], 'is no address'],
    [['--host', '0.0.0.0', '--trust-header', 'X-User'], LONE],
    [['--host', '0.0.0.0', '--trusted-proxy', '10.0.0.1'], LONE],
    [['--allowed-host', 'audit.example.com'], LONE],
    [['--trust-header', 'X-User', '--trusted-proxy', '0.0.0.0/0'], 'trusts everybody'],
    [
      ['--trust-header', 'X-User', '--trusted-proxy', 'proxy.example.com'],
      '--trusted-proxy: "proxy.example.com" is no address',
    ],
    [['--trust-header', 'User-Agent', '--trusted-proxy', '10.0.0.1'], 'is no header that says who asks'],
    [['--trust-header', 'X User', '--trusted-proxy', '10.0.0.1'], 'is no header that says who asks'],
    [
      ['--trust-header', 'X-User', '--trusted-proxy', '10.0.0.1', '--allowed-host', 'https://a.example'],
      'is no name of a host',
    ],
    [['--base-path', '/../x'], 'is no path'],
    [['--base-path', '//evil.example'], 'is no path'],
    [['--port', '65536'], 'It must be a whole number from 0 to 65535'],
  ])('%j', async (args, message) => {
    // Nothing is opened for it: the database is not there.
    const { exitCode, stderr, stdout } = await runCli(['serve', ...args], {
      env: { DATABASE_URL: 'postgres://127.0.0.1:1/x' },
    })
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  test('an address that this machine does not have', async () => {
    const args = ['--host', '192.0.2.1', '--trust-header', 'X-User', '--trusted-proxy', '10.0.0.1']
    const { exitCode, stderr } = await runCli(['serve', ...args], { env: { DATABASE_URL: log.url } })
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('does not have the address 192.0.2.1')])
  })

  test('a port that is in use', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const { exitCode, stderr } = await runCli(['serve', '--port', String(port)], { env: { DATABASE_URL: log.url } })
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining(`Port ${port} is in use by another program.`)])
    holder.close()
  })
})

describe('a database', () => {
  let empty: TestDatabase
  beforeAll(async () => {
    empty = await createTestDatabase('serve')
  })
  afterAll(() => empty.close())
  const failing = async (url: string) => {
    const { exitCode, stderr } = await runCli(['serve', '--json'], { env: { DATABASE_URL: url } })
    return { exitCode, ...(JSON.parse(stderr) as { error: { code: string; message: string } }).error }
  }

  test('that is not there, has no log, or does not let the role read is told as by every command', async () => {
    expect(await failing('postgres://x:hunter2@127.0.0.1:1/x')).toMatchObject({
      exitCode: 3,
      code: 'database_unreachable',
    })
    expect(await failing(empty.url)).toMatchObject({ exitCode: 3, code: 'not_installed' })
    await createLoginRole(log.pool, 'serve_nobody')
    expect(await failing(urlAs('serve_nobody'))).toMatchObject({ exitCode: 3, code: 'permission_denied' })
  })

  test('that is embedded is served beside the process that has it open, and alone', { timeout: 120_000 }, async () => {
    const data = join(folder, 'data')
    const holder = await openPglite({ folder: data })
    await install(holder.database)
    await holder.database.query("select daybook.record('invoice.approved', 'success', 'Invoice', '9')")
    const beside = await serve([], `pglite:${data}`)
    expect(beside.exports).toBe(true)
    expect((await beside.ask('/', { headers: await open(beside) })).text).toContain('approved')
    expect(await beside.stop('SIGTERM')).toMatchObject({ exitCode: 0 })
    await holder.close()
    const alone = await serve([], `pglite:${data}`)
    expect((await alone.ask('/', { headers: await open(alone) })).text).toContain('approved')
    expect(await alone.stop('SIGTERM')).toMatchObject({ exitCode: 0 })
    // It gave the folder back.
    await (await openPglite({ folder: data })).close()
  })

  test('that goes away is told on the page and on the error output, without its address; then it is shown again', async () => {
    const gone = await createTestDatabase('serve')
    await install(fromPgPool(gone.pool))
    const served = await serve([], gone.url)
    const headers = await open(served)
    const { pathname } = new URL(gone.url)
    const name = pathname.slice(1)
    await log.pool.query(`alter database "${name}" allow_connections false`)
    await log.pool.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
    const away = await served.ask('/', { headers })
    expect(away.status).toBe(503)
    expect(away.text).not.toContain(name)
    await log.pool.query(`alter database "${name}" allow_connections true`)
    expect((await served.ask('/', { headers })).status).toBe(200)
    const { exitCode, stderr } = await served.stop('SIGTERM')
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(/^daybook: /)
    await gone.close()
  })
})
