/** What is called of a PGlite database. */
export interface PgliteDatabase {
  execProtocolRaw(message: Uint8Array): Promise<Uint8Array>
  close(): Promise<void>
}

/** One of the connections that take turns on the session. */
export interface SessionUser {
  /** Simple SQL that makes the session this connection's own: its user and its settings. */
  readonly takeOver: string
}

/**
 * PGlite is one session. It belongs to one connection at a time, from that connection's first message until the session is
 * out of any transaction, and each hand-over sets the user and takes back the settings that the one before had made.
 */
export class PgliteSession {
  readonly #database: PgliteDatabase
  readonly #maxWaitMs: number
  readonly #waiting: { readonly user: SessionUser; readonly resume: () => void }[] = []
  #holder: SessionUser | undefined
  #last: SessionUser | undefined
  #sending: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(database: PgliteDatabase, maxWaitMs: number) {
    this.#database = database
    this.#maxWaitMs = maxWaitMs
  }

  isHeldBy(user: SessionUser): boolean {
    return this.#holder === user
  }

  /** Waits until the session is `user`'s. The answer is the ErrorResponse that says why it did not become so, if any. */
  async acquire(user: SessionUser): Promise<Buffer | undefined> {
    if (this.#holder !== user && this.#holder && !(await this.#wait(user))) return HELD_TOO_LONG
    this.#holder = user
    if (this.#last === user) return undefined
    this.#last = user
    const error = firstError(await this.send(simpleQuery(user.takeOver)))
    if (!error) return undefined
    this.#last = undefined
    this.release(user)
    return error
  }

  #wait(user: SessionUser): Promise<boolean> {
    return new Promise((settle) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1)
        settle(false)
      }, this.#maxWaitMs)
      const entry = {
        user,
        resume: () => {
          clearTimeout(timer)
          settle(true)
        },
      }
      this.#waiting.push(entry)
    })
  }

  release(user: SessionUser): void {
    if (this.#holder !== user) return
    const next = this.#waiting.shift()
    this.#holder = next?.user
    next?.resume()
  }

  async send(message: Uint8Array): Promise<Buffer> {
    if (this.#closed) throw new Error('The PGlite database is closed.')
    const sending = this.#database.execProtocolRaw(message)
    this.#sending = sending.catch(() => {})
    const reply = await sending
    return Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength)
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Lets the statement that runs come to its end, and then takes no other. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#sending
    await this.#database.close()
  }
}

/** An ErrorResponse that ends its connection. */
export function fatalError(code: string, message: string, hint?: string): Buffer {
  const body = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0${hint ? `H${hint}\0` : ''}\0`)
  return Buffer.concat([header('E', body.length), body])
}

const HELD_TOO_LONG = fatalError(
  '55P03',
  'PGlite is one session, and the transaction of another connection has held it for too long',
  'Do not wait, inside a transaction, for a statement on another connection: run it on the same one, or after the transaction.',
)

/** A Query message of the protocol. */
export function simpleQuery(text: string): Buffer {
  const body = Buffer.from(`${text}\0`)
  return Buffer.concat([header('Q', body.length), body])
}

/** Type and length of a message whose body has that many bytes. */
export function header(type: string, bodyLength: number): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(bodyLength + 4, 1)
  return head
}

/** The first ErrorResponse among replies. */
export function firstError(replies: Buffer): Buffer | undefined {
  for (let at = 0; at + 5 <= replies.length; ) {
    const end = at + 1 + replies.readInt32BE(at + 1)
    if (replies[at] === 'E'.charCodeAt(0)) return replies.subarray(at, end)
    at = end
  }
  return undefined
}
