import { z } from 'zod'
import { cutText } from './context.ts'
import { DaybookError } from './errors.ts'

/** What became of what was tried. */
export const OUTCOMES = ['success', 'failure', 'denied'] as const
export type Outcome = (typeof OUTCOMES)[number]

/**
 * The actions that only the capture may write; `record()` and its SQL function refuse them, and whatever else begins with `capture.`:
 * those say what is tracked.
 */
export const CAPTURED_ACTIONS = [
  ...(['create', 'update', 'delete', 'truncate', 'purge', 'linked', 'unlinked', 'baseline'] as const),
  ...(['capture.tracked', 'capture.changed', 'capture.untracked', 'capture.paused', 'capture.resumed'] as const),
] as const

/** The actions that Daybook knows by name; any other is the application's own, such as `invoice.approved`. */
export const KNOWN_ACTIONS = [
  ...CAPTURED_ACTIONS,
  'login',
  'logout',
  'password_changed',
  'impersonation_started',
  'impersonation_ended',
  'user.banned',
  'user.unbanned',
  'permission_granted',
  'permission_revoked',
  'export',
  'view',
] as const

/** An object that an event is about. */
export interface ObjectReference {
  readonly model: string
  readonly id?: string
  /** How people call it; cut to 256 characters. */
  readonly label?: string
}

/** An event of the application's own, for `record()`. */
export interface AuditEvent {
  /** Lower-case words joined by `.` or `_`, such as `invoice.approved`; 64 characters at most. */
  readonly action: string
  /** Default `success`. */
  readonly outcome?: Outcome
  /** What it was done to. */
  readonly object?: ObjectReference
  /** The other object where the event joins two, such as the role that was granted. */
  readonly related?: ObjectReference
  /** Field → `[old, new]`, as the capture records it. */
  readonly changes?: Readonly<Record<string, readonly [unknown, unknown]>>
  /** Adds to `extra` of the current context, for this entry alone. */
  readonly extra?: Readonly<Record<string, unknown>>
}

const MAX_ACTION_LENGTH = 64
const ACTION = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/
const MAX_NAME_LENGTH = 256
const MAX_KEY_LENGTH = 2048

const text = (max: number) => z.string().min(1).max(max)

const objectReference = z.strictObject({
  model: text(MAX_NAME_LENGTH),
  id: text(MAX_KEY_LENGTH)
    .transform((id) => cutText(id, MAX_KEY_LENGTH))
    .optional(),
  // Cut and not refused: a label may be what a stranger typed, and the entry must be written all the same.
  label: z
    .string()
    .min(1)
    .transform((label) => cutText(label, MAX_NAME_LENGTH))
    .optional(),
})

const auditEvent = z.strictObject({
  action: text(MAX_ACTION_LENGTH)
    .regex(ACTION, 'must be lower-case words joined by "." or "_", such as invoice.approved')
    .refine(
      (action) => !(CAPTURED_ACTIONS as readonly string[]).includes(action) && !/^capture(\.|$)/.test(action),
      'is written by the capture alone; name what the application did, such as invoice.approved',
    ),
  outcome: z.enum(OUTCOMES).default('success'),
  object: objectReference.optional(),
  related: objectReference.optional(),
  changes: z.record(z.string(), z.tuple([z.unknown(), z.unknown()])).optional(),
  // Taken as it is: a member that can't be read must not keep the entry from being written.
  extra: z.custom<Readonly<Record<string, unknown>>>(isObject, 'expected an object').optional(),
})

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An event as it was checked: the outcome is filled in. */
export type CheckedEvent = z.output<typeof auditEvent>

/**
 * Checks an event of the application's own.
 * @throws DaybookError `invalid_event`, naming the part and what it must be; never the value.
 */
export function checkEvent(event: unknown): CheckedEvent {
  const checked = auditEvent.safeParse(event)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const part = issue?.path.join('.') || 'event'
  throw new DaybookError('invalid_event', `The event was not recorded: ${part}: ${issue?.message ?? 'is malformed'}.`, {
    details: { part },
  })
}
