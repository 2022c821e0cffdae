import { randomBytes } from 'node:crypto'

/** What the connection has to know of a query whose messages are about to pass. */
export interface Sealed {
  /** As `set_config` gets it; `''` for none. */
  readonly context: string
  /** What is executed; `''` where nothing is. */
  readonly text: string
}

/** So many seals may be on their way to their connections: what was lost with a connection is forgotten then. */
const MOST = 65_536

/**
 * Marks in the messages themselves whose query they are, so that no order of theirs has to be relied upon. A seal holds no context, is
 * broken by whoever reads it, and can't be guessed, so that no text of anybody's passes for one.
 */
export class Seals {
  readonly #start = `\u0001daybook:${randomBytes(12).toString('hex')}:`
  readonly #sealed = new Map<number, Sealed>()
  #count = 0
  /** Of each seal, in bytes. */
  readonly length = this.seal({ context: '', text: '' }).length

  seal(sealed: Sealed): string {
    this.#count += 1
    this.#sealed.set(this.#count, sealed)
    this.#sealed.delete(this.#count - MOST)
    return this.#start + this.#count.toString(36).padStart(11, '0')
  }

  /** What was sealed; undefined where no seal is at this place. */
  break(message: Buffer, at: number): Sealed | undefined {
    // Most messages have none, and are told by one byte.
    if (message[at] !== 1) return undefined
    const seal = message.toString('latin1', at, at + this.length)
    if (!seal.startsWith(this.#start)) return undefined
    const key = Number.parseInt(seal.slice(this.#start.length), 36)
    const sealed = this.#sealed.get(key) ?? { context: '', text: '' }
    this.#sealed.delete(key)
    return sealed
  }
}
