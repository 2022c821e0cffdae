import type { IncomingMessage } from 'node:http'
import { install, track } from '../../../src/capture/postgres/index.ts'
import { createPool, fromPgPool } from '../../../src/connection/pg.ts'
import type { RequestActor } from '../../../src/core/context.ts'
import { createDaybook, type Daybook } from '../../../src/daybook.ts'
import type { RequestContextOptions } from '../../../src/middleware/request-context.ts'
import { createTestDatabase } from '../../database.ts'

/** One entry as the view gives it. */
export interface Recorded {
  readonly actor_type: string
  readonly actor_id: string | null
  readonly actor_label: string | null
  readonly ip_address: string | null
  readonly request_id: string | null
  readonly tenant_id: string | null
  readonly object_id: string
  readonly context: {
    readonly route?: string
    readonly user_agent?: string
    readonly on_behalf_of?: { readonly id: string; readonly label: string }
  } | null
}

/** Where a handler waits for the test, and the test for the handler. */
export type Gate = Readonly<Record<'reached' | 'opened' | 'written', ReturnType<typeof createSignal>>>

/** What the application of every framework is made of: the work that its handlers do, and what they were configured with. */
export interface Host {
  readonly daybook: Daybook
  /** Lets those in who send `x-staff: yes`. */
  readonly guarded: Daybook
  readonly options: RequestContextOptions<object>
  /** A dashboard that tells what it was asked. */
  readonly echo: Pick<Daybook, 'handler'>
  /** Writes through the application's own pool. */
  write(id: string): Promise<void>
  /** Writes, gives a piece of an answer, three times. */
  chunks(id: string): AsyncGenerator<string>
  /** Writes before it names the actor, and after. */
  writeLate(): Promise<void>
  /** Says that it has been reached, waits until the test opens, and writes. */
  writeAtGate(id: string): Promise<void>
  entries(): Promise<Recorded[]>
  gate: Gate
  /** Whom `/late` names. */
  lateActor: RequestActor
  reset(): Promise<void>
  close(): Promise<void>
}

/** A framework's application of the contract, listening. */
export interface Application {
  readonly url: string
  close(): Promise<void>
}

/** What tells one framework from another in the contract. */
export interface Framework {
  readonly name: string
  /** How it writes the parameter `id`. Default `:id`. */
  readonly parameter?: string
  /** Where it answers piece by piece, one path for each way. Default `/stream`. */
  readonly streams?: readonly string[]
  /** Starts the application: of the routes that `contract.contract.ts` asks for. */
  start(host: Host): Promise<Application>
}

export const mara = { id: 'u-1', label: 'mara@example.com' }

/** Who sends a request, by its header `x-person`. */
async function personOf(name: string | undefined): Promise<RequestActor | undefined> {
  await new Promise(setImmediate)
  if (name === 'away') throw new Error('the session store is away')
  if (name === 'for-bo') return { ...mara, onBehalfOf: { id: 'u-2', label: 'Bo' } }
  return name === undefined ? undefined : name === 'mara' ? mara : { id: name }
}

/** The header of whatever a framework calls a request. */
function headerOf(request: object, name: string): string | undefined {
  const asked = request as {
    readonly headers?: IncomingMessage['headers'] | Headers
    readonly req?: { readonly raw?: Request }
  }
  const headers = asked.req?.raw?.headers ?? asked.headers
  const value = headers instanceof Headers ? headers.get(name) : headers?.[name]
  return typeof value === 'string' ? value : undefined
}

/** Something that a test, or a handler, waits for. */
function createSignal() {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { give, given }
}

function createGate(): Gate {
  return { reached: createSignal(), opened: createSignal(), written: createSignal() }
}

/** An answer of the web's kind, whose pieces are made when they are asked for. */
export function webStream(chunks: AsyncIterator<string>): ReadableStream<Uint8Array> {
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const { done, value } = await chunks.next()
    if (done) controller.close()
    else controller.enqueue(Buffer.from(value))
  }
  // Nothing is made ahead, so that each piece is made by whoever reads.
  return new ReadableStream({ pull }, { highWaterMark: 0 })
}

export async function createHost(): Promise<Host> {
  const database = await createTestDatabase('middleware')
  await install(fromPgPool(database.pool))
  await database.pool.query('create table invoice (id text not null)')
  await track(fromPgPool(database.pool), 'public.invoice', { label: 'id' })
  const pool = createPool({ connectionString: database.url, max: 3 })
  const daybook = createDaybook({ pool })
  const guarded = createDaybook({
    pool,
    authorize: (request) =>
      request.headers.get('x-staff') === 'yes'
        ? { allow: true, viewer: { id: 'u-9' } }
        : { allow: false, reason: 'forbidden' },
  })
  const host: Host = {
    daybook,
    guarded,
    options: {
      trustedProxies: ['127.0.0.7'],
      requestIdHeader: 'x-trace',
      actor: (request) => personOf(headerOf(request, 'x-person')),
      tenantId: (request) => headerOf(request, 'x-tenant'),
    },
    echo: {
      handler: async (request, mount) =>
        Response.json({
          method: request.method,
          url: request.url,
          basePath: mount?.basePath,
          cookie: request.headers.get('cookie'),
          body: await request.text(),
        }),
    },
    async write(id) {
      await pool.query('insert into invoice values ($1)', [id])
    },
    async *chunks(id) {
      for (const part of ['a', 'b', 'c']) {
        await host.write(`${id}-${part}`)
        yield part
      }
    },
    async writeLate() {
      await host.write('early')
      daybook.setActor(host.lateActor)
      await host.write('late')
    },
    async writeAtGate(id) {
      const { gate } = host
      gate.reached.give()
      await gate.opened.given
      await host.write(id)
      gate.written.give()
    },
    async entries() {
      const { rows } = await database.pool.query(
        `select *, object_label as object_id, context from daybook.entries where model = 'Invoice' and action = 'create' order by id`,
      )
      return rows
    },
    gate: createGate(),
    lateActor: mara,
    async reset() {
      host.gate = createGate()
      host.lateActor = mara
      await database.pool.query('truncate daybook.entry')
    },
    async close() {
      daybook.close()
      guarded.close()
      await pool.end()
      await database.close()
    },
  }
  return host
}
