import { readStatements, type Statement } from '../core/statement.ts'
import { SET_CONTEXT } from './set-context.ts'

/** What is used of a connection of `pg`: what it writes, and the `emit` by which it hands on each reply. */
export interface Wire {
  readonly stream: { cork?(): void; uncork?(): void }
  readonly parsedStatements: Readonly<Record<string, string | undefined>>
  /** Of newer versions: the names whose Parse is on its way. */
  readonly submittedNamedStatements?: Record<string, string | undefined>
  parse(message: { readonly text?: string; readonly name?: string }): void
  bind(message: { readonly values?: readonly unknown[]; readonly statement?: string }): void
  execute(message: object): void
  sync(): void
  query(text: string): void
  emit(event: string | symbol, ...args: readonly unknown[]): boolean
}

/** What sends and hands on past the hooks that are then put in its place. */
export type Sender = Pick<Wire, 'parse' | 'bind' | 'execute' | 'sync' | 'query' | 'emit'>

export function senderOf(wire: Wire): Sender {
  return {
    parse: wire.parse.bind(wire),
    bind: wire.bind.bind(wire),
    execute: wire.execute.bind(wire),
    sync: wire.sync.bind(wire),
    query: wire.query.bind(wire),
    emit: wire.emit.bind(wire),
  }
}

/** What `pg` queues and submits: a query of its own, a cursor, a stream. */
export interface Submittable {
  submit(connection: Wire): unknown
  readonly text?: unknown
  readonly name?: unknown
  readonly values?: unknown
  /** Only queries of `pg` have it: whether Parse and Bind are needed rather than one Query message. */
  requiresPreparation?(): boolean
}

/** Takes a reply for itself by returning true; otherwise it goes on to the client. */
type Stage = (event: string | symbol, message: { readonly code?: string }) => boolean

/** `batch`: in one batch with the statement. `ahead`: in a batch before it. `around`: in a transaction put around it. */
type Route = 'none' | 'batch' | 'ahead' | 'around'

const SET_CONTEXT_NAME = 'daybook_set_context'
const INVALID_TRANSACTION_TERMINATION = '2D000'
const INVALID_SQL_STATEMENT_NAME = '26000'
const DUPLICATE_PREPARED_STATEMENT = '42P05'
const REPLIES_OF_A_STATEMENT: ReadonlySet<string | symbol> = new Set([
  'parseComplete',
  'bindComplete',
  'commandComplete',
])

/** Where a pooler is known to share out its connections: a new one had the name already. */
const pooledAddresses = new Set<string>()

/**
 * Sends the context with the statements of one connection, local to their transaction, and keeps the replies to itself.
 * A context is sent only where it can't change what the statement does; the others go as they are and are reported.
 */
export class ContextCarrier {
  readonly #wire: Wire
  readonly #send: Sender
  readonly #onUnattributed: (keyword: string) => void
  readonly #address: string
  #status = 'I'
  /** The context that the open transaction has; undefined when something may have undone it. */
  #inForce: string | undefined = ''
  /** Whether this transaction ever got a context: without one there is nothing to take back. */
  #touched = false
  /** Whether the server has SET_CONTEXT by its name. `refused`: behind a pooler that shares out its connections it may be there or not. */
  #named: 'no' | 'yes' | 'refused' = 'no'
  #stage: Stage | undefined
  /** Gives true for a Query message that it keeps back, to send it itself. */
  #beforeFirstMessage: ((text: string | undefined, simple: boolean) => unknown) | undefined

