import { AsyncResource } from 'node:async_hooks'
import { DaybookError } from '../core/errors.ts'

/** What is used of Prisma's client: where it gathers what is asked for, to send it together. */
interface Loader {
  request(asked: object): unknown
  readonly options: {
    singleLoader(asked: object): Promise<unknown>
    batchLoader(asked: readonly object[]): Promise<unknown>
  }
}

const bound = new WeakSet<Loader>()

/**
 * Makes a client of Prisma send each statement in the async context of who asked for it, and gives it back. Without it, whatever several
 * requests ask for in the same turn of the event loop, in their transactions too, is sent in the context of the first.
 *
 * Clients that `$extends` makes of it are bound with it.
 *
 * @throws DaybookError `invalid_option` where it is no client of Prisma 7, whose insides this depends on.
 */
export function bindPrisma<Client extends object>(client: Client): Client {
  const loader = loaderOf(client)
  if (bound.has(loader)) return client
  bound.add(loader)
  const askers = new WeakMap<object, AsyncResource>()
  const inContextOf = <T>(asked: object | undefined, work: () => T): T => {
    const asker = asked && askers.get(asked)
    return asker ? asker.runInAsyncScope(work) : work()
  }
  const request = loader.request.bind(loader)
  loader.request = (asked) => {
    askers.set(asked, new AsyncResource('daybook'))
    return request(asked)
  }
  const { singleLoader, batchLoader } = loader.options
  loader.options.singleLoader = (asked) => inContextOf(asked, () => singleLoader(asked))
  // The statements of one transaction, or reads that become one: the first stands for all.
  loader.options.batchLoader = (asked) => inContextOf(asked[0], () => batchLoader(asked))
  return client
}

function loaderOf(client: object): Loader {
  const handler = (client as { _requestHandler?: { dataloader?: Partial<Loader> } })._requestHandler
  const { request, options } = handler?.dataloader ?? {}
  if ([request, options?.singleLoader, options?.batchLoader].every((part) => typeof part === 'function')) {
    return handler?.dataloader as Loader
  }
  throw new DaybookError(
    'invalid_option',
    'bindPrisma: this is no client of Prisma 7 that it knows, so its statements could be credited to others. Pass what `new PrismaClient({ adapter })` gives.',
  )
}
