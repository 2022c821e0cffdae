import type { Database } from '../../connection/database.ts'
import { DaybookError, isDaybookError } from '../../core/errors.ts'
import { advisePermission, captureError } from './capture-error.ts'
import { type LockRetryOptions, withLockRetry } from './lock-retry.ts'
import { type Migration, readEventTriggers, readFunctions, readMigrations, readRoles } from './sql-files.ts'

export interface InstallOptions {
  /** Roles of the application: they may run `daybook.record()` and keep months ahead, nothing else. They must exist. */
  readonly applicationRoles?: readonly string[]
  /** Roles that may read the log. They must exist. */
  readonly readerRoles?: readonly string[]
}

/** What an installation did. */
export interface InstallResult {
  /** The schema's version before; 0: there was none. */
  readonly from: number
  readonly to: number
  /** The months that it made. */
  readonly months: readonly string[]
  /**
   * Whether event triggers follow ALTER TABLE and new partitions. Only a superuser can install them; without them a capture learns of
   * columns with the next write, and of partitions by {@link sync}.
   */
  readonly eventTrigger: boolean
  /** Whether what follows is of another version of Daybook: a superuser has installed it, and somebody else has upgraded the log since. */
  readonly eventTriggerOutdated: boolean
}

const MONTHS_AHEAD = 3

/**
 * Two installers at once: the second waits here and then sees that it is done. Where there is a log already, one of its own tables is
 * what is locked: the advisory lock could be held by anybody.
 */
const INSTALL_LOCK = `do $$ begin
  if not exists (select from pg_tables where schemaname = 'daybook' and tablename = 'migration') then
    perform pg_advisory_xact_lock(hashtextextended('daybook.install', 0));
  end if;
  if exists (select from pg_tables where schemaname = 'daybook' and tablename = 'migration') then
    lock table daybook.migration in share row exclusive mode;
  end if;
end $$`

/**
 * Installs the log in the schema `daybook`, or brings it up to this version: all or nothing. Harmless where it is up to date.
 *
 * Needs a superuser; or a role with CREATEROLE and CREATE on the database; or a member of daybook_owner, where the roles and the schema
 * are there.
 * @throws DaybookError `schema_newer` where a newer Daybook has been here; `not_installed` where the schema `daybook` is somebody
 * else's; `permission_denied`; `lock_timeout`.
 */
export async function install(
  database: Database,
  options: InstallOptions = {},
  retry: LockRetryOptions = {},
): Promise<InstallResult> {
  const migrations = readMigrations()
  return withLockRetry(
    database,
    async (transaction) => {
      await transaction.query(INSTALL_LOCK)
      const from = await installedVersion(transaction)
      refuseNewer(from, migrations)
      await transaction.query(readRoles())
      await transaction.query('set local role daybook_owner')
      for (const migration of pending(migrations, from)) await transaction.query(applyMigration(migration))
      for (const { text } of readFunctions()) await transaction.query(text)
      const months = await makeMonths(transaction, MONTHS_AHEAD)
      await transaction.query('reset role')
      await transaction.query(readEventTriggers())
      await transaction.query('set local role daybook_owner')
      await transaction.query(COMPILE)
      await transaction.query('reset role')
      for (const role of options.applicationRoles ?? []) await grantRole(transaction, 'daybook_writer', role)
      for (const role of options.readerRoles ?? []) await grantRole(transaction, 'daybook_reader', role)
      return { from, to: newest(migrations), months, ...(await eventTriggers(transaction)) }
    },
    retry,
  ).catch((error: unknown) => {
    throw advisePermission(error, ADVICE)
  })
}

const ADVICE =
  'Install as a superuser, or as a role with CREATEROLE and CREATE on this database; where the roles of the log are there already, as a member of daybook_owner. docs/install.md says what a DBA can do beforehand.'

/** The functions of the event triggers that are there and switched on, as they were installed. */
const EVENT_TRIGGERS = `select p.prosrc as source from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
  where e.evtname in ('daybook_follow_tables', 'daybook_follow_drops', 'daybook_follow_partitions', 'daybook_follow_triggers') and e.evtenabled in ('O', 'A')`

async function eventTriggers(
  database: Database,
): Promise<Pick<InstallResult, 'eventTrigger' | 'eventTriggerOutdated'>> {
  const { rows } = await database.query<{ source: string }>(EVENT_TRIGGERS)
  const current = readEventTriggers()
  return {
    eventTrigger: rows.length === 4,
    eventTriggerOutdated: rows.some(({ source }) => !current.includes(source)),
  }
}

/** The functions of tracked tables anew, for the compiler may be another, and event triggers may have come. */
const COMPILE = 'select daybook.follow_changes();'

