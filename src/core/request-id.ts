import { randomBytes } from 'node:crypto'
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

/** RFC 9562, section 5.7: milliseconds, then chance. Ids that grow go to one end of an index. */
function newId(): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
