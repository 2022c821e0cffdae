import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OpenContext } from '../core/context.ts'
import type { OpenRequestContext, RequestContext } from './request-context.ts'

/** What is answered on: Node's response, of HTTP/1 or of HTTP/2 as it is compatible. */
export type NodeResponse = Pick<
  ServerResponse,
  'headersSent' | 'hasHeader' | 'setHeader' | 'writableEnded' | 'once' | 'emit'
>

const contexts = new WeakMap<object, OpenContext>()

/**
 * Runs `work` in the context that was opened for a request. For what may come back from a driver whose queue calls one request's callback
 * in the async context of another.
 */
export function runInRequest<T>(incoming: object, work: () => T): T {
  const context = contexts.get(incoming)
  return context ? context.run(work) : work()
}

/**
 * Opens the context of a request that Node's HTTP server gave. It lasts until the response is done. Where the client goes away before
 * that, the handler that still runs keeps it: nobody gets rid of their name by hanging up.
 */
export function openNodeRequest<Request>(
  open: OpenRequestContext<Request>,
  request: Request,
  incoming: IncomingMessage,
  outgoing: NodeResponse,
  target = incoming.url ?? '',
): RequestContext {
  const { headers, method = 'GET' } = incoming
  const context = open(request, {
    method,
    target,
    socketAddress: incoming.socket.remoteAddress,
    header: (name) => headers[name],
  })
  contexts.set(incoming, context)
  const { requestId, requestIdHeader: name } = context
  outgoing.once('close', () => {
    if (outgoing.writableEnded) context.end()
  })
  if (name !== undefined && !outgoing.headersSent && !outgoing.hasHeader(name)) outgoing.setHeader(name, requestId)
  runListenersIn(context, incoming)
  runListenersIn(context, outgoing)
  return context
}

/** A body comes, and a slow reader makes room, in the async context of the socket: parsers and handlers that listen would lose theirs. */
function runListenersIn(context: OpenContext, emitter: Pick<EventEmitter, 'emit'>): void {
  const emit = emitter.emit
  emitter.emit = (...args) => context.run(() => emit.apply(emitter, args))
}