/** The whole installation as one script for `psql`, for those who apply SQL by hand or keep migrations. */
export function installSql(options: InstallOptions = {}): string {
  const grants = [
    ...(options.applicationRoles ?? []).map((role) => `grant daybook_writer to ${identifier(role)};`),
    ...(options.readerRoles ?? []).map((role) => `grant daybook_reader to ${identifier(role)};`),
  ]
  return [
    'begin;',
    'set local search_path = pg_catalog, pg_temp;',
    `${INSTALL_LOCK};`,
    readRoles(),
    'set local role daybook_owner;',
    ...readMigrations().map(applyMigration),
    ...readFunctions().map(({ text }) => text),
    `select daybook.ensure_months(${MONTHS_AHEAD});`,
    'reset role;',
    readEventTriggers(),
    'set local role daybook_owner;',
    COMPILE,
    'reset role;',
    ...grants,
    'commit;',
    '',
  ].join('\n\n')
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The version of the schema in a database; 0 where there is none. */
export async function installedVersion(database: Database): Promise<number> {
  const there = await database.query<{ there: boolean }>("select to_regclass('daybook.migration') is not null as there")
  if (!there.rows[0]?.there) return 0
  const { rows } = await database.query<{ version: number }>(
    'select max(version)::int as version from daybook.migration',
  )
  return rows[0]?.version ?? 0
}

/**
 * Makes sure that the log is there in this version, before work that relies on it.
 * @throws DaybookError `not_installed`, `schema_older` or `schema_newer`.
 */
export async function requireInstalled(database: Database): Promise<void> {
  const migrations = readMigrations()
  const version = await installedVersion(database)
  refuseNewer(version, migrations)
  if (version === 0) {
    throw new DaybookError('not_installed', 'There is no log in this database. Install it with: daybook init')
  }
  if (version < newest(migrations)) {
    throw new DaybookError(
      'schema_older',
      `The log in this database has schema version ${version}, this Daybook needs ${newest(migrations)}. Upgrade it with: daybook init`,
      { details: { installed: version, needed: newest(migrations) } },
    )
  }
}

/**
 * Makes the partitions of this month and of the next ones; gives the names of those that were missing. Behind a long read of the log
 * it waits without holding other readers up.
 * @throws DaybookError `permission_denied`, `lock_timeout`.
 */
export function ensureMonths(
  database: Database,
  monthsAhead = MONTHS_AHEAD,
  retry: LockRetryOptions = {},
): Promise<string[]> {
  return withLockRetry(database, (transaction) => makeMonths(transaction, monthsAhead), retry)
}

async function makeMonths(database: Database, monthsAhead: number): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>('select daybook.ensure_months($1::int) as name', [
    monthsAhead,
  ])
  return rows.map(({ name }) => name)
}

function newest(migrations: readonly Migration[]): number {
  return migrations.at(-1)?.version ?? 0
}

function pending(migrations: readonly Migration[], from: number): Migration[] {
  return migrations.filter(({ version }) => version > from)
}

function applyMigration({ version, name, text }: Migration): string {
  return `${text}\ninsert into daybook.migration (version, name) values (${version}, '${name}');`
}

function refuseNewer(installed: number, migrations: readonly Migration[]): void {
  if (installed <= newest(migrations)) return
  throw new DaybookError(
    'schema_newer',
    `The log in this database has schema version ${installed}, this Daybook knows only up to ${newest(migrations)}. Use a newer Daybook.`,
    { details: { installed, known: newest(migrations) } },
  )
}

async function grantRole(database: Database, group: string, role: string): Promise<void> {
  const { rows } = await database.query<{ name: string; granted: boolean }>(
    `select quote_ident(r.rolname) as name, exists (
        select from pg_auth_members m where m.roleid = $2::text::regrole and m.member = r.oid
      ) as granted from pg_roles r where r.rolname = $1`,
    [role, group],
  )
  const [found] = rows
  if (!found) {
    throw new DaybookError(
      'invalid_option',
      `There is no role "${role}" on this server. Create it first: create role … login`,
      {
        details: { role },
      },
    )
  }
  // A DBA may have done it, and whoever installs may not be allowed to.
  if (found.granted) return
  await database.query(`grant ${group} to ${found.name}`).catch((error: unknown) => {
    const refused = captureError(error)
    if (!isDaybookError(refused) || refused.code !== 'permission_denied') throw refused
    throw new DaybookError(
      'permission_denied',
      `This role may not give ${group} to "${role}". Let a superuser, or a role that administers ${group}, run: grant ${group} to ${found.name}`,
      { details: { role, ...refused.details } },
    )
  })
}
