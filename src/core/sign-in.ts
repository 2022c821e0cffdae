import { type Actor, CONTEXT_LIMITS, cutText } from './context.ts'
import type { AuditEvent, ObjectReference } from './event.ts'

/** A sign-in that was refused. */
export interface LoginFailure {
  /** The name that was tried, as a stranger typed it: cut to 256 characters. */
  readonly name: string
  /** The id of the account where the name is one's: the entry then stands in its timeline. */
  readonly id?: string | undefined
  /** Why, as a code such as `locked`; cut to 1,024 characters. */
  readonly reason?: string | undefined
}

/** A person as an entry can hold them: ids that are numbers become text, what is no name is left out, and nothing else is taken along. */
export function personOf({ type, id, label }: Actor): Actor {
  const ownId = nameText(id, CONTEXT_LIMITS.actorId)
  const ownLabel = nameText(label, CONTEXT_LIMITS.label)
  return { ...(type && { type }), ...(ownId && { id: ownId }), ...(ownLabel && { label: ownLabel }) }
}

/** A person as the object of an entry. */
export function personAsObject(model: string, person: Actor): ObjectReference {
  const { id, label } = personOf(person)
  return { model, ...(id && { id }), ...(label && { label }) }
}

/** The event of a sign-in that was refused. What came with it beside name, id and reason is not looked at. */
export function loginFailure(model: string, { name, id, reason }: LoginFailure): AuditEvent {
  const why = nameText(reason, CONTEXT_LIMITS.reason)
  const object = personAsObject(model, { ...(id !== undefined && { id }), label: name })
  return { action: 'login', outcome: 'failure', object, ...(why && { extra: { reason: why } }) }
}

/** A name of any origin: what arrives as a list or an object is none. */
function nameText(value: unknown, limit: number): string | undefined {
  if (typeof value === 'string') return cutText(value.slice(0, limit + 1), limit)
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined
}
