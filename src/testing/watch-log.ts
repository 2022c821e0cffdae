import { AssertionError } from 'node:assert'
import { type SqlBool, sql } from 'kysely'
import { type RunSql, runForText } from '../connection/run-sql.ts'
import type { Entry } from '../core/entry.ts'
import { DaybookError } from '../core/errors.ts'
import { type EntryRow, readEntry } from '../store/entry-row.ts'
import { selectEntries } from '../store/queries.ts'
import { align, type ExpectOptions, type Line } from './align.ts'
import { withFixedClock } from './fixed-clock.ts'
import { compare, type ExpectedEntry } from './match.ts'
import { report, sentence } from './report.ts'

/** Where a test reads the log: what it writes through, or a function that runs SQL there. */
export type LogSource = RunSql | { query(sql: string): unknown }

export interface WatchOptions {
  /**
   * Only what is recorded in the transaction that the source is in, for tests that share a database and roll back at the end. Default:
   * everything that the source can see.
   */
  readonly ownTransaction?: boolean
}

/** What a test sees of the log: the entries since the watch began. */
export interface LogWatch {
  /** The entries, oldest first. */
  entries(): Promise<readonly Entry[]>
  /** The same, on a fixed clock: for snapshots. */
  fixedEntries(): Promise<readonly Entry[]>
  /**
   * These entries are there, in this order, and no others; see {@link ExpectOptions} for less.
   * @throws AssertionError with what differs.
   */
  expectEntries(expected: readonly ExpectedEntry[], options?: ExpectOptions): Promise<void>
  /**
   * Every entry has a context: none is by the database's own user because nobody was named, and none came with a context that can't be read.
   * What was done to the capture itself does not count.
   * @throws AssertionError with the entries that have none.
   */
  expectAttributed(): Promise<void>
  /** Begins anew: what is there now is not looked at any more. */
  restart(): Promise<void>
}

/**
 * Watches the log from now on. The source may be a pool or, for tests that roll back, the client of the transaction; its role must be
 * able to read the log.
 * @throws DaybookError `not_installed`, `permission_denied`, `invalid_option`. What the source throws comes as it is.
 */
export async function watchLog(source: LogSource, { ownTransaction = false }: WatchOptions = {}): Promise<LogWatch> {
  const run: RunSql = typeof source === 'function' ? source : (text) => source.query(text)
  await checkReadable(run)
  let since = await newest()

  async function newest(): Promise<string> {
    return read(run, 'select coalesce(max(e.id), 0)::text as daybook from daybook.entry e')
  }

  async function entries(): Promise<readonly Entry[]> {
    const own = ownTransaction ? sql<SqlBool>`v.transaction_id = pg_current_xact_id_if_assigned()` : sql<SqlBool>`true`
    // Without parameters, which every ORM takes in a way of its own.
    const select = selectEntries((eb) => eb.and([sql<SqlBool>`v.id > ${sql.lit(since)}`, own])).compile().sql
    const text = await read(
      run,
      `select coalesce(json_agg(e order by e.id::bigint), '[]')::text as daybook from (${select}) e`,
    )
    return (JSON.parse(text) as EntryRow[]).map(readEntry)
  }

  async function expectEntries(expected: readonly ExpectedEntry[], options: ExpectOptions = {}): Promise<void> {
    checkExpected(expected)
    const { others = 'none' } = options
    const lines = align(expected, await entries(), options)
    const wrong = lines.filter(({ kind }) => kind !== 'as expected' && !(kind === 'besides' && others === 'allowed'))
    if (wrong.length > 0) throw failure(expectEntries, report(lines, others), expected, lines.flatMap(shownOf))
  }

  async function expectAttributed(): Promise<void> {
    const all = (await entries()).filter(({ action }) => !action.startsWith('capture.'))
    const bare = all.filter(isUnattributed)
    if (bare.length > 0) throw failure(expectAttributed, bareReport(bare, all.length), [], bare.map(sentence))
  }

  return {
    entries,
    fixedEntries: async () => withFixedClock(await entries()),
    expectEntries,
    expectAttributed,
    async restart() {
      since = await newest()
    },
  }
}

const MAX_SHOWN = 20

function isUnattributed({ actorType, actorId, databaseUser }: Entry): boolean {
  return actorType === 'unknown' || (actorType === 'database' && actorId === databaseUser)
}

