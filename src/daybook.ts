import { captureError } from './capture/postgres/capture-error.ts'
import { ensureMonths } from './capture/postgres/install.ts'
import { recordEvent, type StatementRunner } from './capture/postgres/record.ts'
import { unattributedOf, verifyWiring, type Wiring, type WiringOptions } from './capture/postgres/wiring.ts'
import type { Database } from './connection/database.ts'
import { fromPgPool, type PgPool } from './connection/pg.ts'
import type { RunSql } from './connection/run-sql.ts'
import { createSpareConnection } from './connection/spare-connection.ts'
import type { Authorize } from './core/authorize.ts'
import { checkConfig } from './core/config.ts'
import {
  type Actor,
  actorContext,
  addToContext,
  type Context,
  currentContext,
  type OpenContext,
  openContext,
  type RequestActor,
  runInContext,
} from './core/context.ts'
import { DaybookError } from './core/errors.ts'
import type { AuditEvent } from './core/event.ts'
import { maskTree, parseMaskPath } from './core/mask-path.ts'
import { type LoginFailure, loginFailure, personAsObject, personOf } from './core/sign-in.ts'
import type { Tables } from './core/table.ts'
import { createDashboard, createTimeline, type Dashboard, type Mount, type TimelineOptions } from './dashboard/index.ts'
import { createStore, readAs, type Store } from './store/index.ts'

export interface DaybookOptions {
  /** The application's own pool, made by `createPool` of `daybook/connection/pg`: it carries the context. */
  readonly pool: PgPool
  /**
   * A pool whose role is a member of `daybook_reader`, for the dashboard. Without it the application's pool reads as
   * `daybook_reader` inside a transaction, which needs that membership for the application's role.
   */
  readonly reader?: PgPool
  /** May this request read the log? Asked before everything that the dashboard answers. There is no default. */
  readonly authorize?: Authorize
  /** The tables as they are configured: how the dashboard shows their fields. What is recorded is said by `daybook sync`. */
  readonly tables?: Tables
  /** What the dashboard calls the application. Default `Daybook`. */
  readonly title?: string
  /** Where the application begins, such as `/`: the dashboard leads back there. */
  readonly home?: string
  /** The model that sign-ins are entries of. Default `User`. */
  readonly userModel?: string
  /**
   * What of `extra`, of contexts and of events, is masked before it leaves the process, by path: `extra.headers.authorization`; `*` stands
   * for any key. Members whose names look like a secret (password, token, api_key, …) are masked without being named.
   */
  readonly maskContext?: readonly string[]
  /** Secret-looking members of `extra` that are recorded after all, by path. */
  readonly unmaskContext?: readonly string[]
  /** Told of failures in the background, such as months that could not be made. Default: a process warning. */
  readonly onError?: (error: unknown) => void
}

/** Where `record()` writes: the client of the caller's own transaction. */
export interface RecordOptions {
  /** A client of the context-carrying pool that is inside a transaction: the entry is kept or lost with it. */
  readonly client?: StatementRunner
}

