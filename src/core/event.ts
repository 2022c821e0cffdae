/** What became of what was tried. */
export const OUTCOMES = ['success', 'failure', 'denied'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** The actions that only the capture may write; `record()` and its SQL function refuse them. */
export const CAPTURED_ACTIONS = ['create', 'update', 'delete', 'truncate', 'purge'] as const

/** The actions that Daybook knows by name; any other is the application's own, such as `invoice.approved`. */
export const KNOWN_ACTIONS = [
  ...CAPTURED_ACTIONS,
  'login',
  'logout',
  'password_changed',
  'permission_granted',
  'permission_revoked',
  'export',
  'view',
] as const

/** An object that an event is about. */
export interface ObjectReference {
  readonly model: string
  readonly id?: string
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
