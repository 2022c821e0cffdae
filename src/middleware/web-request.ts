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
