import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addBaseline } from './baseline.ts'
import { addDemo } from './demo.ts'
import { describeError } from './describe-error.ts'
import { addDoctor } from './doctor.ts'
import { addEntries } from './entries.ts'
import { EXIT, type Outcome } from './exit-code.ts'
import { addExport } from './export.ts'
import { addInit } from './init.ts'
import { faultLines } from './query-argument.ts'
import { addSeed } from './seed.ts'
import { addServe } from './serve.ts'
import { addSync } from './sync.ts'
import { OutputClosed, type Terminal } from './terminal.ts'
import { addTrack } from './track.ts'
import { addUntrack } from './untrack.ts'

const EXAMPLES = `
The database is the one of --database-url, else of the variable DATABASE_URL,
else of databaseUrl in daybook.config.ts.

Start with
  $ daybook init --app-role shop            install the log into the database
  $ daybook track public.invoice --label number
  $ daybook entries object:2026-0117        who changed this invoice?

Exit codes
  0 fine   1 a finding   2 wrong usage   3 could not look
`

/** Runs one command line and gives its exit code. Errors are told on the error output: one sentence, or JSON with --json. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const outcome: Outcome = { exitCode: EXIT.fine }
  const program = createProgram(terminal, outcome)
  try {
    await program.parseAsync(args, { from: 'user' })
    return outcome.exitCode
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT.fine
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.fine
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage
    const { code, message, exitCode } = describeError(error)
    const command = program.commands.find((known) => args.includes(known.name()))
    const help =
      code === 'usage' && !message.endsWith('?')
        ? ` See: ${['daybook', command?.name(), '--help'].filter(Boolean).join(' ')}`
        : ''
    const json = args.includes('--json')
    terminal.stderr.write(
      json
        ? `${JSON.stringify({ error: { code, message } })}\n`
        : `${[`daybook: ${message}${help}`, ...faultLines(error)].join('\n')}\n`,
    )
    if (terminal.env.DEBUG && error instanceof Error) terminal.stderr.write(`${error.stack}\n`)
    return exitCode
  }
}

function createProgram(terminal: Terminal, outcome: Outcome): Command {
  const program = new Command('daybook')
    .description('The audit log for web applications on PostgreSQL: who did what, when and from where.')
    .version(readVersion(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .option('--database-url <url>', 'postgres://… or pglite:FOLDER')
    .option('--config <file>', 'the configuration, if it is not daybook.config.ts of this folder')
    .option('--json', 'print the result, and errors, as JSON')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .addHelpText('after', EXAMPLES)
  addInit(program, terminal)
  addTrack(program, terminal)
  addUntrack(program, terminal)
  addSync(program, terminal, outcome)
  addBaseline(program, terminal)
  addDoctor(program, terminal, outcome)
  addEntries(program, terminal)
  addExport(program, terminal)
  addSeed(program, terminal)
  addServe(program, terminal)
  addDemo(program, terminal)
  return program
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
