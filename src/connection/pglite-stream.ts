import { Duplex } from 'node:stream'
import { runWithoutContext } from '../core/context.ts'
import { readStatements } from '../core/statement.ts'
import { fatalError, firstError, header, type PgliteSession, type SessionUser, simpleQuery } from './pglite-session.ts'

const PROTOCOL_3 = 196608
const CANCEL_REQUEST = 80877102
const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104

/** The messages after which a server answers. */
const ENDS_BATCH = new Set([...'QSHcf'].map((type) => type.charCodeAt(0)))
const TERMINATE = 'X'.charCodeAt(0)
const FLUSH = 'H'.charCodeAt(0)
const SYNC = header('S', 0)
/** What ReadyForQuery begins with; the one byte after it tells of the transaction. */
const READY_HEADER = header('Z', 1)
const READY_BYTES = READY_HEADER.length + 1

/** Settings that a client may give when it starts; what else it sends is for servers. */
const STARTUP_SETTINGS = ['application_name', 'statement_timeout', 'lock_timeout']

const ASSERT_LOGIN = `do $$ begin
  if not (select rolcanlogin from pg_catalog.pg_roles where rolname = session_user) then raise 'no login'; end if;
end $$`

/** How many settings of a connection are set again when its turn comes back. */
const MAX_SETTINGS = 50

/** PGlite reads its input without waiting, and ends for good when the rows of a COPY are not there. */
const NO_COPY = `do $$ begin raise exception using errcode = '0A000', message = 'COPY FROM STDIN does not work on PGlite',
  hint = 'Insert the rows, or use a PostgreSQL server.'; end $$`

