import { readStatements, type Statement } from '../core/statement.ts'
import { type Sender, type Submittable, senderOf, type Wire } from './context-carrier.ts'
import { SET_CONTEXT } from './set-context.ts'

/** Takes a reply for itself by returning true; otherwise it goes on to the client. */
type Batch = (event: string | symbol) => boolean

/** `batch`: in one batch with the statement. `ahead`: in a batch of its own before it, of use only inside a transaction. */
type Route = 'none' | 'batch' | 'ahead'

const MAY_COMMIT = new Set(['CALL', 'DO'])

/**
 * Carries the context on a connection that sends statements before those ahead of them are answered, as `pg` does with `pipeline: true`.
 * Nobody knows there whether a statement will meet an open transaction, so the context goes with each of them.
 */
export class PipelinedCarrier {
  readonly #wire: Wire
  readonly #send: Sender
  readonly #onUnattributed: (keyword: string) => void
  /** What is on its way, in its order: each ends with a ReadyForQuery. */
  readonly #batches: Batch[] = []
  #status = 'I'
  /** Whether a transaction may be open that has a context. */
  #touched = false
  #beforeFirstMessage: (() => void) | undefined

  constructor(wire: Wire, onUnattributed: (keyword: string) => void) {
    this.#wire = wire
    this.#onUnattributed = onUnattributed
    this.#send = senderOf(wire)
    wire.parse = (message) => {
      this.#announce()
      this.#send.parse(message)
    }
    wire.bind = (message) => {
      this.#announce()
      this.#send.bind(message)
    }
    wire.query = (text) => {
      this.#announce()
      this.#send.query(text)
    }
    wire.emit = (event, ...args) => {
      const batch = this.#batches[0]
      if (event === 'readyForQuery') this.#noteReady((args[0] as { readonly status?: string } | undefined)?.status)
      return batch?.(event) || this.#send.emit(event, ...args)
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
        this.#prepare(query, context)
        return submit(connection)
      } finally {
        this.#beforeFirstMessage = undefined
        stream.uncork?.()
      }
    }
  }

  #prepare(query: Submittable, context: string): void {
    const name = String(query.name)
    const text = query.text ?? this.#wire.parsedStatements[name] ?? this.#wire.submittedNamedStatements?.[name]
    const statements = readStatements(typeof text === 'string' ? text : '')
    const route = this.#route(statements, context)
    if (route === 'batch') query.requiresPreparation = () => true
    // Only now is it sure that something is sent.
    this.#beforeFirstMessage = () => {
      if (context !== '' && route !== 'none') this.#touched = true
      if (route === 'ahead') this.#sendAhead(context, statements)
      this.#batches.push(route === 'batch' ? this.#sendInBatch(context) : () => false)
    }
  }

  #route(statements: readonly Statement[], context: string): Route {
    const [first, ...others] = statements
    const writing = statements.find((statement) => statement.kind !== 'control')
    if (!writing || (context === '' && !this.#touched)) return 'none'
    if (first?.kind === 'carries' && others.length === 0 && !MAY_COMMIT.has(first.keyword)) return 'batch'
    // Ahead of SET TRANSACTION nothing may go, unless something has gone already.
    if (this.#touched || !statements.some((statement) => statement.shapesTransaction)) return 'ahead'
    this.#onUnattributed(writing.keyword)
    return 'none'
  }

  #announce(): void {
    const before = this.#beforeFirstMessage
    this.#beforeFirstMessage = undefined
    before?.()
  }

  #noteReady(status = 'I'): void {
    this.#status = status
    this.#batches.shift()
    if (status === 'I' && this.#batches.length === 0) this.#touched = false
  }

  #sendSetContext(context: string): void {
    this.#send.parse({ text: SET_CONTEXT })
    this.#send.bind({ values: [context] })
    this.#send.execute({})
  }

  #sendInBatch(context: string): Batch {
    this.#sendSetContext(context)
    let own = true
    return (event) => {
      const taken = own && (event === 'parseComplete' || event === 'bindComplete' || event === 'commandComplete')
      // An error is the statement's too: in a failed transaction both have the same.
      if (event === 'commandComplete' || event === 'errorMessage') own = false
      return taken
    }
  }

  #sendAhead(context: string, statements: readonly Statement[]): void {
    this.#sendSetContext(context)
    this.#send.sync()
    this.#batches.push((event) => {
      const ready = event === 'readyForQuery'
      if (ready && this.#status === 'I' && context !== '') {
        this.#onUnattributed(statements.find((statement) => statement.kind !== 'control')?.keyword ?? '')
      }
      // Where it fails, the transaction has failed, and so will the statement.
      return ready || ['parseComplete', 'bindComplete', 'commandComplete', 'errorMessage'].includes(String(event))
    })
  }
}
