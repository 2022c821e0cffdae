import { isIP, type NetConnectOpts, connect as netConnect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls'
import { runWithoutContext } from '../core/context.ts'
import { MessageCarrier } from './message-carrier.ts'
import type { Seals } from './seals.ts'

/** What is used of the options that postgres.js has worked out. */
export interface SocketOptions {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path?: string | false | undefined
  readonly keep_alive?: number | null
  readonly ssl?: unknown
  readonly sslnegotiation?: string | null
  /** The application's own way to a stream. */
  readonly socket?: ((options: unknown) => Duplex | Promise<Duplex>) | undefined
}

/** Length 8, and the code of the request. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const YES = 'S'.charCodeAt(0)

/** Whose next host it is, as the driver counts it for each of its connections. */
const turns = new WeakMap<object, number>()

/**
 * The socket under a connection of postgres.js, on which the context travels. It opens when it is first written to. As a socket of its own
 * would, it goes to the hosts in turn, and asks for TLS: what is encrypted above could not be read here.
 */
export class CarryingSocket extends Duplex {
  host: string | undefined
  port: number | undefined
  readonly #options: SocketOptions
  readonly #carrier: MessageCarrier
  #opening: Duplex | undefined
  #stream: Duplex | undefined
  #ended = false

  constructor(options: SocketOptions, seals: Seals, onUnattributed: (keyword: string) => void) {
    super({ allowHalfOpen: false, emitClose: false })
    this.#options = options
    this.#carrier = new MessageCarrier(seals, {
      onUnattributed,
      toServer: (bytes) => this.#stream?.write(bytes),
      toClient: (bytes) => {
        if (!this.push(bytes)) this.#stream?.pause()
      },
    })
  }

  get readyState(): 'opening' | 'open' | 'closed' {
    if (this.destroyed) return 'closed'
    return this.#stream ? 'open' : 'opening'
  }

  /** What a connection sets off by itself is in nobody's context. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    return runWithoutContext(() => super.emit(event as string, ...args))
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#stream) this.#pass(this.#stream, chunk, done)
    else {
      runWithoutContext(() => this.#open()).then(
        (stream) => this.#pass(stream, chunk, done),
        (error) => this.destroy(error),
      )
    }
  }

  override _read(): void {
    this.#stream?.resume()
  }

  override _final(done: () => void): void {
    this.#stream?.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#opening?.destroy()
    this.#stream?.destroy()
    done(error)
    // As a socket tells it: whether it was for an error.
    setImmediate(() => this.emit('close', error !== null))
  }

  #pass(stream: Duplex, chunk: Buffer, done: (error?: Error | null) => void): void {
    try {
      this.#carrier.fromClient(chunk)
    } catch (error) {
      this.destroy(error as Error)
      return
    }
    if (stream.writableNeedDrain) stream.once('drain', done)
    else done()
  }

  async #open(): Promise<Duplex> {
    const raw = await this.#reach()
    const stream = this.#options.ssl ? await this.#secure(raw) : raw
    if (this.destroyed) stream.destroy()
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.#carrier.fromServer(chunk))
    stream.on('error', (error) => this.destroy(error))
    stream.on('end', () => {
      this.#ended = true
      this.push(null)
    })
    stream.on('close', () => {
      if (!this.#ended) this.destroy()
    })
    return stream
  }

  async #reach(): Promise<Duplex> {
    const { socket, path, keep_alive: keepAliveSeconds } = this.#options
    if (socket) {
      this.#opening = await socket(this.#options)
      return this.#opening
    }
    const opening = netConnect(path ? { path } : this.#nextHost())
    this.#opening = opening
    await arrival(opening, 'connect')
    if (keepAliveSeconds) opening.setKeepAlive(true, 1000 * keepAliveSeconds)
    return opening
  }

  #nextHost(): NetConnectOpts {
    const { host, port } = this.#options
    // Nothing else tells which connection it is that asks.
    const asker = this.listeners('error')[0] ?? this
    const turn = turns.get(asker) ?? 0
    turns.set(asker, (turn + 1) % port.length)
    this.host = host[turn]
    this.port = port[turn]
    return { host: this.host, port: this.port } as NetConnectOpts
  }

  async #secure(raw: Duplex): Promise<Duplex> {
    const { ssl, sslnegotiation } = this.#options
    const direct = sslnegotiation === 'direct'
    if (!direct) {
      raw.write(SSL_REQUEST)
      const answer = await arrival<Buffer>(raw, 'data')
      if (answer[0] !== YES && ssl === 'prefer') return raw
    }
    const unchecked = ssl === 'require' || ssl === 'allow' || ssl === 'prefer'
    const secure = tlsConnect({
      socket: raw as Socket,
      ...(this.host !== undefined && !isIP(this.host) && { servername: this.host }),
      ...(direct && { ALPNProtocols: ['postgresql'] }),
      ...(unchecked ? { rejectUnauthorized: false } : typeof ssl === 'object' && (ssl as ConnectionOptions)),
    })
    this.#opening = secure
    await arrival(secure, 'secureConnect')
    return secure
  }
}

/** Fails without an error where the stream closes first. */
function arrival<T>(stream: Duplex, event: string): Promise<T> {
  return new Promise((done, fail) => {
    stream.once(event, done)
    stream.once('error', fail)
    stream.once('close', () => fail())
  })
}
