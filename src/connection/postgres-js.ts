import { AsyncResource } from 'node:async_hooks'
import { contextOnTheWire } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import { CarryingSocket, type SocketOptions } from './carrying-socket.ts'
import { type Sealed, Seals } from './seals.ts'

type Function = (...args: unknown[]) => unknown

/** What is used of a statement of postgres.js: whose text is sent when it is parsed. */
interface Statement {
  string: string
}

/** What is used of a query of postgres.js, which starts when it is awaited. */
interface Query {
  /** Called by whatever starts it, and again by whatever else waits for it. */
  handle(): unknown
  readonly executed: boolean
  /** The text, known before its messages are made. */
  readonly string: string
  /** Whether the server has its statement already. */
  readonly prepared?: unknown
  readonly onlyDescribe?: boolean
  cursorFn?: unknown
  forEachFn?: unknown
}

/** What is used of the `sql` that postgres.js gives, and of the one inside a transaction and of a reserved connection. */
type Sql = Function & { readonly options: SocketOptions } & Readonly<Record<'unsafe' | 'begin' | 'reserve', Function>>

/** Where statements that went without the context are counted. */
interface Tally {
  unattributed: number
}

const tallies = new WeakMap<object, Tally>()

/**
 * Makes postgres.js carry the current context with each statement, in the same batch and bound as a parameter; the rest is as postgres.js
 * has it. What it takes and gives is the function that the package `postgres` exports:
 * `const sql = bindPostgresJs(postgres)(process.env.DATABASE_URL)`.
 *
 * The context that counts is the one in which a query is started: awaited, or executed.
 *
 * @throws DaybookError `invalid_option` where it is not postgres.js 3.4, whose queries this depends on.
 */
export function bindPostgresJs<Postgres extends (...args: never[]) => object>(postgres: Postgres): Postgres {
  if (typeof postgres !== 'function') throw unknownDriver()
  return new Proxy(postgres, {
    apply: (target, self, args) => open((...own) => Reflect.apply(target, self, own), args),
  })
}

/** How many statements that may have written rows had to go without the context that was there. */
export function countUnattributed(sql: object): number {
  return tallies.get(sql)?.unattributed ?? 0
}

function open(postgres: Function, args: readonly unknown[]): unknown {
  // TLS must be below what carries the context; how it is asked for, postgres.js knows best. Nothing of this one connects.
  const { options } = knownSql(postgres(...args))
  const seals = new Seals()
  const tally: Tally = { unattributed: 0 }
  const socket = () =>
    new CarryingSocket(options, seals, () => {
      tally.unattributed += 1
    })
  const [url, more] = args
  const own = { socket, ssl: false }
  const sql = postgres(
    ...(url && typeof url !== 'string' ? [{ ...url, ...own }] : [url, { ...(more as object | undefined), ...own }]),
  )
  const carrying = carryingSql(knownSql(sql), seals)
  tallies.set(carrying, tally)
  return carrying
}

function knownSql(sql: unknown): Sql {
  const { options, unsafe, begin, reserve } = sql as Partial<Sql>
  const known =
    [unsafe, begin, reserve].every((each) => typeof each === 'function') &&
    Array.isArray(options?.host) &&
    isQuery((unsafe as Function)(''))
  if (!known) throw unknownDriver()
  return sql as Sql
}

function isQuery(value: unknown): value is Query {
  const { handle, executed } = (value ?? {}) as Partial<Query>
  return typeof handle === 'function' && executed === false
}

function unknownDriver(): DaybookError {
  return new DaybookError(
    'invalid_option',
    'bindPostgresJs: this is not postgres.js 3.4 as it knows it, so its statements could lose their context. Pass the function that the package postgres exports.',
  )
}

function carryingSql<Client extends Function>(sql: Client, seals: Seals): Client {
  const carry = <T>(made: T): T => {
    if (isQuery(made)) carryContext(made, seals)
    return made
  }
  const inside = (given: unknown) =>
    typeof given === 'function' ? (inner: Function) => given(carryingSql(inner, seals)) : given
  /** Of each function whose result or callback has SQL in it. */
  const wrap: Readonly<Record<string, (target: Function) => Function>> = {
    unsafe:
      (target) =>
      (...args) =>
        carry(target(...args)),
    file:
      (target) =>
      (...args) =>
        carry(target(...args)),
    begin:
      (target) =>
      (...args) =>
        target(...args.map(inside)),
    savepoint:
      (target) =>
      (...args) =>
        target(...args.map(inside)),
    reserve:
      (target) =>
      async (...args) =>
        carryingSql((await target(...args)) as Function, seals),
  }
  const wrapped = Object.fromEntries(
    Object.entries(wrap).flatMap(([name, of]) => {
      const target = (sql as unknown as Readonly<Record<string, unknown>>)[name]
      return typeof target === 'function' ? [[name, of(target as Function)]] : []
    }),
  )
  return new Proxy(sql, {
    apply: (target, self, args) => carry(Reflect.apply(target, self, args)),
    get: (target, name) => (typeof name === 'string' && wrapped[name]) || Reflect.get(target, name),
  })
}

/** From its start on, the messages of the query say whose they are. */
function carryContext(query: Query, seals: Seals): void {
  const handle = query.handle.bind(query)
  let sealed: Sealed | undefined
  let context: string | undefined
  const seal = () => {
    sealed ??= { context: context ?? '', text: query.onlyDescribe ? '' : query.string }
    return seals.seal(sealed)
  }
  hide(query, 'handle', {
    value: () => {
      if (context === undefined) {
        context = contextOnTheWire()
        sealMessages(query, seal)
      }
      bindCallbacks(query)
      return handle()
    },
  })
}

/** The text, where it is sent, and the portal that values are bound to, which is nameless otherwise. */
function sealMessages(query: Query, seal: () => string): void {
  let statement: Statement | null = null
  hide(query, 'statement', {
    get: () => statement,
    set(made: Statement | null) {
      statement = made
      if (made && !query.prepared) sealText(made, seal)
    },
  })
  hide(query, 'cursorName', { get: seal })
}

/** Only the message gets the seal, which is the first to ask: results and errors have the text as it was. */
function sealText(statement: Statement, seal: () => string): void {
  const { string } = statement
  Object.defineProperty(statement, 'string', {
    configurable: true,
    enumerable: true,
    get() {
      Object.defineProperty(statement, 'string', { value: string, writable: true })
      return seal() + string
    },
  })
}

/** A callback runs in the async context of who started the query, not of the connection. */
function bindCallbacks(query: Query): void {
  for (const name of ['forEachFn', 'cursorFn'] as const) {
    const callback = query[name]
    if (typeof callback === 'function' && !bound.has(callback)) {
      const own = AsyncResource.bind(callback as Function)
      bound.add(own)
      query[name] = own
    }
  }
}

const bound = new WeakSet<object>()

function hide(query: Query, name: string, descriptor: PropertyDescriptor): void {
  Object.defineProperty(query, name, { configurable: true, ...descriptor })
}
