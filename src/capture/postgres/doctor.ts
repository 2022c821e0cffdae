import type { Database } from '../../connection/database.ts'
import { DaybookError, isDaybookError } from '../../core/errors.ts'
import { captureError } from './capture-error.ts'
import { type Finding, type FindingCode, inOrderOfImportance, toFinding } from './finding.ts'
import { ensureMonths, installedVersion } from './install.ts'
import { type LockRetryOptions, withLockRetry } from './lock-retry.ts'
import { pinSearchPath } from './pin-search-path.ts'
import type { Reconciliation } from './reconcile/reconciliation.ts'
import { reconcile } from './reconcile.ts'
import { readEventTriggers, readFunctions, readMigrations } from './sql-files.ts'
import { capture, trackedTables } from './track.ts'

export interface DoctorOptions extends LockRetryOptions {
  /** Set right what can be without a decision of yours and without losing history: triggers, months, rights that were given away. */
  readonly fix?: boolean
  /** Tell of the tables of these schemas alone. Default: all. */
  readonly schemas?: readonly string[]
  /**
   * How many rows of each table are compared with the log, and a tenth of how many of its newest entries are looked up. 0: none;
   * Infinity: all. Default 1,000.
   */
  readonly reconcileRows?: number
  /**
   * Of the last so many hours it is told how much the application's roles wrote without a context, as far as the newest 20,000 statements
   * go. 0: not looked at. Default 24.
   */
  readonly contextHours?: number
}

/** What {@link doctor} found. */
export interface Diagnosis {
  /** No finding is an error. */
  readonly healthy: boolean
  /** The role that looked. */
  readonly role: string
  readonly schemaVersion: number
  /** How many tables are tracked. */
  readonly trackedTables: number
  /** Whether event triggers follow ALTER TABLE and new partitions by themselves. */
  readonly followsChanges: boolean
  /** Most important first. */
  readonly findings: readonly Finding[]
  /** What `fix` has set right, as it was found. */
  readonly fixed: readonly Finding[]
  /** Why `fix` could not set right what it should have. */
  readonly notFixed: readonly string[]
  /** How far the tables were compared with the log; null where they were not. */
  readonly reconciliation: Reconciliation | null
}

const RECONCILE_ROWS = 1000
const CONTEXT_HOURS = 24
/** Ten years. */
const MAX_CONTEXT_HOURS = 87_600
/** Statements of the log that are looked at for their context. */
const MAX_STATEMENTS = 20_000

/**
 * Looks whether every change can still be recorded, who could go round it, and whether the tables are what the log says of them last, so
 * that a change that was made with the capture off is found. What it finds makes tampering detectable, not impossible: who owns the log
 * can change the log and the tables alike.
 *
 * Needs a member of `daybook_reader`; to look at everything, a superuser. What the role can't look at is a finding `not_checked`. It only
 * reads, unless `fix` is set.
 * @throws DaybookError `not_installed`, `permission_denied`, `invalid_option`.
 */
export async function doctor(connected: Database, options: DoctorOptions = {}): Promise<Diagnosis> {
  const database = pinSearchPath(connected)
  const { fix = false, reconcileRows = RECONCILE_ROWS, contextHours = CONTEXT_HOURS } = options
  if (!(reconcileRows >= 0)) {
    throw new DaybookError(
      'invalid_option',
      `reconcileRows must be 0, a number of rows or Infinity, not ${reconcileRows}.`,
    )
  }
  if (!(contextHours >= 0 && contextHours <= MAX_CONTEXT_HOURS)) {
    throw new DaybookError(
      'invalid_option',
      `contextHours must be 0 or a number of hours up to ${MAX_CONTEXT_HOURS}, not ${contextHours}.`,
    )
  }
  const installed = await installedVersion(database).catch(explain)
  if (installed === 0) {
    throw new DaybookError('not_installed', 'There is no log in this database. Install it with: daybook init')
  }
  if (installed !== schemaVersion()) return otherVersion(database, installed)

  const before = fix ? await examine(database) : []
  const notFixed = await repair(database, before, options)
  const after = await examine(database)
  const compared = reconcileRows > 0 ? await compare(database, reconcileRows) : undefined
  const bare = contextHours > 0 ? await examineContexts(database, contextHours) : []
  const inScope = scopeOf(options.schemas)
  const findings = inOrderOfImportance([...after, ...bare, ...(compared?.findings ?? [])].filter(inScope))
  const tracked = await database.query<{ count: number }>('select count(*)::int from daybook.tracked_table')
  return {
    healthy: !findings.some(({ severity }) => severity === 'error'),
    role: await roleOf(database),
    schemaVersion: installed,
    trackedTables: tracked.rows[0]?.count ?? 0,
    followsChanges: !after.some(({ code }) => code === 'no_event_triggers' || code === 'event_trigger_off'),
    findings,
    fixed: inOrderOfImportance(
      before.filter((found) => found.fixable && !after.some(({ message }) => message === found.message)),
    ),
    notFixed,
    reconciliation: compared?.reconciliation ?? null,
  }
}

