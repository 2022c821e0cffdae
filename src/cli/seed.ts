import { type Command, InvalidArgumentError } from 'commander'
import { seed } from '../capture/postgres/index.ts'
import { wholeNumber } from './flags.ts'
import { say, type Terminal } from './terminal.ts'
import { type GlobalOptions, withDatabase } from './with-database.ts'

interface SeedFlags extends GlobalOptions {
  readonly entries: number
  readonly seed: number
  readonly until?: Date
  readonly force?: true
}

const EXAMPLES = `
For trying things out: it writes made-up entries into the audit log, and nothing
takes them out again. A log that has entries is refused, unless with --force.
It needs a role that owns the log: a superuser, or who ran daybook init.

Examples
  $ daybook seed --entries 10000
  $ daybook seed --entries 1000000 --seed 7 --until 2026-11-01T00:00Z
`

/** `daybook seed`: fill an empty log with made-up entries. */
export function addSeed(program: Command, terminal: Terminal): void {
  program
    .command('seed')
    .description('fill an empty log with made-up entries, for trying things out')
    .requiredOption('--entries <number>', 'how many', wholeNumber(1, 100_000_000))
    .option('--seed <number>', 'the same number gives the same entries', wholeNumber(0, 0xffffffff), 1)
    .option('--until <time>', 'when the newest entry is from (default: now)', readMoment)
    .option('--force', 'also into a log that has entries')
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command: Command) => {
      const {
        entries,
        seed: number,
        until = new Date(),
        force = false,
        ...options
      } = command.optsWithGlobals<SeedFlags>()
      const progress = progressLine(terminal, entries)
      await withDatabase(terminal, options, (database) =>
        seed(database, { entries, seed: number, until, force, onProgress: progress.show }),
      ).finally(progress.clear)
      await say(terminal, options.json, { entries, seed: number, until: until.toISOString() }, [
        `${entries.toLocaleString('en-US')} made-up ${entries === 1 ? 'entry is' : 'entries are'} in the log. Read them with: daybook entries`,
      ])
    })
}

function readMoment(value: string): Date {
  const moment = new Date(value)
  if (Number.isNaN(moment.getTime())) throw new InvalidArgumentError('It must be a time such as 2026-11-01T00:00Z.')
  return moment
}

/** One line that is written over, where somebody watches. */
function progressLine({ stderr }: Terminal, total: number): { show: (done: number) => void; clear: () => void } {
  if (!stderr.isTTY) return { show: () => {}, clear: () => {} }
  return {
    show: (done) => {
      stderr.write(`\r${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} entries`)
    },
    clear: () => {
      stderr.write('\r\u001b[K')
    },
  }
}
