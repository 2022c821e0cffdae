import type { Command } from 'commander'
import { byStatement, FOLDED_FROM, type StatementRun } from '../core/by-statement.ts'
import { type Cursor, parseCursor } from '../core/cursor.ts'
import { createDisplay, type Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { writeEntryJson } from '../core/entry-json.ts'
import { type Filter, isEmptyFilter } from '../core/filter.ts'
import { createStore, type Store } from '../store/index.ts'
import { coloured, dayHeading, entryLines, plain, statementLines } from './entry-lines.ts'
import { wholeNumber } from './flags.ts'
import { loadConfig } from './load-config.ts'
import { addQuery, readQuery } from './query-argument.ts'
import { type Terminal, write } from './terminal.ts'
import { type GlobalOptions, withDatabase } from './with-database.ts'

interface EntriesOptions extends GlobalOptions {
  readonly limit: number
  readonly before?: string
  readonly after?: string
  readonly unfold?: true
}

const EXAMPLES = `
What one statement did to many rows is one line: statement:ID or --unfold shows
its entries.

Examples
  $ daybook entries object:2026-0117                   who changed this invoice?
  $ daybook entries actor:ada@example.com at:2026-11-01..
  $ daybook entries 'actor:ada@example.com -action:login at:-24h..'
  $ daybook entries action:login outcome:failure ip:203.0.113.0/24
  $ daybook entries --json --limit 1000 | jq -r .actor_label | sort | uniq -c
`

/** Entries that are read at once. */
const PAGE = 200

/** `daybook entries`: read the log. */
export function addEntries(program: Command, terminal: Terminal): void {
  addQuery(
    program
      .command('entries')
      .description('print entries of the log, newest first; with --json, one JSON object a line'),
  )
    .option('--unfold', 'print every entry of a statement')
    .option('--limit <number>', 'entries at most; a folded statement counts as one', wholeNumber(1, 10_000_000), 50)
    .option('--before <id>', 'only entries older than this one')
    .option('--after <id>', 'only entries newer than this one')
    .addHelpText('after', EXAMPLES)
    .action(async (words: readonly string[], _options, command: Command) => {
      const options = command.optsWithGlobals<EntriesOptions>()
      const filter = readQuery(words)
      const cursor = readCursor(options)
      await withDatabase(terminal, options, async (database) => {
        const store = createStore(database)
        const folds = !options.json && !options.unfold && filter.statement === undefined
        const pages = readPages(store, { filter, start: cursor, limit: options.limit, folds })
        if (options.json) return printJson(terminal, pages)
        const { tables } = await loadConfig(terminal.cwd, options.config)
        const display = createDisplay(tables, await store.foreignKeys())
        await printText(terminal, pages, { store, filter, display })
      })
    })
}

function readCursor({ before, after }: EntriesOptions): Cursor {
  const params = new URLSearchParams()
  if (before !== undefined) params.set('before', before)
  if (after !== undefined) params.set('after', after)
  return parseCursor(params)
}

interface Reading {
  readonly filter: Filter
  readonly start: Cursor
  readonly limit: number
  readonly folds: boolean
}

interface RunPage {
  /** Entries that are shown as one. */
  readonly runs: readonly StatementRun[]
  /** There are entries in the filter that are older than the last one. */
  readonly more: boolean
}

async function* readPages(store: Store, { filter, start, limit, folds }: Reading): AsyncGenerator<RunPage> {
  const { after } = start
  let cursor: Cursor | undefined = start
  let folded: string | undefined
  for (let left = limit; cursor && left > 0; ) {
    const page = await store.page({
      filter,
      ...cursor,
      limit: folds ? PAGE : Math.min(left, PAGE),
      ...(folds && { passStatementsFrom: FOLDED_FROM }),
    })
    // The page after an entry is filled up with older ones where fewer are newer.
    const entries = after === undefined ? page.entries : page.entries.filter(({ id }) => BigInt(id) > BigInt(after))
    const found = byStatement(entries)
      // What is left of a statement that stands at the end of the page before.
      .filter(([{ statementId }]) => statementId !== folded)
      .flatMap((run) => (folds && run.length >= FOLDED_FROM ? [run] : run.map(alone)))
    const runs = found.slice(0, left)
    left -= runs.length
    yield { runs, more: runs.length < found.length || (after === undefined && page.older !== undefined) }
    const last = runs.at(-1)
    if (last && last.length > 1) folded = last[0].statementId
    cursor = after === undefined ? page.older : undefined
  }
}

function alone(entry: Entry): StatementRun {
  return [entry]
}

async function printJson(terminal: Terminal, pages: AsyncIterable<RunPage>): Promise<void> {
  for await (const { runs } of pages) {
    if (runs.length > 0)
      await write(terminal, runs.flatMap((run) => run.map((entry) => `${writeEntryJson(entry)}\n`)).join(''))
  }
}

interface Printing {
  readonly store: Store
  readonly filter: Filter
  readonly display: Display
}

async function printText(
  terminal: Terminal,
  pages: AsyncIterable<RunPage>,
  { store, filter, display: recorded }: Printing,
): Promise<void> {
  const paint = terminal.stdout.isTTY && !terminal.env.NO_COLOR ? coloured : plain
  let before: string | undefined
  let day = ''
  let more = false
  for await (const page of pages) {
    const lines: string[] = []
    const display = recorded.withLabels(await store.labels(page.runs.flat().flatMap(recorded.references)))
    for (const run of page.runs) {
      const [first] = run
      const heading = dayHeading(first.recordedAt)
      if (heading !== day) lines.push(...(day === '' ? [] : ['']), paint('bold', heading), '')
      day = heading
      const isCut = run === page.runs.at(0) || run === page.runs.at(-1)
      const count = run.length > 1 && isCut ? await countOf(store, filter, first.statementId) : undefined
      const folded = run.length > 1 ? statementLines(run, count, display, paint) : undefined
      lines.push(...(folded ?? run.flatMap((entry) => entryLines(entry, display, paint))))
      before = folded ? first.statementId : run.at(-1)?.id
    }
    more = page.more
    if (lines.length > 0) await write(terminal, `${lines.join('\n')}\n`)
  }
  if (before === undefined) {
    await write(
      terminal,
      isEmptyFilter(filter)
        ? 'The log has no entries yet. Record the changes of a table with: daybook track SCHEMA.TABLE\n'
        : 'No entry is in this query.\n',
    )
  } else if (more) {
    await write(terminal, `\n${paint('dim', `There are older entries: add --before ${before}`)}\n`)
  }
}

/** How many entries of a statement are in the filter: of one at the edge of a page, more than the page has. */
async function countOf(store: Store, filter: Filter, statementId: string): Promise<string> {
  const { count, orMore } = await store.count({ ...filter, statement: [statementId] })
  return `${count.toLocaleString('en-US')}${orMore ? '+' : ''}`
}
