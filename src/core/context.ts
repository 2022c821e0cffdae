import { AsyncLocalStorage } from 'node:async_hooks'
import { isIP } from 'node:net'
import type { MaskTree } from './mask-path.ts'
import { plainExtra } from './plain-extra.ts'
import { storable } from './storable.ts'

/** The kinds of actor. `database` is given by the database itself to a write that came without a context. */
export const ACTOR_TYPES = ['user', 'service', 'job', 'database', 'anonymous'] as const
export type ActorType = (typeof ACTOR_TYPES)[number]

/** Who. `label` is how the actor read at the time: it stays with the entry when the account is renamed or deleted. */
export interface Actor {
  /** Default `user`. */
  readonly type?: ActorType
  readonly id?: string
  readonly label?: string
}

/** Who makes a request; while somebody acts as another person, `onBehalfOf` is that person. */
export interface RequestActor extends Actor {
  readonly onBehalfOf?: Actor
}

/** Who acts, as a part of a context: nobody stays whom an earlier actor acted for. */
export function actorContext({ onBehalfOf, ...actor }: RequestActor): Context {
  return { actor, onBehalfOf }
}

/** Who is acting, from where, and whatever the application adds. Every part may be left out. */
export interface Context {
  readonly actor?: Actor
  /** The other person of an impersonation: `actor` did it in the name of this one. */
  readonly onBehalfOf?: Actor | undefined
  readonly ipAddress?: string
  readonly userAgent?: string
  /** Method and route pattern, such as `PATCH /invoices/:id`. */
  readonly route?: string
  readonly requestId?: string
  readonly tenantId?: string
  /** Why, in the words of who did it. */
  readonly reason?: string
  /** The application's own additions: anything that JSON can hold, up to 4 KiB. Members whose names look like a secret are masked. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/** Longest part of a context that is kept, in UTF-16 code units; what is longer is cut and ends in `…`. */
export const CONTEXT_LIMITS = {
  actorId: 256,
  label: 256,
  ipAddress: 64,
  userAgent: 512,
  route: 512,
  requestId: 128,
  tenantId: 128,
  reason: 1024,
  extra: 4096,
} as const

interface Scope {
  context: Context
  ended: boolean
  readonly outer: Scope | undefined
  readonly masks: readonly MaskTree[]
  wire: string | undefined
}

// One storage for every copy of the package in the process: middleware and pool must see the same one.
const STORAGE = Symbol.for('daybook.context')
const shared = globalThis as { [STORAGE]?: AsyncLocalStorage<Scope> }
shared[STORAGE] ??= new AsyncLocalStorage<Scope>()
const storage = shared[STORAGE]

const NO_SCOPE: Scope = { context: {}, ended: true, outer: undefined, masks: [], wire: undefined }

function liveScope(): Scope | undefined {
  let scope = storage.getStore()
  while (scope?.ended) scope = scope.outer
  return scope
}

/** A context that was opened and lasts until `end` is called. */
export interface OpenContext {
  /** Runs `work` inside the context. */
  run<T>(work: () => T): T
  /** Adds to this context, from wherever it is called. */
  add(addition: Context): void
  /** After this, writes by whatever is still running are credited to the outer context, or to none. */
  end(): void
}

/**
 * Opens a context that adds to the current one; for middleware, which knows the end only when the response closes. `masks` says what of
 * `extra` is masked beside what the outer context masks.
 */
export function openContext(context: Context, masks?: MaskTree): OpenContext {
  const outer = liveScope()
  const scope: Scope = {
    context: { ...outer?.context, ...context },
    ended: false,
    outer,
    masks: withMasks(outer?.masks ?? [], masks),
    wire: undefined,
  }
  return {
    run: (work) => storage.run(scope, work),
    add: (addition) => addTo(scope, addition),
    end: () => {
      scope.ended = true
    },
  }
}

function withMasks(outer: readonly MaskTree[], masks: MaskTree | undefined): readonly MaskTree[] {
  return masks === undefined || outer.includes(masks) ? outer : [...outer, masks]
}

/**
 * Runs `work` in a context that adds to the current one, and ends it when `work` returns or its promise settles.
 * The outer context is back afterwards; what `work` left running is not credited to it.
 */
export function runInContext<T>(context: Context, work: () => T, masks?: MaskTree): T {
  const opened = openContext(context, masks)
  let result: T
  try {
    result = opened.run(work)
  } catch (error) {
    opened.end()
    throw error
  }
  if (isThenable(result)) {
    // A query builder starts its query only when it is awaited: that must happen in here.
    return opened.run(() => Promise.resolve(result)).finally(opened.end) as T
  }
  opened.end()
  return result
}

/** Runs `work` outside of every context: for what outlives the request that happens to start it, such as a pooled connection. */
export function runWithoutContext<T>(work: () => T): T {
  return storage.run(NO_SCOPE, work)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}

/** The context that a write made now would carry, or `undefined`. */
export function currentContext(): Context | undefined {
  return liveScope()?.context
}

/** Adds to the current context, for what is learned late, such as the actor after authentication. False where there is none. */
export function addToContext(addition: Context): boolean {
  const scope = liveScope()
  if (!scope) return false
  addTo(scope, addition)
  return true
}

function addTo(scope: Scope, addition: Context): void {
  scope.context = { ...scope.context, ...addition }
  scope.wire = undefined
}

/** The current context as the text that the connection binds to the setting `daybook.context`, or `''` for none. */
export function contextOnTheWire(): string {
  const scope = liveScope()
  if (!scope) return ''
  scope.wire ??= writeContext(scope.context, scope.masks)
  return scope.wire
}

/**
 * A context as the capture reads it: the text of a row of the SQL type `daybook.origin`, whose parts PostgreSQL takes without looking at
 * JSON for them. Known parts are cut to {@link CONTEXT_LIMITS}, `extra` is masked, and what is not a column of its own is JSON in the last.
 */
export function writeContext(context: Context, masks: readonly MaskTree[] = []): string {
  const actor = writeActor(context.actor) ?? { type: 'anonymous' }
  const address = cut(context.ipAddress, CONTEXT_LIMITS.ipAddress)
  const known = address === undefined || isAddress(address)
  const rest = JSON.stringify({
    on_behalf_of: writeActor(context.onBehalfOf),
    user_agent: cut(context.userAgent, CONTEXT_LIMITS.userAgent),
    route: cut(context.route, CONTEXT_LIMITS.route),
    reason: cut(context.reason, CONTEXT_LIMITS.reason),
    extra: writeExtra(context.extra, masks),
    ip_address_unreadable: known ? undefined : true,
  })
  return writeRow([
    actor.type,
    actor.id,
    actor.label ?? actor.id,
    known ? address : undefined,
    cut(context.requestId, CONTEXT_LIMITS.requestId),
    cut(context.tenantId, CONTEXT_LIMITS.tenantId),
    rest === '{}' ? undefined : rest,
  ])
}

/** Whether PostgreSQL takes it for an inet: it has no zones. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%')
}

/** A row as PostgreSQL reads one: undefined is null. */
function writeRow(values: readonly (string | undefined)[]): string {
  const quoted = values.map((value) => (value === undefined ? '' : `"${value.replace(/["\\]/g, '$&$&')}"`))
  return `(${quoted.join()})`
}

function writeActor(actor: Actor | undefined): { type: string; id?: string; label?: string } | undefined {
  if (!actor) return undefined
  const { type = 'user' } = actor
  const id = cut(actor.id, CONTEXT_LIMITS.actorId)
  const label = cut(actor.label, CONTEXT_LIMITS.label)
  return {
    type: ACTOR_TYPES.includes(type) ? type : 'unknown',
    ...(id !== undefined && { id }),
    ...(label !== undefined && { label }),
  }
}

function cut(value: unknown, limit: number): string | undefined {
  return value === undefined || value === null ? undefined : cutText(textOf(value), limit)
}

/** A part that is no text, and can't be made one, does not make the write fail. */
function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'unreadable'
  }
}

/** Text cut to a limit, with what PostgreSQL can't hold (NUL, lone surrogates) replaced by U+FFFD. */
export function cutText(text: string, limit: number): string {
  const kept = storable(text)
  return kept.length <= limit ? kept : storable(`${kept.slice(0, limit - 1)}…`)
}

function writeExtra(extra: Context['extra'], masks: readonly MaskTree[]): unknown {
  if (extra === undefined) return undefined
  return plainExtra(extra, masks, CONTEXT_LIMITS.extra) ?? { $daybook: 'capped' }
}
