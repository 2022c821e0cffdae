import { DaybookError } from '../core/errors.ts'
import { readStatements, type Statement } from '../core/statement.ts'
import { MessageReader } from './message-reader.ts'
import type { Sealed, Seals } from './seals.ts'
import { SET_CONTEXT } from './set-context.ts'

/** Where the two ends of a connection are, and who is told what went without the context that was there. */
interface Ends {
  toServer(bytes: Buffer): void
  toClient(bytes: Buffer): void
  onUnattributed(keyword: string): void
}

/** Takes a reply for itself by returning true; otherwise it goes on to the client. */
type Batch = (type: number, message: Buffer) => boolean

/** A message of the client without its seal, and what the seal said. */
interface Asked {
  readonly message: Buffer
  readonly sealed: Sealed | undefined
}

/** What is on its way and takes no other message until it is over. */
interface Copy {
  synced: boolean
}

const code = (letter: string) => letter.charCodeAt(0)
const IDLE = code('I')
const IN_TRANSACTION = code('T')
const FAILED = code('E')
const READY_FOR_QUERY = code('Z')
const ERROR = code('E')
const COMMAND_COMPLETE = code('C')
const QUERY = code('Q')
const SYNC = code('S')
const BIND = code('B')
const PARSE = code('P')
const PARSE_COMPLETE = code('1')
const BIND_COMPLETE = code('2')
const NO_DATA = code('n')

/** They come at any time and answer nothing: a notice, a parameter's value, a notification. */
const ANSWERS_NOTHING = new Set([...'NSA'].map(code))
/** Parts of a batch that a Sync ends. */
const EXTENDED = new Set([...'PBDECH'].map(code))
/** Data of a COPY, and its end, good or bad. */
const COPY_DATA = new Set([...'dcf'].map(code))
const ENDS_COPY = new Set([...'cf'].map(code))

const INVALID_TRANSACTION_TERMINATION = Buffer.from('\0C2D000\0')
const MAY_COMMIT = new Set(['CALL', 'DO'])
/** In a Query message, where there are no parameters, it may be an error that must stay the same. */
const PARAMETER = /\$\d/

/**
 * Carries the context among the messages of one connection whose client sends statements before those ahead of them are answered. The
 * client's own messages say by a seal whose they are; the replies to what is added here are kept from it.
 *
 * Whether a statement will meet an open transaction is known only when nothing else is on its way. Where it matters, the statement waits.
 */
export class MessageCarrier {
  readonly #ends: Ends
  readonly #seals: Seals
  readonly #asked = new MessageReader()
  readonly #answered = new MessageReader()
  #toServer: Buffer[] = []
  #toClient: Buffer[] = []
  #started = false
  /** What is on its way, in its order: each ends with a ReadyForQuery. */
  readonly #batches: Batch[] = []
  /** Whose batch the client has begun and not ended; null where that is not said. */
  #open: Sealed | null | undefined
  /** What waits until nothing is on its way. */
  #waiting: Asked[] | undefined
  #copy: Copy | undefined
  #status = IDLE
  /** Whether `#status` will hold when the next statement arrives. */
  #certain = true
  /** The context that the open transaction has when all is done that was sent; undefined when something may have undone it. */
  #inForce: string | undefined = ''
  /** Whether a transaction may be open that has a context. */
  #touched = false
  /** Set while a batch is sent that may have to be sent once more: its messages from Bind on. */
  #again: Buffer[] | undefined

  constructor(seals: Seals, ends: Ends) {
    this.#seals = seals
    this.#ends = ends
    // The first message of a connection has no type.
    this.#asked.read(Buffer.of(0))
  }