  /** `address` tells which connections lead to the same server or pooler. */
  constructor(wire: Wire, onUnattributed: (keyword: string) => void, address: string) {
    this.#wire = wire
    this.#address = address
    this.#onUnattributed = onUnattributed
    this.#send = senderOf(wire)
    wire.parse = (message) => {
      this.#announce(message.text, false)
      this.#send.parse(message)
    }
    wire.bind = (message) => {
      this.#announce(undefined, false)
      this.#send.bind(message)
    }
    wire.query = (text) => {
      if (!this.#announce(text, true)) this.#send.query(text)
    }
    wire.emit = (event, ...args) => {
      const message = (args[0] ?? {}) as { readonly code?: string; readonly status?: string }
      if (event === 'readyForQuery') this.#noteStatus(message.status)
      return this.#stage?.(event, message) || this.#send.emit(event, ...args)
    }
  }

  /** Makes `query` take the context along, whenever the client comes to submit it. */
  carry(query: Submittable, context: string): void {
    const submit = query.submit.bind(query)
    query.submit = (connection) => {
      const { stream } = this.#wire
      // One write, and so one packet, for all messages of the batch.
      stream.cork?.()
      try {
        return query.requiresPreparation
          ? this.#submitQuery(query, context, () => submit(connection))
          : this.#submitForeign(query, context, () => submit(connection))
      } finally {
        this.#beforeFirstMessage = undefined
        stream.uncork?.()
      }
    }
  }

  #submitQuery(query: Submittable, context: string, submit: () => unknown): unknown {
    const text = query.text ?? this.#wire.parsedStatements[String(query.name)]
    if (typeof text !== 'string') return submit()
    const statements = readStatements(text)
    const route = this.#route(statements, context)
    if (statements.some((statement) => statement.forgetsSettings)) this.#inForce = undefined
    if (route === 'none') return submit()
    if (route === 'batch') {
      query.requiresPreparation = () => true
      const keyword = statements[0]?.keyword
      const mayCommit = this.#status === 'I' && (keyword === 'CALL' || keyword === 'DO')
      this.#beforeFirstMessage = () => {
        // Inside a transaction a name that is not there would be the end of it.
        if (this.#status === 'I' && !mayCommit && this.#maySendByName()) {
          this.#sendByName(context, () => {
            delete this.#wire.submittedNamedStatements?.[String(query.name)]
            submit()
          })
        } else this.#sendInBatch(context, mayCommit ? submit : undefined)
      }
      return submit()
    }
    if (route === 'ahead') this.#sendAhead(context, submit)
    else this.#sendAround(context, submit)
    return null
  }

  /** A cursor or a stream. */
  #submitForeign({ text }: Submittable, context: string, submit: () => unknown): unknown {
    const [first, ...others] = readStatements(typeof text === 'string' ? text : '')
    if (first?.keyword === 'COPY' && others.length === 0 && this.#wants(context)) {
      if (this.#status === 'T') this.#sendAhead(context, submit)
      else this.#sendAround(context, submit, 'when it is over')
      return null
    }
    // Not all say what they will send: it shows when they do.
    this.#beforeFirstMessage = (sent = '', simple) => this.#noteForeign(sent, simple, context)
    return submit()
  }

  /** Gives true for a Query message that it keeps back. */
  #noteForeign(text: string, simple: boolean, context: string): boolean {
    const statements = readStatements(text)
    const writing = statements.find((statement) => statement.kind !== 'control')
    const wanted = writing && this.#wants(context)
    if (statements.some((statement) => statement.forgetsSettings)) this.#inForce = undefined
    if (!wanted) return false
    const inTransaction = this.#status === 'T'
    if (simple && inTransaction) {
      this.#sendAhead(context, () => this.#send.query(text))
      return true
    }
    if (!simple && (inTransaction || (writing.kind === 'carries' && statements.length === 1)))
      this.#sendInBatch(context)
    else this.#onUnattributed(writing.keyword)
    return false
  }

  #announce(text: string | undefined, simple: boolean): boolean {
    const before = this.#beforeFirstMessage
    this.#beforeFirstMessage = undefined
    return before?.(text, simple) === true
  }

  #wants(context: string): boolean {
    if (this.#status === 'I') return context !== ''
    return this.#status === 'T' && context !== this.#inForce && (context !== '' || this.#touched)
  }

  #route(statements: readonly Statement[], context: string): Route {
    const writing = statements.find((statement) => statement.kind !== 'control')
    if (!writing || !this.#wants(context)) return 'none'
    const several = statements.length > 1
    const carries = several
      ? statements.some((statement) => statement.kind === 'carries') &&
        !statements.some((statement) => statement.shapesTransaction)
      : writing.kind === 'carries'
    if (carries) return several ? (this.#status === 'I' ? 'around' : 'ahead') : 'batch'
    // Once a transaction has had a context, one more statement ahead changes nothing for what follows.
    if (this.#touched) return 'ahead'
    if (context !== '') this.#onUnattributed(writing.keyword)
    return 'none'
  }

  #noteStatus(status: string | undefined): void {
    this.#status = status ?? 'I'
    if (this.#status === 'I') {
      this.#inForce = ''
      this.#touched = false
    }
  }

  #sendSetContext(context: string): void {
    this.#send.parse({ text: SET_CONTEXT })
    this.#send.bind({ values: [context] })
    this.#send.execute({})
  }

  #noteSent(context: string): void {
    this.#inForce = context
    this.#touched = true
  }

  /** `resubmit` is for a statement that may commit: inside a batch it can't, has then done nothing, and is sent again alone. */
  #sendInBatch(context: string, resubmit?: () => unknown): void {
    this.#sendSetContext(context)
    this.#stage = (event) => {
      if (event === 'errorMessage') this.#stage = undefined
      if (event === 'commandComplete') {
        this.#noteSent(context)
        this.#stage = resubmit && this.#resubmitting(resubmit)
      }
      return REPLIES_OF_A_STATEMENT.has(event)
    }
  }

  #maySendByName(): boolean {
    return this.#named !== 'refused' && !pooledAddresses.has(this.#address)
  }

  /** As in the batch, but the server parses and plans it once a connection: about 17 µs of its time. */
  #sendByName(context: string, resubmit: () => unknown): void {
    if (this.#named === 'no') this.#send.parse({ text: SET_CONTEXT, name: SET_CONTEXT_NAME })
    this.#send.bind({ values: [context], statement: SET_CONTEXT_NAME })
    this.#send.execute({})
    this.#stage = (event, { code }) => {
      if (event === 'errorMessage') {
        if (code === DUPLICATE_PREPARED_STATEMENT) pooledAddresses.add(this.#address)
        const refused = code === INVALID_SQL_STATEMENT_NAME || code === DUPLICATE_PREPARED_STATEMENT
        this.#stage = refused ? this.#sendingAgain(context, resubmit) : undefined
        return refused
      }
      if (event === 'commandComplete') {
        this.#named = 'yes'
        this.#noteSent(context)
        this.#stage = undefined
      }
      return REPLIES_OF_A_STATEMENT.has(event)
    }
  }

  /** The server has passed over the whole batch: nothing of it was done. */
  #sendingAgain(context: string, resubmit: () => unknown): Stage {
    this.#named = 'refused'
    return (event) => {
      if (event !== 'readyForQuery') return false
      this.#beforeFirstMessage = () => this.#sendInBatch(context)
      resubmit()
      return true
    }
  }

  #resubmitting(resubmit: () => unknown): Stage {
    let refused = false
    return (event, message) => {
      if (event === 'errorMessage' && message.code === INVALID_TRANSACTION_TERMINATION) {
        refused = true
        return true
      }
      if (event !== 'readyForQuery') return false
      this.#stage = undefined
      if (!refused) return false
      this.#onUnattributed('COMMIT')
      resubmit()
      return true
    }
  }

  #sendAhead(context: string, submit: () => unknown): void {
    this.#sendSetContext(context)
    this.#send.sync()
    this.#stage = this.#opening((failure) => {
      this.#stage = undefined
      const error = failure ?? submit()
      if (!error) {
        this.#noteSent(context)
        return true
      }
      this.#send.emit('errorMessage', error)
      return false
    })
  }

  /** A COPY takes what follows it for its data: its COMMIT must wait. */
  #sendAround(context: string, submit: () => unknown, commit: 'at once' | 'when it is over' = 'at once'): void {
    this.#send.parse({ text: 'begin' })
    this.#send.bind({})
    this.#send.execute({})
    this.#sendSetContext(context)
    this.#send.sync()
    this.#stage = this.#opening((failure) => {
      if (failure) {
        this.#send.emit('errorMessage', failure)
        this.#stage = this.#closing()
        this.#send.query('rollback')
        return true
      }
      this.#stage = (event) => {
        if (event !== 'readyForQuery') return false
        this.#stage = this.#closing()
        if (commit === 'when it is over') this.#send.query('commit')
        return true
      }
      submit()
      // After an error in between, COMMIT rolls back.
      if (commit === 'at once') this.#send.query('commit')
      return true
    })
  }

  /** Waits for a batch of our own; `then` gets its error and says whether the ReadyForQuery is taken. */
  #opening(then: (failure: unknown) => boolean): Stage {
    let failure: unknown
    return (event, message) => {
      if (event === 'errorMessage') {
        failure = message
        return true
      }
      return event === 'readyForQuery' ? then(failure) : REPLIES_OF_A_STATEMENT.has(event)
    }
  }

  #closing(): Stage {
    return (event) => {
      if (event === 'readyForQuery') this.#stage = undefined
      return REPLIES_OF_A_STATEMENT.has(event)
    }
  }
}
