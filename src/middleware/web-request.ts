import type { OpenContext } from '../core/context.ts'
import type { RequestContext } from './request-context.ts'

/**
 * Answers a web request inside its context, which ends when the answer has been read to its end. Where a client goes away before that,
 * what still writes keeps it.
 */
export function answerInContext(context: RequestContext, work: () => Response | Promise<Response>): Promise<Response> {
  return context.run(async () => {
    try {
      await context.identified()
      return finishing(context, await work())
    } catch (error) {
      context.end()
      throw error
    }
  })
}

/** The answer with the request's id, read from inside the context: so what makes a body while it is read writes in it. */
function finishing({ requestId, requestIdHeader: name, end }: RequestContext, response: Response): Response {
  if (!response.body) end()
  // An error and a switch of protocols can't be made anew.
  if (response.type === 'error' || response.status < 200) return response
  const body = response.body?.pipeThrough(new TransformStream({ flush: end })) ?? null
  const answer = new Response(body, response)
  if (name !== undefined && !answer.headers.has(name)) answer.headers.set(name, requestId)
  return answer
}

/** Makes what a web stream does when it is read, as a server does it once the handler is through, run in the context. */
export function readInContext(context: OpenContext, stream: ReadableStream): void {
  if (stream.locked) return
  const getReader = stream.getReader.bind(stream) as (options?: never) => ReadableStreamDefaultReader
  const iterate = stream[Symbol.asyncIterator].bind(stream)
  const inContext = <Reading extends object, Method extends keyof Reading>(
    reading: Reading,
    method: Method,
  ): Reading => {
    const read = reading[method] as (...args: unknown[]) => unknown
    return Object.assign(reading, { [method]: (...args: unknown[]) => context.run(() => read.apply(reading, args)) })
  }
  Object.assign(stream, {
    getReader: (options?: never) => inContext(getReader(options), 'read'),
    [Symbol.asyncIterator]: (options?: ReadableStreamIteratorOptions) => inContext(iterate(options), 'next'),
  })
}
