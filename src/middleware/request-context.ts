import { type ClientAddressOptions, createClientAddress } from '../core/client-address.ts'
import { actorContext, type OpenContext, type RequestActor } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import { requestId } from '../core/request-id.ts'
import type { Daybook } from '../daybook.ts'

type Awaitable<T> = T | Promise<T>

/** The application's answer to who makes a request; nothing for somebody who is not known. */
export type Identified = Awaitable<RequestActor | undefined | null>

/** What the middleware of every framework takes; `Request` is the framework's own. */
export interface RequestContextOptions<Request> extends ClientAddressOptions {
  /** The header in which something in front of the application sends the request's id. Default: none, so that each request is given a new id. */
  readonly requestIdHeader?: string
  /** The header of the response that tells the request's id, or `false` for none. Default `x-request-id`. */
  readonly requestIdResponseHeader?: string | false
  /** Who makes the request. Without an answer the actor is anonymous until `daybook.setActor()` names one. */
  readonly actor?: (request: Request) => Identified
  /** Whose data the request is about. */
  readonly tenantId?: (request: Request) => Awaitable<string | undefined | null>
}

/** What a request tells of itself. */
export interface RequestOrigin {
  readonly method: string
  /** Path or address; the query string is left out of the route. */
  readonly target: string
  readonly socketAddress: string | undefined
  /** What stands under a header's name in lower case. */
  readonly header: (name: string) => string | readonly string[] | undefined
}

/** The context of one request. */
export interface RequestContext extends OpenContext {
  readonly requestId: string
  /** The header of the response that tells the id, in lower case; undefined for none. */
  readonly requestIdHeader: string | undefined
  /** Names the route by its pattern, once it is known. */
  setRoute(pattern: string): void
  /**
   * Asks the application who it is, inside the context, and goes on there; or tells `fail` the application's own error: then the request
   * must fail. Where the application answers at once, so does this: each promise costs while a context is open.
   */
  identify(goOn: () => void, fail: (error: unknown) => void): void
  /** The same for who can wait. */
  identified(): Promise<void>
}

export type OpenRequestContext<Request> = (request: Request, origin: RequestOrigin) => RequestContext

/**
 * The one way in which every framework's middleware opens the context of a request: client address, user agent, request id, and the path
 * as the route until its pattern is known.
 * @throws DaybookError `invalid_option`; the message begins with `caller`.
 */
export function createRequestContext<Request>(
  caller: string,
  daybook: Pick<Daybook, 'openContext'>,
  options: RequestContextOptions<Request>,
): OpenRequestContext<Request> {
  const { actor, tenantId, requestIdResponseHeader = 'x-request-id' } = options
  const clientAddress = createClientAddress(options)
  const incomingId = headerName(caller, 'requestIdHeader', options.requestIdHeader)
  const outgoingId = headerName(caller, 'requestIdResponseHeader', requestIdResponseHeader)

  return (request, { method, target, socketAddress, header }) => {
    const id = requestId(incomingId && header(incomingId))
    const ipAddress = clientAddress({ socketAddress, header })
    const userAgent = header('user-agent')
    const context = daybook.openContext({
      actor: { type: 'anonymous' },
      requestId: id,
      route: `${method} ${pathOf(target)}`,
      ...(ipAddress !== undefined && { ipAddress }),
      ...(typeof userAgent === 'string' && { userAgent }),
    })
    function identify(goOn: () => void, fail: (error: unknown) => void): void {
      context.run(() => {
        let answers: [Identified, Awaitable<string | undefined | null>]
        try {
          answers = [actor?.(request), tenantId?.(request)]
        } catch (error) {
          return fail(error)
        }
        const know = ([person, tenant]: [RequestActor | undefined | null, string | undefined | null]) => {
          if (person) context.add(actorContext(person))
          if (tenant) context.add({ tenantId: tenant })
          goOn()
        }
        const [person, tenant] = answers
        if (isPromise(person) || isPromise(tenant)) Promise.all(answers).then(know, fail)
        else know([person, tenant])
      })
    }
    return {
      ...context,
      requestId: id,
      requestIdHeader: outgoingId,
      setRoute: (pattern) => context.add({ route: `${method} ${pattern.replace(/(?<=.)\/$/, '')}` }),
      identify,
      identified: () => new Promise((resolve, reject) => identify(resolve, reject)),
    }
  }
}

function isPromise<T>(answer: Awaitable<T>): answer is Promise<T> {
  return typeof (answer as Partial<Promise<T>> | null | undefined)?.then === 'function'
}

function headerName(caller: string, option: string, name: string | false | undefined): string | undefined {
  if (name === undefined || name === false) return undefined
  if (typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) return name.toLowerCase()
  throw new DaybookError('invalid_option', `${caller}: ${option} must be the name of a header, such as "x-request-id".`)
}

/** A target's path: without the query, and without server and password where a client sends the whole address. */
function pathOf(target: string): string {
  return target.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '') || '/'
}
