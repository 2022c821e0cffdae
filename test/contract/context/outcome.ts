import { EventEmitter } from 'node:events'

/** What differs between two runs of the same work on one database. */
const VOLATILE = new Set(['stack', '_types', '__dirname', 'timestamp', 'clientVersion'])

/** What became of a piece of work: what it gave or threw, with all its properties and the names of its classes, for a deep comparison. */
export async function outcomeOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return { gave: portray(await work(), new Map()) }
  } catch (error) {
    return { threw: portray(error, new Map()) }
  }
}

function portray(value: unknown, seen: Map<object, number>): unknown {
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value !== 'object' || value === null) return value
  const before = seen.get(value)
  if (before !== undefined) return `the same as ${before}`
  seen.set(value, seen.size)
  const type = Object.getPrototypeOf(value)?.constructor?.name
  if (value instanceof EventEmitter) return type
  if (value instanceof Date || ArrayBuffer.isView(value)) return { type, value: JSON.stringify(value) }
  if (value instanceof Map || value instanceof Set)
    return { type, members: [...value].map((each) => portray(each, seen)) }
  if (Array.isArray(value)) return value.map((each) => portray(each, seen))
  const names = Object.getOwnPropertyNames(value).filter((name) => !VOLATILE.has(name))
  return {
    type,
    ...Object.fromEntries(names.map((name) => [name, portray((value as Record<string, unknown>)[name], seen)])),
  }
}
