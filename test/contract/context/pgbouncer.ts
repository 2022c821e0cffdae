import { execFileSync, spawn } from 'node:child_process'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createTestDatabase } from '../../database.ts'
import { freePort } from '../../postgres-server.ts'
import { PGBOUNCER } from './pgbouncer-program.ts'
import { APPLICATION, type Place, prepare } from './place.ts'
import { tap } from './wire-tap.ts'

/** PgBouncer in transaction mode with a single connection to the run's server: clients take turns by the transaction. */
export async function openPgBouncer(): Promise<Place> {
  const database = await createTestDatabase('contract')
  await prepare(database.pool)
  const server = new URL(database.url)
  const folder = await mkdtemp(join(tmpdir(), 'daybook-pgbouncer-'))
  const port = await freePort()
  const [users, settings] = ['users', 'pgbouncer.ini'].map((name) => join(folder, name)) as [string, string]
  await writeFile(users, `"${APPLICATION}" "${APPLICATION}"\n`)
  await writeFile(
    settings,
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
`,
  )
  const user = unprivileged()
  if (user) for (const path of [folder, users, settings]) await chown(path, user.uid, user.gid)
  await chmod(folder, 0o700)
  const bouncer = spawn(PGBOUNCER, ['-q', settings], { ...user, stdio: ['ignore', 'ignore', 'pipe'] })
  const said: Buffer[] = []
  bouncer.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  const ended = new Promise((done) => bouncer.once('exit', done))
  const orphaned = () => bouncer.kill('SIGKILL')
  process.once('exit', orphaned)
  await listening(port, () => {
    if (bouncer.exitCode !== null) throw new Error(`PgBouncer does not start: ${Buffer.concat(said)}`)
  })
  const url = new URL(database.urlAs(APPLICATION))
  url.port = String(port)
  const wire = await tap(url.href)
  return {
    admin: database.pool,
    options: { connectionString: wire.url },
    sessions: 1,
    takeRoundTrips: wire.takeRoundTrips,
    async close() {
      await wire.close()
      bouncer.kill('SIGINT')
      await ended
      process.removeListener('exit', orphaned)
      await rm(folder, { recursive: true, force: true })
      await database.close()
    },
  }
}

/** PgBouncer refuses to run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const number = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: number('-u'), gid: number('-g') }
}

async function listening(port: number, check: () => void): Promise<void> {
  for (;;) {
    check()
    const accepted = await new Promise((done) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', () => done(false)).once('connect', () => done(true))
      socket.once('connect', () => socket.destroy())
    })
    if (accepted) return
    await sleep(20)
  }
}
