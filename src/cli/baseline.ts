import { type Command, Option } from 'commander'
import { baseline } from '../capture/postgres/index.ts'
import { wholeNumber } from './flags.ts'
import { say, type Terminal } from './terminal.ts'
import { retryFor, type WaitFlags, waitOption } from './wait.ts'
import { withDatabase } from './with-database.ts'

interface BaselineFlags extends WaitFlags {
  readonly batch: number
}

const EXAMPLES = `
For rows that were there before their table was tracked: each gets one entry of
what it holds now, so that its first change has something to stand against.
Rows that have an entry get none. Stopped half way, run it again: it goes on.
Writers of a row wait for its batch at most.

Examples
  $ daybook baseline public.invoice
  $ daybook baseline public.reading --batch 5000
`

/** `daybook baseline`: give the rows of a table that have no entry one. */
export function addBaseline(program: Command, terminal: Terminal): void {
  program
    .command('baseline')
    .description('give the rows of a tracked table that have no entry one of what they hold now')
    .argument('<schema.table>', 'the table, as it is spelled in the database')
    .addOption(new Option('--batch <rows>', 'rows of one transaction').default(1000).argParser(wholeNumber(1, 100_000)))
    .addOption(waitOption())
    .addHelpText('after', EXAMPLES)
    .action(async (table: string, _options, command: Command) => {
      const options = command.optsWithGlobals<BaselineFlags>()
      const progress = progressLine(terminal)
      const result = await withDatabase(terminal, options, (database) =>
        baseline(database, table, {
          batchRows: options.batch,
          onProgress: progress.show,
          ...retryFor(terminal, options, `rows of ${table}`),
        }),
      ).finally(progress.clear)
      await say(terminal, options.json, { table, ...result }, describe(table, result))
    })
}

function describe(table: string, { seen, written }: { readonly seen: number; readonly written: number }): string[] {
  if (written === 0) return [`No row of ${table} was without an entry: ${counted(seen, 'row')} looked at.`]
  return [
    `${counted(written, 'row')} of ${table} now ${written === 1 ? 'has' : 'have'} a first entry; ${counted(seen - written, 'other')} had one.`,
  ]
}

function counted(count: number, word: string): string {
  return `${count.toLocaleString('en-US')} ${word}${count === 1 ? '' : 's'}`
}

/** One line that is written over, where somebody watches. */
function progressLine({ stderr }: Terminal): {
  show: (progress: { readonly seen: number }) => void
  clear: () => void
} {
  if (!stderr.isTTY) return { show: () => {}, clear: () => {} }
  return {
    show: ({ seen }) => {
      stderr.write(`\r${counted(seen, 'row')} looked at`)
    },
    clear: () => {
      stderr.write('\r\u001b[K')
    },
  }
}