function schemaVersion(): number {
  return readMigrations().at(-1)?.version ?? 0
}

async function roleOf(database: Database): Promise<string> {
  const { rows } = await database.query<{ role: string }>('select current_user::text as role')
  return rows[0]?.role ?? ''
}

async function otherVersion(database: Database, installed: number): Promise<Diagnosis> {
  const known = schemaVersion()
  const code = installed < known ? 'schema_older' : 'schema_newer'
  return {
    healthy: false,
    role: await roleOf(database),
    schemaVersion: installed,
    trackedTables: 0,
    followsChanges: false,
    findings: [toFinding(code, { names: [`${installed}, ${known}`] })],
    fixed: [],
    notFixed: [],
    reconciliation: null,
  }
}

function scopeOf(schemas: readonly string[] | undefined): (finding: Finding) => boolean {
  return ({ subject: { table } }) =>
    schemas === undefined || table === undefined || schemas.some((schema) => schemaOf(table) === schema)
}

/** The schema of a name as SQL writes it: `sales.invoice`, `"Odd.Place"."Order"`. */
function schemaOf(table: string): string {
  const [, quoted, plain] = /^(?:"((?:[^"]|"")*)"|([^."]*))\./.exec(table) ?? []
  return quoted?.replaceAll('""', '"') ?? plain ?? ''
}

interface Observed {
  readonly code: FindingCode
  readonly relation: string | null
  readonly names: string[] | null
  readonly role: string | null
}

/** Where `relation` is a part of the log and no table of the application's. */
const OF_THE_LOG: ReadonlySet<FindingCode> = new Set(['month_detached'])

/** Everything but the comparison of the rows. */
async function examine(database: Database): Promise<Finding[]> {
  const { rows } = await database
    .query<Observed>('select code, relation, names, role from daybook.findings()')
    .catch(explain)
  const observed = rows.map(({ code, relation, names, role }) =>
    toFinding(code, {
      ...(relation !== null && (OF_THE_LOG.has(code) ? { object: relation } : { table: relation })),
      ...(names && { names }),
      ...(role !== null && { role }),
    }),
  )
  return [
    ...observed,
    ...(await examineRights(database)),
    ...(await examineParts(database)),
    ...(await examineCompiled(database, observed)),
  ]
}

function explain(error: unknown): never {
  const known = captureError(error)
  if (!isDaybookError(known) || known.code !== 'permission_denied') throw known
  throw new DaybookError(
    'permission_denied',
    'This role may not look at the log. Run doctor as a superuser, or as a member of daybook_reader to see a part.',
    { cause: known },
  )
}

/** All SQL that an installation runs: what it makes there is Daybook's, what it grants is meant. */
function installedSql(): string {
  return [...readMigrations(), ...readFunctions()]
    .map(({ text }) => text)
    .concat(readEventTriggers())
    .join('\n')
}

function namesIn(sql: string, pattern: RegExp): ReadonlySet<string> {
  return new Set([...sql.matchAll(pattern)].map(([, name]) => name ?? ''))
}

interface Right {
  readonly kind: 'schema' | 'table' | 'sequence' | 'function' | 'default'
  readonly part: string
  readonly object: string | null
  readonly grantee: string
  readonly privilege: string
}

async function examineRights(database: Database): Promise<Finding[]> {
  const { rows } = await database.query<Right>('select * from daybook.granted_rights()')
  const meant = meantRights()
  const given = new Map<string, string[]>()
  const defaults = new Map<string, string[]>()
  for (const { kind, part, object, grantee, privilege } of rows) {
    if (meant.has(`${privilege} ${part} ${grantee}`.toLowerCase())) continue
    const [group, name] = kind === 'default' ? [defaults, part] : [given, object ?? part]
    group.set(grantee, [...(group.get(grantee) ?? []), `${privilege} on ${name}`])
  }
  return [
    ...[...given].map(([role, names]) => toFinding('right_given', { role, names: names.sort() })),
    ...[...defaults].map(([role, names]) => toFinding('default_privileges', { role, names: names.sort() })),
  ]
}

