import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'

// One for every copy of the package in the process: a bundler may make a copy for each route.
const PEER = Symbol.for('daybook.peer')
const shared = globalThis as { [PEER]?: AsyncLocalStorage<string | undefined> }

/**
 * Tells the address at the other end of the request that is being answered, for frameworks that hide it: from the first request on that
 * comes to one of Node's HTTP servers after the first call of this, and undefined ahead of it and elsewhere.
 */
export function nodePeer(): () => string | undefined {
  shared[PEER] ??= followRequests()
  const peer = shared[PEER]
  return () => peer.getStore()
}

function followRequests(): AsyncLocalStorage<string | undefined> {
  const peer = new AsyncLocalStorage<string | undefined>()
  // Node publishes each request in the async context in which it then hands it to the application.
  subscribe('http.server.request.start', (message) => {
    peer.enterWith((message as { readonly request: IncomingMessage }).request.socket.remoteAddress)
  })
  return peer
}
