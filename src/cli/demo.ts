import { createServer } from 'node:http'
import type { Command } from 'commander'
import { install, seed } from '../capture/postgres/index.ts'
import type { Authorize } from '../core/authorize.ts'
import { createDaybook, type Daybook } from '../daybook.ts'
import { serveDashboard } from './dashboard-server.ts'
import { createLinkDoor } from './door.ts'
import { wholeNumber } from './flags.ts'
import { listen, untilStopped } from './listen.ts'
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
      const { origin, port } = await listen(server, { host: '127.0.0.1', port: options.port })
      try {
        if (!json) await say(terminal, json, {}, ['Making a log of made-up entries …'])
        const { create, close } = await makeLog(options)
        const door = createLinkDoor({ command: 'demo', port, page: '/' })
        serveDashboard(server, { door, basePath: '', create: (authorize) => create(authorize).handler })
        const stopped = untilStopped(server)
        const url = `${origin}/${door.query}`
        await say(terminal, json, { url }, ['', `  ${url}`, '', 'The link works once. Stop with Ctrl+C.'])
        await stopped
        await close()
      } finally {
        server.close()
      }
    })
}

interface Log {
  readonly create: (authorize: Authorize) => Daybook
  close(): Promise<void>
}

async function makeLog({ entries, seed: number }: DemoOptions): Promise<Log> {
  const { openPglite } = await import('../connection/pglite.ts')
  const pglite = await openPglite()
  await install(pglite.database)
  await seed(pglite.database, { entries, seed: number, until: new Date() })
  return {
    create: (authorize) => createDaybook({ pool: pglite.createPool(), title: 'Daybook demo', authorize }),
    close: () => pglite.close(),
  }
}