/** `execute record daybook_writer` and so on, as the installation grants them. */
function meantRights(): ReadonlySet<string> {
  const rights = new Set<string>()
  for (const [, privilege, objects = '', roles = ''] of installedSql().matchAll(
    /\bgrant (\w+) on (?:schema |function )?(daybook\b[^;%]*?) to ([\w, ]+);/g,
  )) {
    for (const object of objects.split(', ')) {
      for (const role of roles.split(', ')) rights.add(`${privilege} ${object.replace('daybook.', '')} ${role}`)
    }
  }
  return rights
}

interface Part {
  readonly kind:
    | 'function'
    | 'table'
    | 'view'
    | 'sequence'
    | 'trigger'
    | 'rule'
    | 'row-level security'
    | 'event trigger'
  readonly part: string
  readonly object: string
  readonly owner: string | null
  readonly trusted: boolean
  readonly source: string | null
  readonly unpinned: boolean
  readonly off: boolean
  readonly month: boolean
}

/** What is in the log's schema, against what this version installs. */
async function examineParts(database: Database): Promise<Finding[]> {
  const { rows: parts } = await database.query<Part>('select * from daybook.parts()')
  const sql = installedSql()
  const known = {
    function: namesIn(sql, /create or replace function daybook\.(\w+)/g),
    relation: namesIn(sql, /create (?:or replace )?(?:table|view|sequence) daybook\.(\w+)/g),
    trigger: namesIn(sql, /create (?:or replace )?(?:constraint )?trigger (\w+)/g),
    'event trigger': namesIn(sql, /create event trigger (\w+)/g),
  }
  const there = (kind: Part['kind'], name: string) => parts.some((part) => part.kind === kind && part.part === name)
  const followers = [...known['event trigger']]
  const noFollower = !followers.some((name) => there('event trigger', name))
  // Without a superuser neither the event triggers nor their functions can be installed.
  const following = namesIn(readEventTriggers(), /create or replace function daybook\.(\w+)/g)
  return [
    ...parts.flatMap((part) => judgePart(part, known, sql)),
    ...[...known.function]
      .filter((name) => !there('function', name) && !following.has(name))
      .map((name) => toFinding('missing_part', { object: `The function daybook.${name}` })),
    ...(noFollower
      ? [toFinding('no_event_triggers', {})]
      : followers
          .filter((name) => !parts.some(({ kind, part, off }) => kind === 'event trigger' && part === name && !off))
          .map((name) => toFinding('event_trigger_off', { object: name }))),
  ]
}

type Known = Readonly<Record<'function' | 'relation' | 'trigger' | 'event trigger', ReadonlySet<string>>>

function judgePart(
  { kind, part, object, owner, trusted, source, unpinned, month }: Part,
  known: Known,
  sql: string,
): Finding[] {
  const described = `The ${kind} ${kind === 'trigger' || kind === 'rule' ? `${part} on ${object}` : kind === 'event trigger' ? part : object}`
  const found: Finding[] = []
  if (!trusted) found.push(toFinding('foreign_owner', { object: described, role: owner ?? '' }))
  if (kind === 'function') {
    const compiled = /^capture_\d+/.test(part)
    if (!compiled && !known.function.has(part)) found.push(toFinding('foreign_part', { object: described }))
    else if (!compiled && !sql.includes(`$$${source}$$`))
      found.push(toFinding('function_differs', { object: described }))
    if (unpinned) found.push(toFinding('unpinned_function', { object: described }))
    return found
  }
  const isKnown =
    kind === 'trigger' || kind === 'event trigger'
      ? known[kind].has(part)
      : kind !== 'rule' && kind !== 'row-level security' && (known.relation.has(part) || month || isMonth(part))
  if (!isKnown) found.push(toFinding('foreign_part', { object: described }))
  return found
}

/** One that is no partition any more is a finding of its own. */
function isMonth(name: string): boolean {
  return /^entry_\d{4}_\d{2}$/.test(name)
}

/** Compiles the captures once more in a transaction that is not kept, and looks whether they are the ones that are there. */
async function examineCompiled(database: Database, observed: readonly Finding[]): Promise<Finding[]> {
  const outOfStep = new Set(observed.filter(({ code }) => code === 'out_of_step').map(({ subject }) => subject.table))
  const tables = await database
    .query<{ id: number; table: string }>(
      `select t.id, format('%I.%I', s.nspname, c.relname) as table
        from daybook.tracked_table t join pg_class c on c.oid = t.relation join pg_namespace s on s.oid = c.relnamespace order by 2`,
    )
    .then(({ rows }) => rows)
  const findings: Finding[] = []
  for (const { id, table } of tables) {
    if (outOfStep.has(table)) continue
    try {
      if (await compilesOtherwise(database, id)) findings.push(toFinding('capture_differs', { table }))
    } catch (error) {
      const known = captureError(error)
      const reason = known instanceof Error ? known.message : String(known)
      findings.push(toFinding('not_checked', { table, object: `the capture function of ${table}`, reason }))
    }
  }
  return findings
}

