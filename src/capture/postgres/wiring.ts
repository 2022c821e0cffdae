import { randomUUID } from 'node:crypto'
import { type RunSql, runForText } from '../../connection/run-sql.ts'
import { runInContext, runWithoutContext } from '../../core/context.ts'
import { DaybookError } from '../../core/errors.ts'
import { type Finding, type FindingCode, inOrderOfImportance, toFinding } from './finding.ts'

export interface WiringOptions {
  /** How many statements are sent at once, to see whether they mix; more than the pool has connections. Default 20. */
  readonly atOnce?: number
  /** How many statements had to go without the context that was there: `unattributed` of the pool. Default: that of Daybook's own pool. */
  readonly sentWithout?: number
}

/** What {@link verifyWiring} found. */
export interface Wiring {
  /** No finding is an error. */
  readonly healthy: boolean
  /** The role that the application signs in with. */
  readonly role: string
  /** Most important first. */
  readonly findings: readonly Finding[]
}

const AT_ONCE = 20
const ACTOR = { type: 'service', id: 'daybook.verifyWiring' } as const

const ASK_WHO = `select json_build_object('role', session_user, 'installed', count(*) = 2,
  'allowed', coalesce(bool_and(has_function_privilege(p.oid, 'execute') and has_schema_privilege(n.oid, 'usage')), false))::text as daybook
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname = 'daybook' and p.proname in ('probe', 'wiring')`
const WRITE = 'select daybook.probe(true) as daybook'
const LOOK = 'select daybook.probe(false) as daybook'
const ASK_REST = `select coalesce(json_agg(json_build_object('code', w.code, 'table', w.relation, 'names', w.names, 'role', w.role)), '[]')::text as daybook
  from daybook.wiring() w`

/** What the database saw of one statement. */
interface Seen {
  readonly carried: boolean
  readonly mark: string | null
  readonly recorded: string | null
  readonly refused: string | null
  readonly read_only: boolean
}

/**
 * Tries, on the live application, whether the context reaches the capture through the function by which the application runs its SQL:
 * alone, with many statements at once, and not any more afterwards; whether the role that signs in could rewrite the log; and whether the
 * tracked tables are captured. One entry is written and undone in the same statement: none is left, and nothing is waited for.
 *
 * What is wrong is a finding, never an exception. It runs as the application's own role, which must be a member of `daybook_writer`.
 * @throws DaybookError `invalid_option` where `run` does not give the rows of its statement; `not_installed`. What `run` throws comes as
 * it is.
 */
export async function verifyWiring(run: RunSql, options: WiringOptions = {}): Promise<Wiring> {
  const { atOnce = AT_ONCE, sentWithout = 0 } = options
  if (typeof run !== 'function') throw noFunction()
  if (!(Number.isSafeInteger(atOnce) && atOnce > 0)) {
    throw new DaybookError('invalid_option', `verifyWiring: atOnce must be a number of statements, not ${atOnce}.`)
  }
  const { role, installed, allowed } = await ask<{ role: string; installed: boolean; allowed: boolean }>(run, ASK_WHO)
  if (!installed) {
    throw new DaybookError(
      'not_installed',
      'There is no log, or one of an older version, where this application runs its SQL. Install it with: daybook init',
    )
  }
  const findings = allowed
    ? [...(await tryContexts(run, role, atOnce)), ...(await askForTheRest(run))]
    : [toFinding('role_may_not_ask', { role })]
  if (sentWithout > 0) findings.push(toFinding('sent_without_context', { count: sentWithout }))
  return {
    healthy: findings.every(({ severity }) => severity !== 'error'),
    role,
    findings: inOrderOfImportance(findings),
  }
}

/** How many statements of a pool had to go without the context that was there; none where the pool does not count them. */
export function unattributedOf(pool: object): number {
  const count = (pool as { readonly unattributed?: unknown }).unattributed
  return typeof count === 'number' ? count : 0
}

async function tryContexts(runSql: RunSql, role: string, atOnce: number): Promise<Finding[]> {
  let isPrismaAlone = false
  const run = (sql: string) => {
    const answer = runSql(sql)
    isPrismaAlone ||= isPromiseOfPrisma(answer)
    return answer
  }
  const marks = Array.from({ length: atOnce + 1 }, () => randomUUID())
  const [first = '', ...others] = marks
  const written = await askAs(run, first, WRITE)
  const seen = [written, ...(await Promise.all(others.map((mark) => askAs(run, mark, LOOK))))]
  const bare = await Promise.all(others.map(() => runWithoutContext(() => Promise.resolve(ask<Seen>(run, LOOK)))))
  const lost = seen.filter(({ carried }) => !carried).length
  const mixed = seen.filter(({ carried, mark }, place) => carried && mark !== marks[place]).length
  const left = bare.filter(({ carried }) => carried).length
  // What was recorded is what the capture saw, or else the entry says so itself.
  const forged = written.refused === null && written.recorded !== written.mark
  return [
    ...(lost > 0 ? [toFinding('context_not_carried', { role, count: lost, of: seen.length })] : []),
    ...(mixed > 0 || forged ? [toFinding('context_mixed', { count: Math.max(mixed, 1), of: seen.length })] : []),
    ...(left > 0 ? [toFinding('context_left_behind', { count: left, of: bare.length })] : []),
    ...(written.read_only ? [toFinding('reads_only', { role })] : []),
    ...(written.refused !== null && !written.read_only
      ? [toFinding('entry_refused', { role, reason: written.refused })]
      : []),
    ...(isPrismaAlone ? [toFinding('transactions_not_tried', {})] : []),
  ]
}

/** One statement of Prisma's, as it is before it is sent: a transaction would have given a promise of the language's own. */
function isPromiseOfPrisma(answer: unknown): boolean {
  return (
    (answer as { readonly [Symbol.toStringTag]?: unknown } | null | undefined)?.[Symbol.toStringTag] === 'PrismaPromise'
  )
}

function askAs(run: RunSql, mark: string, sql: string): Promise<Seen> {
  return runInContext({ actor: ACTOR, requestId: mark }, () => ask<Seen>(run, sql))
}

interface Told {
  readonly code: FindingCode
  readonly table: string | null
  readonly names: readonly string[] | null
  readonly role: string | null
}

async function askForTheRest(run: RunSql): Promise<Finding[]> {
  const told = await ask<readonly Told[]>(run, ASK_REST)
  return told.map(({ code, table, names, role }) =>
    toFinding(code, { ...(table !== null && { table }), ...(names && { names }), ...(role !== null && { role }) }),
  )
}

async function ask<Answer>(run: RunSql, sql: string): Promise<Answer> {
  const text = await runForText(run, sql)
  if (text === undefined) throw noFunction()
  return JSON.parse(text) as Answer
}

function noFunction(): DaybookError {
  return new DaybookError(
    'invalid_option',
    'verifyWiring needs a function that runs SQL as the application does and gives its rows, such as (sql) => pool.query(sql).',
  )
}
