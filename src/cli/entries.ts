import type { Command } from 'commander'
import { type Cursor, parseCursor } from '../core/cursor.ts'
import type { Entry } from '../core/entry.ts'
import { writeEntryJson } from '../core/entry-json.ts'
import { type Filter, isEmptyFilter } from '../core/filter.ts'
import { createStore, type Store } from '../store/index.ts'
import { coloured, dayHeading, entryLines, plain } from './entry-lines.ts'
import { addFilterFlags, type FilterFlags, readFilter } from './filter-flags.ts'
import { wholeNumber } from './flags.ts'
import { type Terminal, write } from './terminal.ts'
import { type GlobalOptions, withDatabase } from './with-database.ts'

interface EntriesOptions extends GlobalOptions, FilterFlags {
  readonly limit: number
  readonly before?: string
  readonly after?: string
}

const EXAMPLES = `
The words of the filter are those of the dashboard's address: what stands there
behind the question mark can be given here as flags.

Examples
  $ daybook entries --object 2026-0117                 who changed this invoice?
  $ daybook entries --actor ada@example.com --from 2026-11-01
  $ daybook entries --action login --outcome failure --ip 203.0.113.0/24
  $ daybook entries --json --limit 1000 | jq -r .actor_label | sort | uniq -c
`

const PAGE = 500

/** `daybook entries`: read the log. */
export function addEntries(program: Command, terminal: Terminal): void {
  addFilterFlags(
    program
      .command('entries')
      .description('print entries of the log, newest first; with --json, one JSON object a line'),
  )
    .option('--limit <number>', 'entries at most', wholeNumber(1, 10_000_000), 50)
    .option('--before <id>', 'only entries older than this one')
    .option('--after <id>', 'only entries newer than this one')
    .addHelpText('after', EXAMPLES)
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<EntriesOptions>()
      const filter = readFilter(options)
      const cursor = readCursor(options)
      await withDatabase(terminal, options, async (database) => {
        const pages = readPages(createStore(database), filter, cursor, options.limit)
        await (options.json ? printJson(terminal, pages) : printText(terminal, pages, filter))
      })
    })
}

function readCursor({ before, after }: EntriesOptions): Cursor {
  const params = new URLSearchParams()
  if (before !== undefined) params.set('before', before)
  if (after !== undefined) params.set('after', after)
  return parseCursor(params)
}

interface PrintedPage {
  readonly entries: readonly Entry[]
  /** There are entries in the filter that are older than the last one. */
  readonly more: boolean
}

async function* readPages(store: Store, filter: Filter, start: Cursor, limit: number): AsyncGenerator<PrintedPage> {
  const { after } = start
  let cursor: Cursor | undefined = start
  for (let left = limit; cursor && left > 0; ) {
    const page = await store.page({ filter, ...cursor, limit: Math.min(left, PAGE) })
    // The page after an entry is filled up with older ones where fewer are newer.
    const entries = after === undefined ? page.entries : page.entries.filter(({ id }) => BigInt(id) > BigInt(after))
    left -= entries.length
    yield { entries, more: after === undefined && page.older !== undefined }
    cursor = after === undefined ? page.older : undefined
  }
}

async function printJson(terminal: Terminal, pages: AsyncIterable<PrintedPage>): Promise<void> {
  for await (const { entries } of pages) {
    if (entries.length > 0) await write(terminal, entries.map((entry) => `${writeEntryJson(entry)}\n`).join(''))
  }
}

async function printText(terminal: Terminal, pages: AsyncIterable<PrintedPage>, filter: Filter): Promise<void> {
  const paint = terminal.stdout.isTTY && !terminal.env.NO_COLOR ? coloured : plain
  let last: Entry | undefined
  let day = ''
  let more = false
  for await (const page of pages) {
    const lines: string[] = []
    for (const entry of page.entries) {
      const heading = dayHeading(entry.recordedAt)
      if (heading !== day) lines.push(...(day === '' ? [] : ['']), paint('bold', heading), '')
      day = heading
      lines.push(...entryLines(entry, paint))
      last = entry
    }
    more = page.more
    if (lines.length > 0) await write(terminal, `${lines.join('\n')}\n`)
  }
  if (!last) {
    await write(
      terminal,
      isEmptyFilter(filter)
        ? 'The log has no entries yet. Record the changes of a table with: daybook track SCHEMA.TABLE\n'
        : 'No entry is in this filter.\n',
    )
  } else if (more) {
    await write(terminal, `\n${paint('dim', `There are older entries: add --before ${last.id}`)}\n`)
  }
}
