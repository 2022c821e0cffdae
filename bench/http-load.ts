import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/**
 * Sends requests to a server over `connections` that are kept, each the next as soon as the last is answered, for `forMs`, and gives how
 * many were answered a second. `nextRequest` makes the bytes; an answer has a content-length.
 */
export async function load(
  port: number,
  { connections, forMs, nextRequest }: { connections: number; forMs: number; nextRequest: () => string },
): Promise<number> {
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(port, '127.0.0.1').setNoDelay(true)
      await once(socket, 'connect')
      return socket
    }),
  )
  const start = performance.now()
  const counts = await Promise.all(sockets.map((socket) => keepAsking(socket, start + forMs, nextRequest)))
  const seconds = (performance.now() - start) / 1000
  return counts.reduce((sum, count) => sum + count, 0) / seconds
}

function keepAsking(socket: Socket, until: number, nextRequest: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let answered = 0
    let received = ''
    socket.setEncoding('latin1').on('error', reject)
    socket.on('data', (data: string) => {
      received += data
      const head = received.indexOf('\r\n\r\n')
      if (head < 0) return
      if (!received.startsWith('HTTP/1.1 200'))
        return reject(new Error(`The server answered ${received.slice(0, 200)}`))
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1])
      if (received.length < head + 4 + length) return
      received = ''
      answered += 1
      if (performance.now() < until) socket.write(nextRequest())
      else {
        socket.destroy()
        resolve(answered)
      }
    })
    socket.write(nextRequest())
  })
}
