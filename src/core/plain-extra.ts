import { type MaskTree, memberMasks } from './mask-path.ts'
import { looksSecret } from './secret-name.ts'
import { storable } from './storable.ts'

/** A value may be nested so deep. */
const MAX_DEPTH = 64

const MASKED = { $daybook: 'masked' }
const UNREADABLE = { $daybook: 'unreadable' }

interface Walk {
  /** Characters that may still come. */
  left: number
  readonly above: Set<object>
}

/**
 * What an application adds to an entry, as JSON can hold it: masked where its keys look like a secret or a path says so, with what can't
 * be read (a getter that throws, a cycle) marked as such. It never throws. Undefined where the JSON would be longer than `maxLength`;
 * of such a value not much more than that is looked at.
 */
export function plainExtra(extra: unknown, masks: readonly MaskTree[], maxLength: number): object | undefined {
  const walk: Walk = { left: maxLength, above: new Set() }
  const plain = readPlain(() => extra, masks, walk) ?? null
  return walk.left >= 0 && JSON.stringify(plain).length <= maxLength ? (plain as object) : undefined
}

function readPlain(read: () => unknown, masks: readonly MaskTree[], walk: Walk): unknown {
  try {
    return plainValue(read(), masks, walk)
  } catch {
    return UNREADABLE
  }
}

function plainValue(value: unknown, masks: readonly MaskTree[], walk: Walk): unknown {
  if (typeof value === 'string') {
    walk.left -= value.length
    return storable(value)
  }
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return plainContainer(toJSON.call(value, ''), masks, walk)
  return plainContainer(value, masks, walk)
}

function plainContainer(value: unknown, masks: readonly MaskTree[], walk: Walk): unknown {
  if (typeof value !== 'object' || value === null) return plainValue(value, masks, walk)
  if (walk.above.has(value) || walk.above.size === MAX_DEPTH) return UNREADABLE
  walk.above.add(value)
  try {
    return Array.isArray(value) ? plainList(value, masks, walk) : plainObject(value, masks, walk)
  } finally {
    walk.above.delete(value)
  }
}

function plainList(list: readonly unknown[], masks: readonly MaskTree[], walk: Walk): unknown[] {
  const plain: unknown[] = []
  for (let place = 0; place < list.length && walk.left >= 0; place += 1) {
    walk.left -= 1
    plain.push(readPlain(() => list[place], masks, walk))
  }
  return plain
}

function plainObject(object: object, masks: readonly MaskTree[], walk: Walk): object {
  const plain: [string, unknown][] = []
  for (const key of Object.keys(object)) {
    if (walk.left < 0) break
    walk.left -= key.length + 1
    const read = () => (object as Record<string, unknown>)[key]
    const own = memberMasks(masks, key)
    const isMasked = own.some(({ masked }) => masked) || (looksSecret(key) && !own.some(({ shown }) => shown))
    plain.push([storable(key), isMasked ? maskedMember(read) : readPlain(read, own, walk)])
  }
  return Object.fromEntries(plain)
}

function maskedMember(read: () => unknown): unknown {
  try {
    return read() == null ? null : MASKED
  } catch {
    return UNREADABLE
  }
}