const SETTING_NAME = /^\s*(?:set|reset)\s+(?:session\s+(?!authorization))?([\w."]+)/i

let streams = 0

/** The server's side of one connection to a PGlite in this process: what `pg` writes goes in, what the database answers comes out. */
export class PgliteStream extends Duplex implements SessionUser {
  readonly #session: PgliteSession
  readonly #id = ++streams
  /** Names of prepared statements are the session's; each connection's own get names that no other has. */
  readonly #statements = new Map<string, string>()
  /** What this connection set for its session, to be set again when its turn comes back. */
  readonly #settings = new Map<string, string>()
  #pending: Buffer = Buffer.alloc(0)
  #takeOver: string | undefined
  #running: Promise<void> = Promise.resolve()
  #drained: (() => void) | undefined

  constructor(session: PgliteSession) {
    super()
    this.#session = session
  }

  get takeOver(): string {
    return [this.#takeOver, ...this.#settings.values()].join('; ')
  }

  // What pg calls of a socket.
  connect(): this {
    process.nextTick(() => this.emit('connect'))
    return this
  }
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }

  override _read(): void {
    this.#drained?.()
    this.#drained = undefined
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    // What comes of the reply must not run in the context of the request that happened to write.
    this.#running = runWithoutContext(() => this.#receive(chunk).then(() => done(), done))
  }

  override _final(done: () => void): void {
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#drained?.()
    done(error)
    void this.#running.then(() => (this.#session.isClosed ? undefined : this.#leave()))
  }

  async #receive(chunk: Buffer): Promise<void> {
    this.#pending = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk
    while (!this.destroyed) {
      if (this.#takeOver === undefined) {
        const message = this.#takeStartup()
        if (!message) return
        await this.#start(message)
      } else {
        const batch = this.#takeBatch()
        if (!batch) return
        if (batch.at(-1)?.[0] === TERMINATE) return this.#end()
        const texts = batch.map(textOf).filter((text) => text !== undefined)
        const message = Buffer.concat(batch.map((message) => this.#translate(message)))
        await this.#run(message, texts, batch.at(-1)?.[0] === FLUSH)
      }
    }
  }

  #takeStartup(): Buffer | undefined {
    if (this.#pending.length < 8 || this.#pending.length < this.#pending.readInt32BE(0)) return undefined
    return this.#take(this.#pending.readInt32BE(0))
  }

  /** The messages up to and with the next one that is answered. */
  #takeBatch(): Buffer[] | undefined {
    const ends: number[] = []
    for (let at = 0; at + 5 <= this.#pending.length; ) {
      const type = this.#pending[at] ?? 0
      at += 1 + this.#pending.readInt32BE(at + 1)
      if (at > this.#pending.length) return undefined
      ends.push(at)
      if (!ENDS_BATCH.has(type) && type !== TERMINATE) continue
      const batch = ends.map((end, index) => this.#pending.subarray(ends[index - 1] ?? 0, end))
      this.#take(at)
      return batch
    }
    return undefined
  }

  #take(length: number): Buffer {
    const taken = this.#pending.subarray(0, length)
    this.#pending = this.#pending.subarray(length)
    return taken
  }

  async #start(message: Buffer): Promise<void> {
    const code = message.readInt32BE(4)
    if (code === SSL_REQUEST || code === GSS_REQUEST) return this.#reply(Buffer.from('N'))
    if (code === CANCEL_REQUEST) return this.#end()
    if (code >> 16 !== PROTOCOL_3 >> 16) return this.#refuse('08P01', 'only protocol 3 is spoken here')
    const fields = message.subarray(8).toString().split('\0')
    const parameters = new Map<string, string>()
    for (let at = 0; fields[at]; at += 2) parameters.set(fields[at] ?? '', fields[at + 1] ?? '')
    const user = parameters.get('user') ?? ''
    const database = parameters.get('database') ?? user
    if (database !== 'postgres') {
      return this.#refuse('3D000', `database "${database}" does not exist: a PGlite folder has one database, postgres`)
    }
    const settings = STARTUP_SETTINGS.filter((name) => parameters.has(name))
    this.#takeOver = [
      'reset all',
      `set session authorization "${user.replaceAll('"', '""')}"`,
      ...settings.map((name) => `set ${name} = '${parameters.get(name)?.replaceAll("'", "''")}'`),
    ].join('; ')
    const refusal = await this.#session.acquire(this)
    if (refusal?.includes('C22023')) return this.#refuse('28000', `role "${user}" does not exist`)
    if (refusal) return this.#close(refusal)
    if (firstError(await this.#session.send(simpleQuery(ASSERT_LOGIN)))) {
      this.#session.release(this)
      return this.#refuse('28000', `role "${user}" is not permitted to log in`)
    }
    // An unknown user in this message would end PGlite, so that it always gets its own.
    await this.#run(startup({ user: 'postgres', database: 'postgres', client_encoding: 'UTF8' }))
  }

  async #run(message: Buffer, texts: readonly string[] = [], untilSync = false): Promise<void> {
    const isFirst = !this.#session.isHeldBy(this)
    const refusal = await this.#session.acquire(this)
    if (refusal) return this.#close(refusal)
    if (this.destroyed) return
    const answer = await this.#session.send(message)
    // After an error PGlite may say that it is ready, and still passes over everything up to the Sync.
    const reply = untilSync ? withoutReady(answer) : answer
    if (isIdle(reply)) {
      if (isFirst && texts.length > 0 && !firstError(reply)) this.#remember(texts)
      this.#session.release(this)
    }
    await this.#reply(reply)
  }

  async #reply(reply: Buffer): Promise<void> {
    if (this.destroyed || this.push(reply)) return
    await new Promise<void>((resume) => {
      this.#drained = resume
    })
  }

  #refuse(code: string, message: string): Promise<void> {
    return this.#close(fatalError(code, message))
  }

  async #close(error: Buffer): Promise<void> {
    await this.#reply(error)
    this.#end()
  }

  #end(): void {
    this.push(null)
    this.end()
    // The peer reads what is left first.
    this.once('end', () => this.destroy())
  }

  #remember(texts: readonly string[]): void {
    for (const text of texts) {
      const statements = readStatements(text)
      if (statements.some(({ keyword }) => keyword === 'DISCARD')) this.#settings.clear()
      if (!statements.every(({ keyword }) => keyword === 'SET' || keyword === 'RESET')) continue
      const name = statements.length === 1 ? (SETTING_NAME.exec(text)?.[1]?.toLowerCase() ?? text) : text
      this.#settings.delete(name)
      // A comment at the end of the text must not swallow what follows.
      this.#settings.set(name, `${text.replace(/;\s*$/, '')}\n`)
    }
    for (const name of [...this.#settings.keys()].slice(0, -MAX_SETTINGS)) this.#settings.delete(name)
  }

  /** Leaves nothing in the session that the next connection could meet. */
  async #leave(): Promise<void> {
    try {
      if (this.#session.isHeldBy(this)) await this.#session.send(Buffer.concat([SYNC, simpleQuery('rollback')]))
      if (this.#statements.size === 0) return
      await this.#session.acquire(this)
      const deallocate = [...this.#statements.values()].map((name) => `deallocate ${name}`)
      for (const statement of deallocate) await this.#session.send(simpleQuery(statement))
    } finally {
      this.#session.release(this)
    }
  }

  #translate(message: Buffer): Buffer {
    switch (String.fromCharCode(message[0] ?? 0)) {
      case 'Q':
        return readsRows(cString(message, 5)) ? simpleQuery(NO_COPY) : message
      case 'P': {
        const name = cString(message, 5)
        const rest = message.subarray(5 + Buffer.byteLength(name) + 1)
        const text = cString(rest, 0)
        const tail = rest.subarray(Buffer.byteLength(text))
        return framed('P', this.#alias(name), readsRows(text) ? Buffer.concat([Buffer.from(NO_COPY), tail]) : rest)
      }
      case 'B': {
        const portal = cString(message, 5)
        const at = 5 + Buffer.byteLength(portal) + 1
        const name = cString(message, at)
        const rest = message.subarray(at + Buffer.byteLength(name) + 1)
        return framed('B', `${portal}\0${this.#alias(name)}`, rest)
      }
      case 'D':
      case 'C': {
        const type = message.toString('latin1', 0, 1)
        if (message.toString('latin1', 5, 6) !== 'S') return message
        return framed(type, `S${this.#alias(cString(message, 6))}`, Buffer.alloc(0))
      }
      default:
        return message
    }
  }

  #alias(name: string): string {
    if (name === '') return ''
    let alias = this.#statements.get(name)
    if (!alias) {
      alias = `daybook_${this.#id}_${this.#statements.size + 1}`
      this.#statements.set(name, alias)
    }
    return alias
  }
}

function cString(bytes: Buffer, from: number): string {
  return bytes.toString('utf8', from, bytes.indexOf(0, from))
}

function framed(type: string, name: string, rest: Buffer): Buffer {
  const start = Buffer.from(`${name}\0`)
  return Buffer.concat([header(type, start.length + rest.length), start, rest])
}

/** The SQL text that a message brings. */
function textOf(message: Buffer): string | undefined {
  if (message[0] === 'Q'.charCodeAt(0)) return cString(message, 5)
  return message[0] === 'P'.charCodeAt(0) ? cString(message, message.indexOf(0, 5) + 1) : undefined
}

function startup(parameters: Readonly<Record<string, string>>): Buffer {
  const body = Buffer.from(`${Object.entries(parameters).flat().join('\0')}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 8)
  head.writeInt32BE(PROTOCOL_3, 4)
  return Buffer.concat([head, body])
}

function readsRows(text: string): boolean {
  return (
    /\bstdin\b/i.test(text) && readStatements(text).some(({ keyword, kind }) => keyword === 'COPY' && kind === 'bare')
  )
}

/** Whether replies end in ReadyForQuery with no transaction open. */
function isIdle(replies: Buffer): boolean {
  return endsInReady(replies) && replies.at(-1) === 'I'.charCodeAt(0)
}

function withoutReady(replies: Buffer): Buffer {
  return endsInReady(replies) ? replies.subarray(0, -READY_BYTES) : replies
}

function endsInReady(replies: Buffer): boolean {
  return replies.subarray(-READY_BYTES, -1).equals(READY_HEADER)
}
