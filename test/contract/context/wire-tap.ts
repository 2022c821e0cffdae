import { connect, createServer, type Socket } from 'node:net'

/** Stands between an application and its server, and counts what the application asks. */
export interface WireTap {
  /** The server's URL with the tap in the place of the server. */
  readonly url: string
  /**
   * How many messages that are answered by ReadyForQuery went to the server since this was last asked: so many round trips there were.
   * The answers are not counted, for who closes a connection after an error may not stay for the last one.
   */
  takeRoundTrips(): number
  close(): Promise<void>
}

/** Query and Sync. */
const ENDS_ROUND_TRIP = new Set([...'QS'].map((type) => type.charCodeAt(0)))

/** Of the first message of a connection, which has no type. */
const STARTUP = 0

/** `socket` is the path at which the server listens, where that is not the port of its URL. */
export async function tap(serverUrl: string, socket?: string): Promise<WireTap> {
  const server = new URL(serverUrl)
  let roundTrips = 0
  const sockets = new Set<Socket>()
  const door = createServer((client) => {
    const upstream = socket ? connect(socket) : connect(Number(server.port), server.hostname)
    client.on(
      'data',
      countRoundTrips(() => {
        roundTrips += 1
      }),
    )
    client.pipe(upstream).pipe(client)
    for (const end of [client, upstream]) {
      sockets.add(end)
      end.on('error', () => {}).on('close', () => sockets.delete(end))
    }
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  await new Promise<void>((done, fail) => door.once('error', fail).listen(0, '127.0.0.1', done))
  const url = new URL(serverUrl)
  const address = door.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  url.port = String(address.port)
  return {
    url: url.href,
    takeRoundTrips() {
      const taken = roundTrips
      roundTrips = 0
      return taken
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => door.close(done))
    },
  }
}

/**
 * Takes what a client sends as it comes, and tells of each message that is answered by ReadyForQuery. A message has a byte for its type, but
 * for the first one, and four for its length.
 */
export function countRoundTrips(onRoundTrip: () => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.from([STARTUP])
  return (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 5) {
      const length = 1 + pending.readInt32BE(1)
      if (pending.length < length) return
      if (ENDS_ROUND_TRIP.has(pending[0] as number)) onRoundTrip()
      pending = pending.subarray(length)
    }
  }
}
