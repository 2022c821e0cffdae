import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Authorize, createDaybook, type Daybook, DaybookError } from 'daybook'
import { sync } from 'daybook/capture/postgres'
import type { Pool } from 'daybook/connection/pg'
import { Kysely, PostgresDialect } from 'kysely'
import { personOf } from './access.ts'
import { createApplication } from './application.ts'
import { createAuth } from './auth.ts'
import { keptSecret, makeDataFolder } from './data-folder.ts'
import { openDatabase } from './database.ts'
import { tables } from './daybook.config.ts'
import { migrate } from './migrate.ts'
import type { Schema } from './schema.ts'
import { isSeeded, seed } from './seed.ts'
import type { Settings } from './settings.ts'

/** A back office that runs. */
export interface Backoffice {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string
  readonly daybook: Daybook
  /** The connections that the application itself writes with. */
  readonly pool: Pool
  /** Ends requests and connections; an embedded database gives its folder back. */
  close(): Promise<void>
}

/**
 * Starts the back office. The port is taken first, so that nothing is made where it could not be served.
 * @param report is told what is being done, a sentence at a time, where it may take a while.
 * @throws DaybookError `port_in_use`, `folder_in_use`, `database_unreachable`, `schema_newer`.
 */
export async function startBackoffice(settings: Settings, report: (sentence: string) => void): Promise<Backoffice> {
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const { server, port } = await takePort(settings.port)
    closers.push(() => endServer(server))

    await makeDataFolder(settings.dataFolder)
    report(settings.databaseUrl ? 'Connecting to the database…' : `Opening the database in ${settings.dataFolder}…`)
    const database = await openDatabase(settings)
    closers.push(() => database.close())

    report('Looking after tables and log…')
    await migrate(database.migrator, database.passwords)
    await sync(database.migrator, tables)

    const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: database.application }) }).withSchema(
      'backoffice',
    )
    const authorize: Authorize = async (request) => {
      const person = await personOf(request.headers, auth, db)
      if (!person) {
        const { pathname, search } = new URL(request.url)
        return {
          allow: false,
          reason: 'unauthenticated',
          signInUrl: `/sign-in?next=${encodeURIComponent(pathname + search)}`,
        }
      }
      const viewer = { id: String(person.id), label: person.email }
      return person.may('log') ? { allow: true, viewer } : { allow: false, reason: 'forbidden', viewer }
    }
    const daybook = createDaybook({
      pool: database.application,
      reader: database.auditor,
      authorize,
      tables,
      title: 'Larkfield',
      home: '/',
    })
    closers.push(() => daybook.close())
    const secret = await keptSecret(settings.dataFolder, 'signing-secret')
    const auth = createAuth({ db, daybook, secret, port })

    if (!(await isSeeded(db))) {
      report('Filling it with customers, products and invoices…')
      const { password } = await auth.$context
      await daybook.runAs({ type: 'job', id: 'seed', label: 'seed' }, () => seed(db, (text) => password.hash(text)))
    }
    server.removeAllListeners('request').on('request', createApplication({ db, auth, daybook }))
    return { url: `http://127.0.0.1:${port}`, daybook, pool: database.application, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function takePort(wanted: number): Promise<{ server: Server; port: number }> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(wanted, '127.0.0.1', () => {
        server.removeListener('error', reject)
        resolve()
      })
    })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      throw new DaybookError(
        'port_in_use',
        `Port ${wanted} is in use. Stop what listens there, or choose another: PORT=4001 npm start`,
        { cause: error },
      )
    }
    if (code === 'EACCES') {
      throw new DaybookError(
        'invalid_option',
        `Port ${wanted} is not for everybody on this machine. Choose one above 1023: PORT=4001 npm start`,
        { cause: error },
      )
    }
    throw error
  }
  // Until the application is there: a browser that comes too early is told to wait.
  server.on('request', (_req, res) => {
    res.writeHead(503, { 'retry-after': '1', 'content-type': 'text/plain' }).end('Starting. Try again in a moment.\n')
  })
  return { server, port: (server.address() as AddressInfo).port }
}

async function endServer(server: Server): Promise<void> {
  await new Promise((resolve) => {
    server.close(resolve)
    server.closeIdleConnections()
    // A request that takes longer than this is not waited for.
    setTimeout(() => server.closeAllConnections(), 2000).unref()
  })
}