class NotKept extends Error {}

async function compilesOtherwise(database: Database, id: number): Promise<boolean> {
  const source = `select coalesce(string_agg(pg_get_functiondef(p.oid), '' order by p.proname), '') as source from pg_proc p
    where p.pronamespace = 'daybook'::regnamespace and p.proname ~ ('^capture_' || $1::int || '(_|$)')`
  let differs = false
  try {
    await database.transaction(async (transaction) => {
      await transaction.query("set local lock_timeout = '200ms'")
      const before = await transaction.query<{ source: string }>(source, [id])
      await transaction.query('select daybook.compile_capture($1)', [id])
      const after = await transaction.query<{ source: string }>(source, [id])
      differs = before.rows[0]?.source !== after.rows[0]?.source
      throw new NotKept()
    })
  } catch (error) {
    if (!(error instanceof NotKept)) throw error
  }
  return differs
}

interface Attribution {
  readonly role: string
  readonly table: string
  readonly program: string | null
  readonly statements: number
  readonly without_context: number
}

/** What the application's roles wrote lately without saying who it was, by table. */
async function examineContexts(database: Database, hours: number): Promise<Finding[]> {
  const { rows } = await database.query<Attribution>(
    `select a.role, a.relation as table, a.program, a.statements, a.without_context
      from daybook.attribution(now() - make_interval(secs => $1::float8 * 3600), $2) a order by a.without_context desc, a.program`,
    [hours, MAX_STATEMENTS],
  )
  const byTable = new Map<string, Attribution[]>()
  for (const row of rows) {
    const key = JSON.stringify([row.role, row.table])
    byTable.set(key, [...(byTable.get(key) ?? []), row])
  }
  const total = (its: readonly Attribution[], count: 'statements' | 'without_context') =>
    its.reduce((sum, row) => sum + row[count], 0)
  return [...byTable.values()].flatMap((its) => {
    const [first] = its
    const count = total(its, 'without_context')
    if (!first || count === 0) return []
    const names = its
      .filter(({ without_context }) => without_context > 0)
      .map(
        ({ program, without_context }) =>
          `${program ?? 'no program named'}: ${without_context.toLocaleString('en-US')}`,
      )
    const { role, table } = first
    return [toFinding('writes_without_context', { role, table, names, count, of: total(its, 'statements'), hours })]
  })
}

async function compare(database: Database, rows: number) {
  try {
    return await reconcile(database, rows)
  } catch (error) {
    const known = captureError(error)
    if (!isDaybookError(known) || known.code !== 'permission_denied') throw known
    const finding = toFinding('not_checked', { object: 'the rows of the tables', reason: known.message })
    return { reconciliation: null, findings: [finding] }
  }
}

/** Sets right what can be, each by itself: one that fails must not keep the others. Gives what failed. */
async function repair(database: Database, findings: readonly Finding[], retry: LockRetryOptions): Promise<string[]> {
  const failures: string[] = []
  const attempt = async (codes: readonly FindingCode[], work: () => Promise<unknown>) => {
    if (!findings.some(({ code }) => codes.includes(code))) return
    try {
      await work()
    } catch (error) {
      const known = captureError(error)
      if (!isDaybookError(known)) throw known
      failures.push(known.message)
    }
  }
  await attempt(['out_of_step', 'capture_differs', 'dropped_table'], () =>
    withLockRetry(database, (transaction) => transaction.query('select daybook.follow_changes()'), retry),
  )
  for (const { id } of await tracked(database, findings)) {
    await attempt(['trigger_missing', 'trigger_disabled'], () => capture(database, id, retry))
  }
  await attempt(['months_missing', 'default_rows'], () => ensureMonths(database, undefined, retry))
  await attempt(['right_given', 'default_privileges'], () => takeBackRights(database, retry))
  return failures
}

function tracked(database: Database, findings: readonly Finding[]) {
  const isMissing = findings.some(({ code }) => code === 'trigger_missing' || code === 'trigger_disabled')
  return isMissing ? trackedTables(database) : []
}

/** As an installation does at its end. */
function takeBackRights(database: Database, retry: LockRetryOptions): Promise<void> {
  const rights = readFunctions().find(({ name }) => name === '090-rights.sql')
  return withLockRetry(
    database,
    async (transaction) => {
      await transaction.query('set local role daybook_owner')
      await transaction.query('select daybook.revoke_defaults()')
      await transaction.query(rights?.text ?? '')
    },
    retry,
  )
}