  /** Takes what the client sends. */
  fromClient(chunk: Buffer): void {
    for (const message of this.#asked.read(chunk)) {
      if (this.#started) this.#ask(this.#unseal(message))
      else this.#toServer.push(message.subarray(1))
      this.#started = true
    }
    this.#flush()
  }

  /** Takes what the server sends. */
  fromServer(chunk: Buffer): void {
    for (const message of this.#answered.read(chunk)) this.#answer(message)
    this.#flush()
  }

  #flush(): void {
    const { toServer, toClient } = this.#ends
    const [asked, answered] = [this.#toServer, this.#toClient]
    this.#toServer = []
    this.#toClient = []
    // One write, and so one packet, for all messages of a batch.
    if (asked.length > 0) toServer(asked.length === 1 ? (asked[0] as Buffer) : Buffer.concat(asked))
    for (const run of runsOf(answered)) toClient(run)
  }

  #unseal(message: Buffer): Asked {
    const type = message[0]
    const at = type === QUERY || type === BIND ? 5 : type === PARSE ? message.indexOf(0, 5) + 1 : undefined
    const sealed = at === undefined ? undefined : this.#seals.break(message, at)
    if (at === undefined || !sealed) return { message, sealed }
    const opened = Buffer.concat([message.subarray(0, at), message.subarray(at + this.#seals.length)])
    opened.writeUInt32BE(opened.length - 1, 1)
    return { message: opened, sealed }
  }

  #ask(asked: Asked): void {
    const { message } = asked
    const type = message[0] as number
    if (COPY_DATA.has(type)) this.#sendCopyData(message, ENDS_COPY.has(type))
    else if (type === QUERY || type === SYNC || EXTENDED.has(type)) {
      if (this.#waiting) this.#waiting.push(asked)
      else if (type === QUERY) this.#query(asked)
      else this.#extended(asked, type)
    } else this.#toServer.push(message)
  }

  #extended({ message, sealed }: Asked, type: number): void {
    if (this.#open === undefined) this.#begin(sealed)
    else if ((type === PARSE || type === BIND) && this.#open !== (sealed ?? null)) refuseToMix()
    this.#open = type === SYNC ? undefined : (this.#open ?? sealed ?? null)
    this.#toServer.push(message)
    if (!this.#again) return
    if (type === BIND || this.#again.length > 0) this.#again.push(message)
    if (type === SYNC) {
      // Should it be sent again, then before all that follows.
      this.#waiting = []
      this.#again = undefined
    }
  }

  /** The first message of a batch: what goes ahead of it. */
  #begin(sealed: Sealed | undefined): void {
    const statements = sealed && readStatements(sealed.text)
    const [first, ...others] = statements ?? []
    if (!sealed || !first || others.length > 0 || first.kind !== 'carries' || !this.#wants(sealed.context)) {
      this.#sendBare(statements, sealed?.context ?? '')
      return
    }
    this.#again = this.#mayCommit(first) ? [] : undefined
    this.#sendSetContext(sealed.context)
    this.#batches.push(this.#again ? this.#repeating(this.#again) : keepingOwn())
  }

  #query(asked: Asked): void {
    const { message, sealed } = asked
    const statements = sealed && readStatements(sealed.text)
    const [first, ...others] = statements ?? []
    const writes = statements?.some(({ kind }) => kind !== 'control')
    if (!sealed || !first || !writes || !this.#wants(sealed.context)) {
      this.#sendBare(statements, sealed?.context ?? '')
      this.#toServer.push(message)
      return
    }
    const { context, text } = sealed
    const alone = others.length === 0
    if (alone && isCopyIn(first)) this.#sendCopyIn(context, text)
    else if (alone && first.kind === 'bare') {
      this.#sendBare(statements, context)
      this.#toServer.push(message)
    } else if (alone && (MAY_COMMIT.has(first.keyword) || !PARAMETER.test(text))) {
      this.#sendExtended(context, text, first, message)
    } else if (this.#batches.length > 0) this.#waiting = [asked]
    else this.#sendSeveral(context, statements as readonly Statement[], message)
  }

  /** Where the transaction is known to be failed, the statement's own error must be the server's answer. */
  #wants(context: string): boolean {
    if (!this.#certain) return context !== '' || this.#touched
    if (this.#status === IDLE) return context !== ''
    return this.#status !== FAILED && context !== this.#inForce && (context !== '' || this.#touched)
  }

  #mayCommit({ keyword }: Statement): boolean {
    return MAY_COMMIT.has(keyword) && !(this.#certain && this.#status === IN_TRANSACTION)
  }

  /** What goes as it is; something that may write rows is told of, or has the context sent ahead where it can do no harm. */
  #sendBare(statements: readonly Statement[] | undefined, context: string): void {
    const [first, ...others] = statements ?? []
    if (first?.kind === 'bare' && others.length === 0 && this.#wants(context)) {
      if (this.#touched) this.#sendAhead(context, first.keyword)
      else if (context !== '') this.#ends.onUnattributed(first.keyword)
    }
    this.#noteBare(statements)
  }

  /** The client's own `BEGIN`, `COMMIT` and savepoints have no seal, so that nobody knows what they are. */
  #noteBare(statements: readonly Statement[] | undefined): void {
    if (!statements || statements.some(({ kind }) => kind !== 'carries')) this.#certain = false
    if (!statements || statements.some(({ forgetsSettings }) => forgetsSettings)) this.#inForce = undefined
    this.#batches.push(() => false)
  }

  #sendSetContext(context: string): void {
    this.#toServer.push(...setContext(context))
    this.#inForce = context
    if (context !== '') this.#touched = true
  }

  /** In a batch of its own, of use only inside a transaction. */
  #sendAhead(context: string, keyword: string): void {
    this.#sendSetContext(context)
    this.#toServer.push(MESSAGES.sync)
    // Where it fails, the transaction has failed, and so will the statement.
    this.#batches.push((type) => {
      if (type === READY_FOR_QUERY && this.#status === IDLE && context !== '') this.#ends.onUnattributed(keyword)
      return true
    })
  }

  /** One statement of a Query message, in the protocol in which values can be bound. To the client the replies look the same. */
  #sendExtended(context: string, text: string, statement: Statement, message: Buffer): void {
    this.#sendSetContext(context)
    this.#toServer.push(parse(text), MESSAGES.bind, MESSAGES.describe, MESSAGES.execute, MESSAGES.sync)
    if (!this.#mayCommit(statement)) {
      this.#batches.push(keepingOwn(isNoReplyToQuery))
      return
    }
    this.#batches.push(this.#repeating([message], isNoReplyToQuery))
    this.#waiting = []
  }

  /** Its Sync follows the data: the server would read past one that came before. */
  #sendCopyIn(context: string, text: string): void {
    this.#sendSetContext(context)
    this.#toServer.push(parse(text), MESSAGES.bind, MESSAGES.execute, MESSAGES.flush)
    const copy: Copy = { synced: false }
    const own = keepingOwn(isNoReplyToQuery)
    this.#copy = copy
    this.#waiting = []
    this.#batches.push((type, message) => {
      if (own(type, message)) return true
      if (type === READY_FOR_QUERY) this.#copy = undefined
      if (type === ERROR || type === COMMAND_COMPLETE) this.#syncCopy(copy)
      return false
    })
  }

  #sendCopyData(message: Buffer, last: boolean): void {
    this.#toServer.push(message)
    if (last && this.#copy) this.#syncCopy(this.#copy)
  }

  #syncCopy(copy: Copy): void {
    if (copy.synced) return
    copy.synced = true
    this.#toServer.push(MESSAGES.sync)
  }

  /** Nothing is on its way, so that it is sure what the statements will meet. */
  #sendSeveral(context: string, statements: readonly Statement[], message: Buffer): void {
    const carries = statements.some((statement) => statement.kind === 'carries' || isCopyIn(statement))
    const may = carries && !statements.some(({ shapesTransaction }) => shapesTransaction)
    if (may && this.#status === IDLE) {
      this.#sendAround(context, message, statements.some(isCopyIn))
      return
    }
    // Once a transaction has had a context, one more statement ahead changes nothing for what follows.
    const keyword = statements.find(({ kind }) => kind !== 'control')?.keyword ?? ''
    if (may || this.#touched) this.#sendAhead(context, keyword)
    else this.#ends.onUnattributed(keyword)
    this.#noteBare(statements)
    this.#toServer.push(message)
  }

  /** In a transaction put around it. A COPY takes what follows it for its data: its COMMIT must wait. */
  #sendAround(context: string, message: Buffer, hasCopy: boolean): void {
    this.#toServer.push(parse('begin'), MESSAGES.bind, MESSAGES.execute)
    this.#sendAhead(context, '')
    this.#toServer.push(message)
    const commit = () => {
      this.#toServer.push(query('commit'))
      this.#batches.push((type) => type === COMMAND_COMPLETE)
    }
    this.#batches.push((type) => {
      if (type === READY_FOR_QUERY && hasCopy) commit()
      return type === READY_FOR_QUERY
    })
    if (hasCopy) this.#waiting = []
    else commit()
  }

  /**
   * For a statement that may commit: after something else it can't, has then done nothing, and is sent again alone. In a transaction of the
   * client's own it can't either way.
   */
  #repeating(again: readonly Buffer[], takesToo?: (type: number) => boolean): Batch {
    const own = keepingOwn(takesToo)
    let refusal: Buffer | undefined
    return (type, message) => {
      if (own(type, message)) return true
      if (type === ERROR && message.includes(INVALID_TRANSACTION_TERMINATION)) {
        refusal = message
        return true
      }
      if (type !== READY_FOR_QUERY || !refusal) return false
      if (this.#status !== IDLE) {
        this.#toClient.push(refusal)
        return false
      }
      this.#ends.onUnattributed('COMMIT')
      this.#toServer.push(...again)
      this.#batches.unshift((reply) => reply === BIND_COMPLETE)
      return true
    }
  }

  #answer(message: Buffer): void {
    const type = message[0] as number
    const batch = ANSWERS_NOTHING.has(type) ? undefined : this.#batches[0]
    if (type === READY_FOR_QUERY) {
      this.#status = message[5] as number
      this.#batches.shift()
    }
    if (!batch?.(type, message)) this.#toClient.push(message)
    if (type === READY_FOR_QUERY && this.#batches.length === 0) this.#noteAllDone()
  }

  #noteAllDone(): void {
    this.#certain = true
    if (this.#status === IDLE) {
      this.#inForce = ''
      this.#touched = false
    }
    const waiting = this.#waiting
    this.#waiting = undefined
    for (const asked of waiting ?? []) this.#ask(asked)
  }
}

