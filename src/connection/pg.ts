import { AsyncResource } from 'node:async_hooks'
import pg from 'pg'
import { contextOnTheWire, runWithoutContext } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import { ContextCarrier, type Submittable, type Wire } from './context-carrier.ts'
import { PipelinedCarrier } from './pipelined-carrier.ts'

export { fromPgPool, type PgClient, type PgPool } from './pg-database.ts'

type Callback = (...args: unknown[]) => unknown

/** A query of `pg` as it is before the client has it. */
interface PendingQuery extends Submittable {
  callback?: unknown
  query_timeout?: unknown
}

class ContextClient extends pg.Client {
  readonly #carrier: ContextCarrier | PipelinedCarrier

  constructor(config?: string | pg.ClientConfig) {
    super(config)
    const wire = wireOf(this)
    const report = (keyword: string) => {
      this.emit('unattributed', keyword)
    }
    this.#carrier = this.pipeline
      ? new PipelinedCarrier(wire, report)
      : new ContextCarrier(wire, report, `${this.host}:${this.port}`)
  }

  override connect(): Promise<pg.Client>
  override connect(callback: ((error: Error) => void) | ((error: null, client: pg.ClientBase) => void)): void
  override connect(callback?: unknown): never {
    // Whatever the socket sets off later must not run in the context of the request that opened it.
    return runWithoutContext(() => super.connect(bound(callback) as never)) as never
  }

  override query(...args: unknown[]): never {
    return this.#query(...args) as never
  }

  #query(config?: unknown, values?: unknown, callback?: unknown): unknown {
    const context = contextOnTheWire()
    if (isSubmittable(config)) {
      this.#carrier.carry(config, context)
      return this.#queue(config, bound(values), bound(callback))
    }
    if (config === null || config === undefined) return this.#queue(config, values, callback)
    const query = new pg.Query(config as string, values as never, callback as never) as unknown as PendingQuery
    if (query.callback && typeof query.callback !== 'function') return this.#queue(config, values, callback)
    query.query_timeout = (config as PendingQuery).query_timeout
    this.#carrier.carry(query, context)
    if (query.callback) {
      query.callback = bound(query.callback)
      this.#queue(query)
      return undefined
    }
    return new Promise((resolve, reject) => {
      query.callback = (error: unknown, result: unknown) => (error ? reject(error) : resolve(result))
      this.#queue(query)
    }).catch((error: Error) => {
      // As pg does it: a stack that leads to the caller, not to the socket.
      Error.captureStackTrace(error)
      throw error
    })
  }

  #queue(...args: unknown[]): unknown {
    return (super.query as (...args: unknown[]) => unknown)(...args)
  }
}

/**
 * A `pg.Client` that sends the current context with each statement, in the same batch and bound as a parameter.
 * For ORMs that ask for a client class; it emits `unattributed` with the statement's first word for each statement
 * that had to go without the context that was there.
 */
export const Client = ContextClient as typeof pg.Client
export type Client = pg.Client

function isSubmittable(config: unknown): config is Submittable {
  return typeof (config as Partial<Submittable> | null | undefined)?.submit === 'function'
}

/**
 * A callback that runs in the async context of who gave it, not of the socket. As AsyncResource.bind, which makes a function with a
 * deprecated property at each call: that was a third of what a statement cost here.
 */
function bound(callback: unknown): unknown {
  if (typeof callback !== 'function') return callback
  const resource = new AsyncResource('daybook')
  return function (this: unknown, ...args: unknown[]): unknown {
    return resource.runInAsyncScope(callback as Callback, this, ...args)
  }
}

function wireOf(client: pg.Client): Wire {
  const wire = client.connection as unknown as Partial<Wire> | undefined
  const methods = ['parse', 'bind', 'execute', 'sync', 'query', 'emit'] as const
  if (wire?.parsedStatements && methods.every((method) => typeof wire[method] === 'function')) {
    return wire as Wire
  }
  throw new DaybookError(
    'invalid_option',
    'The context cannot travel on this connection: Daybook needs the JavaScript client of pg 8.11 to 8.x. Install pg@8, and unset NODE_PG_FORCE_NATIVE.',
  )
}

/** What {@link createPool} takes: the options of `pg.Pool` without `Client`, which is Daybook's own. */
export type PoolOptions = Omit<pg.PoolConfig, 'Client'>

/** A `pg.Pool` whose clients send the current context with each statement. Everything else is as `pg` has it. */
export class Pool extends pg.Pool {
  #unattributed = 0

  constructor(options: PoolOptions = {}) {
    super({ ...options, Client: ContextClient })
    this.on('connect', (client) => {
      ;(client as NodeJS.EventEmitter).on('unattributed', () => {
        this.#unattributed += 1
      })
    })
  }

  /** How many statements that may have written rows had to go without the context that was there. */
  get unattributed(): number {
    return this.#unattributed
  }

  override connect(): Promise<pg.PoolClient>
  override connect(
    callback: (
      error: Error | undefined,
      client: pg.PoolClient | undefined,
      done: (release?: Error | boolean) => void,
    ) => void,
  ): void
  override connect(callback?: unknown): never {
    // A pool runs a waiting callback in the async context of whoever released the client.
    return super.connect(bound(callback) as never) as never
  }
}

/** Makes a pool that carries the context; hand it to the application's ORM or use it as it is. */
export function createPool(options: PoolOptions = {}): Pool {
  return new Pool(options)
}
