import { DaybookError, type DaybookErrorCode, isDaybookError } from '../../core/errors.ts'

/** The SQLSTATEs that Daybook's own functions raise, and those of PostgreSQL that have one meaning here. */
const CODES: Readonly<Record<string, DaybookErrorCode>> = {
  YD001: 'unknown_table',
  YD002: 'unknown_column',
  YD003: 'not_trackable',
  YD004: 'not_tracked',
  YD005: 'invalid_event',
  YD008: 'invalid_option',
  YD009: 'not_installed',
  '55P03': 'lock_timeout',
  // PostgreSQL ended a deadlock by giving this side up: as with a wait that was too long, trying again is what helps.
  '40P01': 'lock_timeout',
  '42501': 'permission_denied',
}

interface PostgresError {
  readonly code: string
  readonly message: string
  readonly hint?: string
}

function isPostgresError(error: unknown): error is PostgresError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'string'
}

/** A failure of the database as a {@link DaybookError} where it has a meaning of its own; else as it came. */
export function captureError(error: unknown): unknown {
  if (isDaybookError(error) || !isPostgresError(error)) return error
  const code = CODES[error.code]
  if (!code) return error
  const advice = error.hint ?? ADVICE[error.code]
  const what = /[.?!]$/.test(error.message) ? error.message : `${error.message}.`
  return new DaybookError(code, advice ? `${what} ${advice}` : what, {
    cause: error,
    details: { sqlState: error.code },
  })
}

const HELD = 'Another transaction holds the table. Try again when it has ended, or allow a longer wait.'

const ADVICE: Readonly<Record<string, string>> = {
  '55P03': HELD,
  '40P01': HELD,
  '42501': 'Run this as the role that owns the table, as a member of daybook_owner, or as a superuser.',
}

/** The same refusal by the database with an advice that fits what was tried; any other error as it is. */
export function advisePermission(error: unknown, advice: string): unknown {
  if (!isDaybookError(error) || error.code !== 'permission_denied' || !isPostgresError(error.cause)) return error
  const { cause, details } = error
  return new DaybookError('permission_denied', `${cause.message}. ${advice}`, { cause, details })
}