/** Of two statements in one batch, one would run in the context of the other. */
function refuseToMix(): never {
  throw new DaybookError(
    'transaction_failed',
    'Two statements met in one batch on one connection, where one could have been credited to the other. The connection was closed, and nothing of the batch was done. Try again.',
  )
}

/** Keeps the replies to the context from the client, and those that it has not asked for. */
function keepingOwn(takesToo: (type: number) => boolean = () => false): Batch {
  let own = true
  return (type) => {
    if (!own) return takesToo(type)
    // An error is the statement's too: in a failed transaction both have the same.
    if (type === COMMAND_COMPLETE || type === ERROR) own = false
    return type === PARSE_COMPLETE || type === BIND_COMPLETE || type === COMMAND_COMPLETE
  }
}

function isNoReplyToQuery(type: number): boolean {
  return type === PARSE_COMPLETE || type === BIND_COMPLETE || type === NO_DATA
}

function isCopyIn({ keyword, kind }: Statement): boolean {
  return keyword === 'COPY' && kind === 'bare'
}

/** What lies side by side goes on as it is; only what was taken out makes a gap. */
function runsOf(messages: readonly Buffer[]): readonly Buffer[] {
  const runs: Buffer[] = []
  for (const message of messages) {
    const last = runs.at(-1)
    if (last && last.buffer === message.buffer && last.byteOffset + last.length === message.byteOffset) {
      runs[runs.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + message.length)
    } else runs.push(message)
  }
  return runs
}

function frame(type: string, body: Buffer): Buffer {
  const message = Buffer.allocUnsafe(5 + body.length)
  message.write(type, 'latin1')
  message.writeUInt32BE(4 + body.length, 1)
  body.copy(message, 5)
  return message
}

function parse(text: string): Buffer {
  return frame('P', Buffer.from(`\0${text}\0\0\0`))
}

function query(text: string): Buffer {
  return frame('Q', Buffer.from(`${text}\0`))
}

const MESSAGES = {
  setContext: parse(SET_CONTEXT),
  bind: frame('B', Buffer.alloc(8)),
  describe: frame('D', Buffer.from('P\0')),
  execute: frame('E', Buffer.alloc(5)),
  flush: frame('H', Buffer.alloc(0)),
  sync: frame('S', Buffer.alloc(0)),
} as const

/** No names, no formats, one value, no formats of results. */
function setContext(context: string): readonly Buffer[] {
  const bytes = Buffer.from(context)
  const head = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
  head.writeUInt32BE(bytes.length, 6)
  return [MESSAGES.setContext, frame('B', Buffer.concat([head, bytes, Buffer.alloc(2)])), MESSAGES.execute]
}