function bareReport(bare: readonly Entry[], of: number): string {
  return [
    `${bare.length} of ${of} ${of === 1 ? 'entry' : 'entries'} ${bare.length === 1 ? 'has' : 'have'} no context: the log can't say who it was.`,
    '',
    ...bare.slice(0, MAX_SHOWN).map((entry) => `  ${sentence(entry)}${reasonOf(entry)}`),
    ...(bare.length > MAX_SHOWN ? [`  and ${bare.length - MAX_SHOWN} more`] : []),
    '',
    'Write through the pool of createPool(), in a request behind the middleware, in daybook.runAs(), or in asTester().',
  ].join('\n')
}

function reasonOf({ actorType }: Entry): string {
  return actorType === 'unknown' ? ' (its context could not be read)' : ''
}

const FIELDS: { readonly [Field in keyof Entry]: true } = {
  id: true,
  recordedAt: true,
  transactionId: true,
  statementId: true,
  action: true,
  outcome: true,
  actorType: true,
  actorId: true,
  actorLabel: true,
  ipAddress: true,
  requestId: true,
  tenantId: true,
  model: true,
  tableName: true,
  objectId: true,
  objectLabel: true,
  previousObjectId: true,
  relatedModel: true,
  relatedId: true,
  relatedLabel: true,
  changes: true,
  changedFields: true,
  databaseUser: true,
  context: true,
}

/** A field that is misspelt would fail as one that is not there; that there is none is what helps. */
function checkExpected(expected: readonly ExpectedEntry[]): void {
  if (!Array.isArray(expected)) {
    throw new DaybookError('invalid_option', `expectEntries takes a list of entries, not ${typeof expected}.`)
  }
  for (const field of expected.flatMap((entry) => Object.keys(entry))) {
    if (Object.hasOwn(FIELDS, field)) continue
    throw new DaybookError(
      'invalid_option',
      `expectEntries: an entry has no field "${field}". Its fields are ${Object.keys(FIELDS).join(', ')}.`,
    )
  }
}

/** Of what was found the fields that were asked for, as they were asked for where they match: a runner's own diff shows nothing else. */
function shownOf(line: Line): unknown[] {
  if (line.kind === 'missing') return []
  if (line.kind === 'besides') {
    const { action, model, objectId } = line.actual
    return [{ action, model, objectId }]
  }
  const { expected, actual } = line
  const fields = Object.keys(expected) as (keyof Entry)[]
  return [
    Object.fromEntries(
      fields.map((field) => [
        field,
        compare(expected[field], actual[field]).differences.length === 0 ? expected[field] : actual[field],
      ]),
    ),
  ]
}

function failure(
  expectation: (...given: never[]) => unknown,
  message: string,
  expected: unknown,
  actual: unknown,
): AssertionError {
  // The stack begins at the test.
  const error = new AssertionError({ message, expected, actual, operator: expectation.name, stackStartFn: expectation })
  // The message has it all: vitest and mocha show no diff of their own below it.
  return Object.assign(error, { showDiff: false })
}

// Asked of the catalog: an error, in the test's own transaction, would end it, and each ORM has errors of its own.
const MAY_READ = `select json_build_object('installed', count(*) = 2,
  'allowed', coalesce(bool_and(has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')), false))::text as daybook
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'daybook' and c.relname in ('entries', 'entry')`

async function checkReadable(run: RunSql): Promise<void> {
  const { installed, allowed } = JSON.parse(await read(run, MAY_READ)) as { installed: boolean; allowed: boolean }
  if (!installed) {
    throw new DaybookError(
      'not_installed',
      'There is no log in the database of this test. Install it, by install() of daybook/capture/postgres or daybook init.',
    )
  }
  if (!allowed) {
    throw new DaybookError(
      'permission_denied',
      'The role of this test may not read the log. In the test database, let it: daybook init --reader-role NAME, or grant daybook_reader to NAME.',
    )
  }
}

async function read(run: RunSql, text: string): Promise<string> {
  const found = await runForText(run, text)
  if (found !== undefined) return found
  throw new DaybookError(
    'invalid_option',
    'watchLog needs a pool, a client, or a function that runs SQL and gives its rows, such as (sql) => pool.query(sql).',
  )
}
