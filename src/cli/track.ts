import { type Command, Option } from 'commander'
import { type TrackedTable, track, trackSql } from '../capture/postgres/index.ts'
import { DaybookError } from '../core/errors.ts'
import type { TableOptions } from '../core/table.ts'
import { collect } from './flags.ts'
import { say, type Terminal, write } from './terminal.ts'
import { retryFor, type WaitFlags, waitOption } from './wait.ts'
import { withDatabase } from './with-database.ts'

interface TrackOptions extends WaitFlags, Omit<TableOptions, 'permission' | 'link' | 'permissionColumns'> {
  readonly permissionTo?: string
  readonly permissionGrants?: string
  readonly permissionColumn?: readonly string[]
  readonly linkFrom?: string
  readonly linkTo?: string
  readonly sql?: true
}

const EXAMPLES = `
From then on every change of the table is an entry, whoever makes it. Columns
whose names look like a secret (password, token, api_key, …) are masked unless
--unmask names them. Given again, the options replace those of before.

Examples
  $ daybook track public.invoice --label number
  $ daybook track public.customer --model Client --label name --mask tax_id
  $ daybook track public.user_role \\
      --permission-to user_id --permission-grants role_id
`

/** `daybook track`: capture every change of a table. */
export function addTrack(program: Command, terminal: Terminal): void {
  program
    .command('track')
    .description('record every change of a table from now on, or change how')
    .argument('<schema.table>', 'the table, as it is spelled in the database')
    .option('--model <name>', 'what people call the table; InvoiceLine for invoice_line if not given')
    .option('--label <column>', 'the column that calls a row by its name; can be repeated', collect)
    .addOption(
      new Option('--include <column>', 'record this column and no others; can be repeated')
        .argParser(collect)
        .conflicts('exclude'),
    )
    .option('--exclude <column>', 'do not record this column; can be repeated', collect)
    .option('--mask <column>', 'record that it changed, never its value; can be repeated', collect)
    .option('--unmask <column>', 'record its value although its name looks like a secret; can be repeated', collect)
    .addOption(
      new Option('--truncate <policy>', 'what TRUNCATE does: an entry, or an error').choices(['record', 'refuse']),
    )
    .option(
      '--permission-column <column>',
      'a change of it grants or revokes, as is_staff does; can be repeated',
      collect,
    )
    .option('--permission-to <column>', 'its rows give permissions: the foreign key that says to whom')
    .option('--permission-grants <column>', 'and the foreign key that says what is granted')
    .option('--link-from <column>', 'its rows join two objects: the foreign key to the one')
    .option('--link-to <column>', 'and the foreign key to the other')
    .option('--sql', 'print the SQL statement instead of running it')
    .addOption(waitOption())
    .addHelpText('after', EXAMPLES)
    .action(async (table: string, _options, command: Command) => {
      const options = command.optsWithGlobals<TrackOptions>()
      const tableOptions = readTableOptions(options)
      if (options.sql) return write(terminal, `${trackSql(table, tableOptions)}\n`)
      const tracked = await withDatabase(terminal, options, (database) =>
        track(database, table, tableOptions, retryFor(terminal, options, table)),
      )
      await say(terminal, options.json, tracked, describe(tracked))
    })
}

function readTableOptions(options: TrackOptions): TableOptions {
  const { model, label, include, exclude, mask, unmask, truncate, permissionColumn: permissionColumns } = options
  const permission = pair(options.permissionTo, options.permissionGrants, '--permission-to', '--permission-grants')
  const link = pair(options.linkFrom, options.linkTo, '--link-from', '--link-to')
  return {
    ...(model !== undefined && { model }),
    ...(label !== undefined && { label }),
    ...(include !== undefined && { include }),
    ...(exclude !== undefined && { exclude }),
    ...(mask !== undefined && { mask }),
    ...(unmask !== undefined && { unmask }),
    ...(truncate !== undefined && { truncate }),
    ...(permissionColumns !== undefined && { permissionColumns }),
    ...(permission && { permission: { to: permission[0], grants: permission[1] } }),
    ...(link && { link: { from: link[0], to: link[1] } }),
  }
}

function pair(
  one: string | undefined,
  other: string | undefined,
  ...names: [string, string]
): [string, string] | undefined {
  if (one !== undefined && other !== undefined) return [one, other]
  if (one === undefined && other === undefined) return undefined
  const missing = one === undefined ? names[0] : names[1]
  throw new DaybookError('invalid_option', `${names.join(' and ')} go together: ${missing} is missing.`)
}

function describe({ table, model, masked, options }: TrackedTable): string[] {
  const { label, include, exclude, truncate, permission, link, permissionColumns } = options
  const list = (columns: TableOptions['label']) => [columns ?? []].flat().join(', ')
  const details: [string, string][] = [
    ['label', list(label)],
    ['only', list(include)],
    ['left out', list(exclude)],
    ['masked', list(masked)],
    ['truncate', truncate === 'refuse' ? 'refused' : ''],
    ['permission', permission ? `${permission.grants} to ${permission.to}` : list(permissionColumns)],
    ['link', link ? `${link.from} to ${link.to}` : ''],
  ]
  return [
    `Every change of ${table} is recorded from now on, as ${model}.`,
    ...details.flatMap(([name, value]) => (value === '' ? [] : [`  ${name.padEnd(11)}${value}`])),
  ]
}
