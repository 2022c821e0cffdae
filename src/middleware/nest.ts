import { actorContext, addToContext } from '../core/context.ts'
import { DaybookError } from '../core/errors.ts'
import type { Identified } from './request-context.ts'

/** What is used of an execution context of NestJS. */
interface Execution {
  getType(): string
  switchToHttp(): { getRequest<Request>(): Request }
}

/** An interceptor for `useGlobalInterceptors` and `@UseInterceptors`. */
export interface NestInterceptor {
  intercept<Result>(execution: Execution, next: { handle(): Result }): Promise<Result>
}

/**
 * A NestJS interceptor that names the actor when the guards have done their work: `request.user` is there then, and not yet in middleware.
 * What is not HTTP goes through untouched. The context is opened by the middleware of the platform, `expressContext` or `fastifyContext`;
 * where that is missing, requests fail and say so.
 * @example
 * app.useGlobalInterceptors(nestActor((request) => request.user))
 */
export function nestActor<Request = unknown>(actor: (request: Request) => Identified): NestInterceptor {
  return {
    async intercept(execution, next) {
      if (execution.getType() === 'http') {
        const person = await actor(execution.switchToHttp().getRequest<Request>())
        if (person && !addToContext(actorContext(person))) {
          throw new DaybookError(
            'invalid_option',
            'nestActor: this request has no context. Call app.use(expressContext(daybook)), or on Fastify app.register(fastifyContext(daybook)), before the application listens.',
          )
        }
      }
      return next.handle()
    },
  }
}
