import { createServer } from 'node:http'
import { isIP } from 'node:net'
import type { Command } from 'commander'
import { mayRecord } from '../capture/postgres/may-record.ts'
import { recordEvent } from '../capture/postgres/record.ts'
import type { Database } from '../connection/database.ts'
import { createAddressMatch } from '../core/client-address.ts'
import { runInContext } from '../core/context.ts'
import { DaybookError, isDaybookError } from '../core/errors.ts'
import { createDashboard } from '../dashboard/index.ts'
import { createStore, readAs, type Store } from '../store/index.ts'
import { serveDashboard } from './dashboard-server.ts'
import { describeError } from './describe-error.ts'
import { createLinkDoor, createProxyDoor, type Door } from './door.ts'
import { collect, wholeNumber } from './flags.ts'
import { listen, untilStopped } from './listen.ts'
import { loadConfig } from './load-config.ts'
import { say, type Terminal } from './terminal.ts'
import { type GlobalOptions, withDatabase } from './with-database.ts'

interface ServeOptions extends GlobalOptions {
  readonly host: string
  readonly port: number
  readonly basePath: string
  readonly title?: string
  readonly trustHeader?: string
  readonly trustedProxy?: readonly string[]
  readonly allowedHost?: readonly string[]
}

const EXAMPLES = `
By default only this machine can reach it, and only the browser that opens the
link that is printed: it works once, for a quarter of an hour. The role needs to
be a daybook_reader and nothing else. An export is itself an entry of the log:
with a role that is no daybook_writer, or on a standby, nothing is exported.

Behind a proxy that has signed people in, name the header in which it says who
asks, and the addresses from which it asks. The header of anybody else is not
believed. The proxy must set the header itself and drop the one of the client.
It asks by an address or by a name that --allowed-host has.

Stop it with Ctrl+C, or SIGTERM.

Examples
  $ daybook serve --database-url postgres://auditor@db.example.com/shop
  $ daybook serve --host 0.0.0.0 --port 4600 --trust-header X-Forwarded-User \\
      --trusted-proxy 10.0.0.7 --allowed-host audit.example.com
`

/** Connections that pages and exports share. */
const CONNECTIONS = 10

/** `daybook serve`: the dashboard alone, on any database that has the log. */
export function addServe(program: Command, terminal: Terminal): void {
  program
    .command('serve')
    .description('show the dashboard of a log, to you alone or behind a proxy that signs people in')
    .option('--port <number>', 'where to listen; 0 for any that is free', wholeNumber(0, 65_535), 0)
    .option('--host <address>', 'the address to listen on; another than loopback needs --trust-header', '127.0.0.1')
    .option('--trust-header <name>', 'the header in which the proxy in front says who asks')
    .option('--trusted-proxy <address>', 'an address or range of that proxy; can be repeated', collect)
    .option('--allowed-host <name>', 'a name by which the proxy asks for this server; can be repeated', collect)
    .option('--base-path <path>', 'the prefix of the pages, such as /audit', '/')
    .option('--title <text>', 'what the pages call the application')
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<ServeOptions>()
      const host = options.host === 'localhost' ? '127.0.0.1' : options.host
      const basePath = readBasePath(options.basePath)
      const proxy = readProxy(options, host)
      const { tables } = await loadConfig(terminal.cwd, options.config)
      await withDatabase(
        terminal,
        options,
        async (database) => {
          const store = await readableStore(database)
          const canRecord = await mayRecord(database)
          const server = createServer()
          const { origin, port } = await listen(server, { host, port: options.port })
          try {
            const link = proxy ? undefined : createLinkDoor({ command: 'serve', port, page: `${basePath}/` })
            const unfinished = new Set<Promise<unknown>>()
            serveDashboard(server, {
              door: proxy ?? (link as Door),
              basePath,
              create: (authorize) =>
                createDashboard({
                  ...{ store, authorize },
                  ...(tables && { tables }),
                  ...(options.title !== undefined && { title: options.title }),
                  recordAs: canRecord
                    ? (actor, event) => runInContext({ actor }, () => recordEvent(database, event))
                    : null,
                  waitUntil: (work) => {
                    unfinished.add(work)
                    void work.then(() => unfinished.delete(work))
                  },
                  onError: (error) => terminal.stderr.write(`daybook: ${describeError(error).message}\n`),
                }),
            })
            const stopped = untilStopped(server)
            const url = `${origin}${basePath}/${link?.query ?? ''}`
            await say(terminal, options.json, { url, exports: canRecord }, [
              link
                ? 'The dashboard, for the one browser that opens this link:'
                : 'The dashboard is there for the proxy:',
              ...['', `  ${url}`, ''],
              ...(canRecord ? [] : ['Nothing can be exported: this role, or this server, can’t record that it was.']),
              'Stop with Ctrl+C.',
            ])
            await stopped
            // What has left is on record before the database is let go.
            await Promise.all(unfinished)
          } finally {
            server.close()
          }
        },
        { connections: CONNECTIONS },
      )
    })
}

/** The door for the proxy that was named; undefined where none was. What is open to others must have one. */
function readProxy(options: ServeOptions, host: string): Door | undefined {
  const { trustHeader: header, trustedProxy: proxies = [], allowedHost: allowedHosts = [] } = options
  if (isIP(host) === 0) {
    throw new DaybookError(
      'invalid_option',
      `--host: ${JSON.stringify(options.host)} is no address. Write one of this machine's, such as 127.0.0.1; or 0.0.0.0 for all.`,
    )
  }
  if (header !== undefined && proxies.length > 0) return createProxyDoor({ header, proxies, allowedHosts })
  if (header !== undefined || proxies.length > 0 || allowedHosts.length > 0) {
    throw new DaybookError(
      'invalid_option',
      '--trust-header and --trusted-proxy belong together: the header is believed from the proxies that are named, and from nobody else. Give both, and --allowed-host only with them.',
    )
  }
  if (!createAddressMatch(['loopback'], '--host')(host)) {
    throw new DaybookError(
      'invalid_option',
      `--host ${host} would open the log to others, and nobody signs them in. Leave it out, or name the proxy that does, with --trust-header and --trusted-proxy.`,
    )
  }
  return undefined
}

function readBasePath(path: string): string {
  const basePath = path.replace(/\/+$/, '')
  if (/^(\/(?!\.{1,2}(\/|$))[\w.~-]+)*$/.test(basePath)) return basePath
  throw new DaybookError(
    'invalid_option',
    `--base-path: ${JSON.stringify(path)} is no path: write it like /audit, with letters, digits, ".", "_", "~" and "-".`,
  )
}

/**
 * Reads as `daybook_reader` and nothing more where the role may become it, else as the role itself.
 * @throws DaybookError where the log can't be read.
 */
async function readableStore(database: Database): Promise<Store> {
  const asReader = createStore(readAs(database))
  try {
    await asReader.page({ limit: 1 })
    return asReader
  } catch (error) {
    if (isDaybookError(error) && error.code === 'database_unreachable') throw error
  }
  const asItself = createStore(database)
  await asItself.page({ limit: 1 })
  return asItself
}
