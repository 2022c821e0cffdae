import type { Command } from 'commander'
import { type InstallResult, install, installSql } from '../capture/postgres/index.ts'
import { collect } from './flags.ts'
import { loadConfig } from './load-config.ts'
import { say, type Terminal, write } from './terminal.ts'
import { retryFor, type WaitFlags, waitOption } from './wait.ts'
import { withDatabase } from './with-database.ts'

interface InitOptions extends WaitFlags {
  readonly appRole?: readonly string[]
  readonly readerRole?: readonly string[]
  readonly sql?: true
}

const EXAMPLES = `
Needs a superuser, or a role that may create roles and schemas. Run it again at
any time: it brings the log up to this version and makes room for the coming
months. All of it is done, or nothing.

Examples
  $ daybook init --database-url postgres://postgres@localhost/shop
  $ daybook init --app-role shop --reader-role auditor
  $ daybook init --sql --app-role shop > migrations/0042_daybook.sql
`

/** `daybook init`: install or upgrade the log. */
export function addInit(program: Command, terminal: Terminal): void {
  program
    .command('init')
    .description('install the log into a database, or bring it up to this version')
    .option('--app-role <name>', 'a role of the application: it may record events; can be repeated', collect)
    .option('--reader-role <name>', 'a role that may read the log; can be repeated', collect)
    .option('--sql', 'print the script for a fresh database instead of running it')
    .addOption(waitOption())
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<InitOptions>()
      const config = await loadConfig(terminal.cwd, options.config)
      const roles = {
        applicationRoles: [...new Set([...(config.applicationRoles ?? []), ...(options.appRole ?? [])])],
        readerRoles: [...new Set([...(config.readerRoles ?? []), ...(options.readerRole ?? [])])],
      }
      if (options.sql) return write(terminal, installSql(roles))
      const retry = retryFor(terminal, options, 'the log')
      const result = await withDatabase(terminal, options, (database) => install(database, roles, retry), {
        create: true,
      })
      await say(terminal, options.json, { ...result, ...roles }, [
        ...describe(result),
        ...roles.applicationRoles.map((role) => `${role} may record events.`),
        ...roles.readerRoles.map((role) => `${role} may read the log.`),
        ...next(result, roles.applicationRoles),
      ])
    })
}

function describe({ from, to, months, eventTrigger, eventTriggerOutdated }: InstallResult): string[] {
  const made = months.map((name) => name.replace(/^entry_(\d{4})_(\d{2})$/, '$1-$2')).join(', ')
  return [
    from === 0
      ? `The log is installed (schema version ${to}).`
      : from < to
        ? `The log is upgraded from schema version ${from} to ${to}.`
        : `The log is up to date (schema version ${to}).`,
    ...(made === '' ? [] : [`Made room for ${made}.`]),
    ...(eventTrigger
      ? []
      : [
          'Without a superuser the capture learns of an ALTER TABLE with the next write, and of a new partition by daybook sync.',
        ]),
    ...(eventTriggerOutdated
      ? ['What follows ALTER TABLE is still that of another version of Daybook: let a superuser run daybook init once.']
      : []),
  ]
}

function next({ from }: InstallResult, applicationRoles: readonly string[]): string[] {
  if (from !== 0) return []
  return [
    '',
    'Next:',
    ...(applicationRoles.length > 0
      ? []
      : ["  daybook init --app-role NAME   let the application's role record events"]),
    '  daybook track SCHEMA.TABLE     record every change of a table',
    '  daybook sync                   or of all tables that daybook.config.ts names',
  ]
}
