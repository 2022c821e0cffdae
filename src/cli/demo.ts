import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { install, seed } from '../capture/postgres/index.ts'
import { DaybookError } from '../core/errors.ts'
import { createDaybook, type Daybook } from '../daybook.ts'
import { type ExpressRequest, expressDashboard } from '../middleware/express.ts'
import { wholeNumber } from './flags.ts'
import { createOneTimeLink, type OneTimeLink } from './one-time-link.ts'
import { say, type Terminal } from './terminal.ts'
import type { GlobalOptions } from './with-database.ts'

interface DemoOptions extends GlobalOptions {
  readonly entries: number
  readonly seed: number
  readonly port: number
}

const EXAMPLES = `
Nothing is installed and nothing is kept: the log is in memory and gone when you
stop. Only this machine can reach it, and only the browser that opens the link.
It needs the package @electric-sql/pglite.

Example
  $ daybook demo
`

/** `daybook demo`: the dashboard on a made-up log. */
export function addDemo(program: Command, terminal: Terminal): void {
  program
    .command('demo')
    .description('show the dashboard on a made-up log, in memory')
    .option('--entries <number>', 'how many made-up entries', wholeNumber(1, 1_000_000), 5_000)
    .option('--seed <number>', 'the same number gives the same entries', wholeNumber(0, 0xffffffff), 1)
    .option('--port <number>', 'where to listen on 127.0.0.1; 0 for any that is free', wholeNumber(0, 65_535), 0)
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<DemoOptions>()
      const { json } = options
      const server = createServer()
      const port = await listen(server, options.port)
      const link = createOneTimeLink(`daybook_demo_${port}`)
      try {
        if (!json) await say(terminal, json, {}, ['Making a log of made-up entries …'])
        const daybook = await makeLog(options, link)
        serve(server, daybook, link)
      } catch (error) {
        server.close()
        throw error
      }
      const url = `http://127.0.0.1:${port}/${link.query}`
      await say(terminal, json, { url }, ['', `  ${url}`, '', 'The link works once. Stop with Ctrl+C.'])
      await once(server, 'close')
    })
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
    throw new DaybookError(
      'port_in_use',
      code === 'EACCES'
        ? `Port ${port} may not be opened by this user. Name a higher one with --port.`
        : `Port ${port} is in use by another program. Name another one with --port, or leave it out.`,
      { cause: error, details: { port } },
    )
  }
  return (server.address() as AddressInfo).port
}

async function makeLog({ entries, seed: number }: DemoOptions, link: OneTimeLink): Promise<Daybook> {
  const { openPglite } = await import('../connection/pglite.ts')
  const pglite = await openPglite()
  await install(pglite.database)
  await seed(pglite.database, { entries, seed: number, until: new Date() })
  const { username } = userInfo()
  return createDaybook({
    pool: pglite.createPool(),
    title: 'Daybook demo',
    authorize: (request) =>
      link.isHolder(request.headers.get('cookie'))
        ? { allow: true, viewer: { id: username, label: username } }
        : { allow: false, reason: 'unauthenticated' },
  })
}

function serve(server: Server, daybook: Daybook, link: OneTimeLink): void {
  const dashboard = expressDashboard(daybook)
  server.on('request', (request, response) => {
    if (link.redeem(request, response)) return
    const asked: ExpressRequest = Object.assign(request, {
      baseUrl: '',
      originalUrl: request.url ?? '/',
      protocol: 'http',
    })
    dashboard(asked, response, () => response.writeHead(500).end())
  })
}