/** The audit log of one application. */
export interface Daybook {
  /** Runs `work` in a context that adds to the current one. */
  run<T>(context: Context, work: () => T): T
  /**
   * Runs `work` as somebody: a job, a script, a queue's worker, a migration, a test; with `onBehalfOf`, in the name of somebody else. It adds
   * to the current context, which is back afterwards; what `work` left running is not credited to the actor.
   */
  runAs<T>(actor: RequestActor, work: () => T): T
  /** Names the actor late, and in whose name they act, for what comes after in this context. False where no context is open. */
  setActor(actor: RequestActor): boolean
  /** Opens a context for as long as the caller says: for middleware, which learns the end of a request from its response. */
  openContext(context: Context): OpenContext
  /** The context that a write made now would carry. */
  currentContext(): Context | undefined
  /**
   * Records an event of the application's own, in the caller's transaction, or at once: then it stays whatever becomes of a transaction
   * that is open, and it waits for none of the pool's connections.
   * @throws DaybookError `invalid_event`, before anything is sent.
   */
  record(event: AuditEvent, options?: RecordOptions): Promise<void>
  /** Records that somebody signed in, and makes them the actor of the current context. */
  recordLogin(actor: Actor): Promise<void>
  /** Records that somebody signed out themselves. */
  recordLogout(actor: Actor): Promise<void>
  /** Records a failed sign-in. Never give it what was typed as a secret. */
  recordLoginFailure(attempt: LoginFailure): Promise<void>
  /** Records that a person's password was changed: by the actor of the current context or, where there is none, by themselves. */
  recordPasswordChange(person: Actor): Promise<void>
  /**
   * Tries on the live application whether the context reaches the log: through the pool, or through the ORM, given as a function that runs
   * SQL through it. Tells also whether the role could rewrite the log, whether the tracked tables are captured, and how many statements
   * of this process had to go without their context. Call it at the start or in a health check; no entry is left.
   *
   * What is wrong is a finding, as those of `daybook doctor`; it throws only where it could not look.
   * @throws DaybookError `not_installed`, `invalid_option`, `database_unreachable`. What `run` throws comes as it is.
   */
  verifyWiring(run?: RunSql, options?: WiringOptions): Promise<Wiring>
  /** The model that sign-ins are entries of. */
  readonly userModel: string
  /** Reads the log: lists, timelines, counts. */
  readonly store: Store
  /**
   * The dashboard, for a request below the prefix `mount.basePath`.
   * @throws DaybookError `invalid_option` where `authorize` was not given.
   */
  handler(request: Request, mount?: Mount): Promise<Response>
  /**
   * The newest entries of one object, for a page of the application's own: HTML with a style of its own, which needs no script. It is empty
   * where `authorize` says no to the request, and says so where the history can't be had: the page around it is whole.
   * @throws DaybookError `invalid_option`.
   * @example
   * const history = await daybook.timeline({ model: 'Invoice', id: '117', limit: 5, basePath: '/audit', viewer })
   */
  timeline(options: TimelineOptions): Promise<string>
  /** Stops the work in the background, and closes what Daybook opened. The pools stay open: they are yours. */
  close(): void
}

/** Months are looked after twice a day; they are made three months ahead. */
const MONTHS_INTERVAL_MS = 12 * 60 * 60 * 1000

/**
 * The one way in: ties the application's pool to its log.
 * @throws DaybookError `invalid_option` where an option is not known or `pool` is missing.
 */
