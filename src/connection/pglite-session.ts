/** What is called of a PGlite database. */
export interface PgliteDatabase {
  execProtocolRaw(message: Uint8Array): Promise<Uint8Array>
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
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
  readonly database: PgliteDatabase
  #holder: SessionUser | undefined
  #last: SessionUser | undefined
  readonly #waiting: { readonly user: SessionUser; readonly resume: () => void }[] = []

  constructor(database: PgliteDatabase) {
    this.database = database
  }

  isHeldBy(user: SessionUser): boolean {
    return this.#holder === user
  }

  /** Waits until the session is `user`'s. The answer is the error that kept the session from becoming its own, if any. */
  async acquire(user: SessionUser): Promise<Buffer | undefined> {
    if (this.#holder === user) return undefined
    if (this.#holder) await new Promise<void>((resume) => this.#waiting.push({ user, resume }))
    this.#holder = user
    if (this.#last === user) return undefined
    this.#last = user
    const reply = await this.send(simpleQuery(user.takeOver))
    const error = firstError(reply)
    if (error) this.#last = undefined
    return error
  }

  release(user: SessionUser): void {
    if (this.#holder !== user) return
    const next = this.#waiting.shift()
    this.#holder = next?.user
    next?.resume()
  }

  async send(message: Uint8Array): Promise<Buffer> {
    const reply = await this.database.execProtocolRaw(message)
    return Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength)
  }
}

/** A Query message of the protocol. */
export function simpleQuery(text: string): Buffer {
  const body = Buffer.from(`${text}\0`)
  const head = Buffer.alloc(5)
  head.write('Q')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** The first ErrorResponse among replies. */
function firstError(replies: Buffer): Buffer | undefined {
  for (let at = 0; at + 5 <= replies.length; ) {
    const end = at + 1 + replies.readInt32BE(at + 1)
    if (replies[at] === 'E'.charCodeAt(0)) return replies.subarray(at, end)
    at = end
  }
  return undefined
}
