import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An application that listens on a port of its own. */
export interface WebServer {
  readonly url: string
  close(): Promise<void>
}

export async function serve(application: RequestListener): Promise<WebServer> {
  const server = createServer(application)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
