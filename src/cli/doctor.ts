import { type Command, Option } from 'commander'
import { doctor } from '../capture/postgres/index.ts'
import { coloured, plain } from './entry-lines.ts'
import { EXIT, type Outcome } from './exit-code.ts'
import { diagnosisLines } from './finding-lines.ts'
import { collect, wholeNumber } from './flags.ts'
import { say, type Terminal } from './terminal.ts'
import { retryFor, type WaitFlags, waitOption } from './wait.ts'
import { withDatabase } from './with-database.ts'

interface DoctorFlags extends WaitFlags {
  readonly fix?: true
  readonly schema?: readonly string[]
  readonly reconcile?: true
  readonly reconcileRows: number
  readonly contextHours: number
}

const EXAMPLES = `
It looks at triggers, roles, rights and months, and compares rows of the tables
with what the log says of them last: a change that was made with the capture
off is detected so. It tells too which programs of the application wrote
without a context, so that the log names nobody. Only --fix changes anything.
The exit code is 1 if there is an error; warnings leave it at 0. Run it as a
superuser to look at everything.

Examples
  $ daybook doctor
  $ daybook doctor --fix                 triggers, months, rights given away
  $ daybook doctor --reconcile           compare every row with the log
  $ daybook doctor --json | jq -r '.findings[] | select(.severity == "error") | .code'
`

/** `daybook doctor`: is every change recorded, and who could go round it? */
export function addDoctor(program: Command, terminal: Terminal, outcome: Outcome): void {
  program
    .command('doctor')
    .description('find what is not recorded, who could go round it, and rows that are not as the log says')
    .option('--fix', 'set right what needs no decision: triggers, months, rights that were given away')
    .option('--schema <name>', 'tell of the tables of this schema alone; can be repeated', collect)
    .addOption(
      new Option('--reconcile-rows <number>', 'rows of each table to compare with the log; 0 for none')
        .default(1000)
        .argParser(wholeNumber(0, 1_000_000_000)),
    )
    .addOption(new Option('--reconcile', 'compare every row and every entry').conflicts('reconcileRows'))
    .addOption(
      new Option('--context-hours <number>', 'tell what was written without a context in so many hours; 0 for not')
        .default(24)
        .argParser(wholeNumber(0, 87_600)),
    )
    .addOption(waitOption())
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<DoctorFlags>()
      const diagnosis = await withDatabase(terminal, options, (database) =>
        doctor(database, {
          fix: options.fix ?? false,
          reconcileRows: options.reconcile ? Number.POSITIVE_INFINITY : options.reconcileRows,
          contextHours: options.contextHours,
          ...(options.schema && { schemas: options.schema }),
          ...retryFor(terminal, options, 'a table'),
        }),
      )
      if (!diagnosis.healthy) outcome.exitCode = EXIT.finding
      const paint = terminal.stdout.isTTY && !terminal.env.NO_COLOR ? coloured : plain
      await say(terminal, options.json, diagnosis, diagnosisLines(diagnosis, paint))
    })
}
