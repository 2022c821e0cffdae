import { open, rename, rm, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { recordEvent } from '../capture/postgres/index.ts'
import type { Database } from '../connection/database.ts'
import { type Actor, runInContext } from '../core/context.ts'
import type { Entry } from '../core/entry.ts'
import { DaybookError } from '../core/errors.ts'
import type { Outcome } from '../core/event.ts'
import { type Filter, pinTimes } from '../core/filter.ts'
import { printQuery } from '../core/query.ts'
import { exportCsv } from '../export/index.ts'
import { createStore } from '../store/index.ts'
import { addQuery, readQuery } from './query-argument.ts'
import { say, type Terminal, write } from './terminal.ts'
import { type GlobalOptions, withDatabase } from './with-database.ts'

interface ExportOptions extends GlobalOptions {
  readonly format: 'csv'
  readonly output: string
}

const EXAMPLES = `
The file is written beside its place first and moved there when it is whole. The
export is itself an entry of the log, so the role must be a daybook_writer too.

Examples
  $ daybook export --output november.csv at:2026-11
  $ daybook export --output - model:Invoice | gzip > invoices.csv.gz
`

/** `daybook export`: write the entries of a filter to a file. */
export function addExport(program: Command, terminal: Terminal): void {
  addQuery(program.command('export').description('write the entries of a query to a file, newest first'))
    .addOption(new Option('--format <format>', 'the kind of file').choices(['csv']).default('csv'))
    .requiredOption('--output <file>', 'where to write; - for the output')
    .addHelpText('after', EXAMPLES)
    .action(async (words: readonly string[], _options, command: Command) => {
      const options = command.optsWithGlobals<ExportOptions>()
      const filter = pinTimes(readQuery(words), new Date())
      const { format, output } = options
      await withDatabase(terminal, options, async (database) => {
        if (output === '-') {
          await exportTo((chunk) => write(terminal, chunk), database, filter, format)
          return
        }
        const path = resolve(terminal.cwd, output)
        const count = await writeWhole(path, (sink) => exportTo(sink, database, filter, format))
        await say(terminal, options.json, { file: path, format, entries: count }, [
          `${count.toLocaleString('en-US')} ${count === 1 ? 'entry' : 'entries'} written to ${output}.`,
        ])
      })
    })
}

type Sink = (chunk: Uint8Array) => Promise<void>

/** Writes the entries of a filter, then records that it was done, or how far it came; gives their number. */
async function exportTo(
  sink: Sink,
  database: Database,
  filter: Filter,
  format: ExportOptions['format'],
): Promise<number> {
  let count = 0
  async function* counted(): AsyncGenerator<Entry> {
    for await (const entry of createStore(database).stream(filter)) {
      count += 1
      yield entry
    }
  }
  const record = (outcome: Outcome) =>
    runInContext({ actor: whoRunsThis() }, () =>
      recordEvent(database, {
        action: 'export',
        outcome,
        extra: { format, count, filter: printQuery(filter) },
      }),
    )
  try {
    for await (const chunk of exportCsv(counted())) await sink(chunk)
  } catch (error) {
    // Why it stopped matters more than that this could not be recorded.
    if (count > 0) await record('failure').catch(() => {})
    throw error
  }
  await record('success')
  return count
}

/** The person at the shell, or the account that a timer runs as. */
function whoRunsThis(): Actor {
  const { username } = userInfo()
  return { type: 'job', id: username, label: `daybook export (${username})` }
}

/** Writes a file that is there as a whole or not at all. Nobody but its owner may read it. */
async function writeWhole<T>(path: string, work: (sink: Sink) => Promise<T>): Promise<T> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) throw unwritable(path, { code: 'EISDIR' })
  const partial = join(dirname(path), `.${basename(path)}.${process.pid}.partial`)
  const file = await open(partial, 'w', 0o600).catch((error: unknown) => {
    throw unwritable(path, error)
  })
  try {
    const result = await work(async (chunk) => {
      await file.write(chunk)
    })
    await file.close()
    await rename(partial, path).catch((error: unknown) => {
      throw unwritable(path, error)
    })
    return result
  } catch (error) {
    await file.close().catch(() => {})
    await rm(partial, { force: true })
    throw error
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its folder is not there. Make it, or correct the name',
  ENOTDIR: 'its folder is a file. Correct the name',
  EISDIR: 'it is a folder. Name a file in it',
  EACCES: 'this user may not write there. Name another folder',
  EPERM: 'this user may not write there. Name another folder',
  EROFS: 'the disk is read-only. Name another folder',
}

function unwritable(path: string, error: unknown): DaybookError {
  const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? 'see the cause'
  return new DaybookError('invalid_option', `${path} can't be written: ${reason}.`, { cause: error })
}
