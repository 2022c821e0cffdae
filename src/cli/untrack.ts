import type { Command } from 'commander'
import { untrack } from '../capture/postgres/index.ts'
import { say, type Terminal } from './terminal.ts'
import { retryFor, type WaitFlags, waitOption } from './wait.ts'
import { withDatabase } from './with-database.ts'

const EXAMPLES = `
Example
  $ daybook untrack public.search_cache
`

/** `daybook untrack`: end the capture of a table. */
export function addUntrack(program: Command, terminal: Terminal): void {
  program
    .command('untrack')
    .description('record no further change of a table; its history stays')
    .argument('<schema.table>', 'the table, as it is spelled in the database')
    .addOption(waitOption())
    .addHelpText('after', EXAMPLES)
    .action(async (table: string, _options, command: Command) => {
      const options = command.optsWithGlobals<WaitFlags>()
      await withDatabase(terminal, options, (database) => untrack(database, table, retryFor(terminal, options, table)))
      await say(terminal, options.json, { table, tracked: false }, [
        `Changes of ${table} are no longer recorded. Its entries stay in the log.`,
      ])
    })
}