export function createDaybook(options: DaybookOptions): Daybook {
  checkOptions(options)
  const { pool, reader, authorize, tables, title, home, userModel = 'User', onError = warn } = options
  const masks = maskTree(extraPaths(options, 'maskContext'), extraPaths(options, 'unmaskContext'))
  const database = fromPgPool(pool)
  const store = createStore(reader ? fromPgPool(reader) : readAs(database))
  const spare = createSpareConnection(pool)
  const stopMonths = keepMonthsAhead(database, onError)

  function run<T>(context: Context, work: () => T): T {
    return runInContext(context, work, masks)
  }

  function record(event: AuditEvent, { client = spare }: RecordOptions = {}): Promise<void> {
    return recordEvent(client, event, masks)
  }

  const dashboard: Dashboard | undefined =
    authorize &&
    createDashboard({
      ...{ store, authorize, recordAs, onError },
      ...(tables && { tables }),
      ...(title !== undefined && { title }),
      ...(home !== undefined && { home }),
    })

  const timeline = createTimeline({ store, authorize, tables, onError })

  function recordAs(actor: Actor, event: AuditEvent): Promise<void> {
    return run({ actor }, () => record(event))
  }

  return {
    run,
    runAs: (actor, work) => run(actorContext(actor), work),
    setActor: (actor) => addToContext(actorContext(actor)),
    openContext: (context) => openContext(context, masks),
    currentContext,
    userModel,
    record,
    async recordLogin(actor) {
      const person = personOf(actor)
      const context: Context = { actor: person, onBehalfOf: undefined }
      addToContext(context)
      await run(context, () => record({ action: 'login', object: personAsObject(userModel, person) }))
    },
    async recordLogout(actor) {
      const person = personOf(actor)
      const event = { action: 'logout', object: personAsObject(userModel, person) }
      const { onBehalfOf } = currentContext() ?? {}
      // Somebody else who acts as this person signs out: both stay named.
      const isActedFor = onBehalfOf !== undefined && personOf(onBehalfOf).id === person.id
      await (isActedFor ? record(event) : run({ actor: person, onBehalfOf: undefined }, () => record(event)))
    },
    async recordLoginFailure(attempt) {
      const event = loginFailure(userModel, attempt)
      await run({ actor: { type: 'anonymous' }, onBehalfOf: undefined }, () => record(event))
    },
    async recordPasswordChange(person) {
      const current = currentContext()?.actor
      const by = current && current.type !== 'anonymous' ? current : personOf(person)
      await recordAs(by, { action: 'password_changed', object: personAsObject(userModel, person) })
    },
    verifyWiring: (run = (sql) => database.query(sql), options = {}) =>
      verifyWiring(run, { sentWithout: unattributedOf(pool), ...options }),
    store,
    async handler(request, mount) {
      if (dashboard) return dashboard(request, mount)
      throw new DaybookError(
        'invalid_option',
        'createDaybook: authorize is missing: the dashboard answers nobody without it. Pass a function that says who may read the log.',
      )
    },
    timeline,
    close() {
      stopMonths()
      spare.close()
    },
  }
}

const OPTION_NAMES = new Set([
  ...['pool', 'reader', 'authorize', 'tables', 'title', 'home', 'userModel', 'maskContext', 'unmaskContext', 'onError'],
])

function checkOptions(options: DaybookOptions): void {
  const unknown = Object.keys(options).find((name) => !OPTION_NAMES.has(name))
  if (unknown !== undefined) {
    throw new DaybookError(
      'invalid_option',
      `createDaybook: there is no option "${unknown}". The options are ${[...OPTION_NAMES].join(', ')}.`,
    )
  }
  if (typeof options.pool?.connect !== 'function') {
    throw new DaybookError(
      'invalid_option',
      'createDaybook: pool must be a pool made by createPool() of daybook/connection/pg.',
    )
  }
  checkConfig({ tables: options.tables }, 'createDaybook')
  if (options.authorize !== undefined && typeof options.authorize !== 'function') {
    throw new DaybookError(
      'invalid_option',
      `createDaybook: authorize must be a function, not ${typeof options.authorize}.`,
    )
  }
}

/** The paths of an option inside of `extra`: nothing else of a context has members of the application's own. */
function extraPaths(options: DaybookOptions, name: 'maskContext' | 'unmaskContext'): readonly (readonly string[])[] {
  const paths: unknown = options[name] ?? []
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === 'string')) {
    throw new DaybookError(
      'invalid_option',
      `createDaybook: ${name} must be a list of paths, such as extra.headers.authorization.`,
    )
  }
  return paths.map((path) => {
    const [first, ...keys] = parseMaskPath(path, `createDaybook: ${name}`)
    if (first === 'extra' && keys.length > 0) return keys
    throw new DaybookError(
      'invalid_option',
      `createDaybook: ${name}: ${JSON.stringify(path)} leads nowhere: write a path inside of extra, such as extra.headers.authorization.`,
      { details: { option: name, path } },
    )
  })
}

function keepMonthsAhead(database: Database, onError: (error: unknown) => void): () => void {
  const look = () => void ensureMonths(database).catch((error) => onError(captureError(error)))
  look()
  const timer = setInterval(look, MONTHS_INTERVAL_MS)
  timer.unref()
  return () => clearInterval(timer)
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}
