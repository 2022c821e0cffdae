import { randomUUID } from 'node:crypto'
import { CONTEXT_LIMITS } from './context.ts'

const USABLE = new RegExp(`^[A-Za-z0-9._:/+=@-]{1,${CONTEXT_LIMITS.requestId}}$`)

/**
 * The id by which a request is found in the log: the one that came if it is usable (letters, digits and `._:/+=@-`, at most
 * 128 of them), else a new UUIDv7, whose order is that of time. Give it a header only where something in front of the
 * application sets it.
 */
export function requestId(header?: string | readonly string[]): string {
  return typeof header === 'string' && USABLE.test(header) ? header : newId()
}

/**
 * RFC 9562, section 5.7: milliseconds, then chance. Ids that grow go to one end of an index. The chance is that of a UUIDv4, which Node
 * draws ahead for many at once: bytes of one's own would cost more than all the rest of a request's context.
 */
function newId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
