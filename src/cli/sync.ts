import type { Command } from 'commander'
import { type SyncStep, sync, syncSql } from '../capture/postgres/index.ts'
import { DaybookError } from '../core/errors.ts'
import { EXIT, type Outcome } from './exit-code.ts'
import { loadConfig } from './load-config.ts'
import { say, type Terminal, write } from './terminal.ts'
import { retryFor, type WaitFlags, waitOption } from './wait.ts'
import { withDatabase } from './with-database.ts'

interface SyncFlags extends WaitFlags {
  readonly dryRun?: true
  readonly prune?: true
  readonly sql?: true
}

const EXAMPLES = `
The whole configuration is checked before anything changes: one table or column
that is not there stops all of it.

daybook.config.ts
  import { defineConfig } from 'daybook'

  export default defineConfig({
    tables: {
      'public.customer': { label: 'name', mask: ['tax_id'] },
      'public.invoice': { label: 'number' },
    },
  })

Examples
  $ daybook sync
  $ daybook sync --dry-run      says what it would do; exit code 1 if anything
  $ daybook sync --sql >> migrations/0043_daybook.sql
`

/** `daybook sync`: make the tracked tables those of the configuration. */
export function addSync(program: Command, terminal: Terminal, outcome: Outcome): void {
  program
    .command('sync')
    .description('make the tracked tables those of the configuration')
    .option('--dry-run', 'only say what would be done')
    .option('--prune', 'stop tracking tables that the configuration does not name')
    .option('--sql', 'print the SQL statements instead of running them')
    .addOption(waitOption())
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<SyncFlags>()
      const { tables } = await loadConfig(terminal.cwd, options.config)
      if (tables === undefined) {
        throw new DaybookError(
          'invalid_option',
          'No tables are configured. Name them under "tables" of daybook.config.ts, or track one at a time: daybook track SCHEMA.TABLE',
        )
      }
      if (options.sql) return write(terminal, syncSql(tables))
      const steps = await withDatabase(terminal, options, (database) =>
        sync(database, tables, {
          dryRun: options.dryRun ?? false,
          prune: options.prune ?? false,
          ...retryFor(terminal, options, 'a table'),
        }),
      )
      if (options.dryRun && steps.some(isChange)) outcome.exitCode = EXIT.finding
      await say(terminal, options.json, { dryRun: options.dryRun ?? false, steps }, describe(steps, options))
    })
}

function isChange({ step }: SyncStep): boolean {
  return step === 'track' || step === 'change' || step === 'untrack'
}

const WORDS: Readonly<Record<SyncStep['step'], readonly [done: string, would: string]>> = {
  track: ['tracked', 'would be tracked'],
  change: ['changed', 'would be changed'],
  unchanged: ['unchanged', 'unchanged'],
  untrack: ['no longer tracked', 'would no longer be tracked'],
  unlisted: ['still tracked, not in the configuration', 'still tracked, not in the configuration'],
}

function describe(steps: readonly SyncStep[], { dryRun, prune }: SyncFlags): string[] {
  const width = Math.max(0, ...steps.map(({ table }) => table.length))
  const lines = steps.map(({ table, step }) => `${table.padEnd(width)}  ${WORDS[step][dryRun ? 1 : 0]}`)
  if (steps.length === 0) lines.push('No table is configured, and none is tracked.')
  if (!prune && steps.some(({ step }) => step === 'unlisted')) {
    lines.push('', 'To stop tracking what the configuration does not name: daybook sync --prune')
  }
  return lines
}
