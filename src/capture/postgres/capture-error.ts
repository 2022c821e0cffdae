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

/** A failure of the database as a {@link DaybookError} where it has a meaning of its own; else as it came, but for the values in it. */
export function captureError(error: unknown): unknown {
  if (isDaybookError(error)) return error
  const code = isPostgresError(error) && CODES[error.code]
  if (!code) return withoutValues(error)
  const advice = error.hint ?? ADVICE[error.code]
  const what = /[.?!]$/.test(error.message) ? error.message : `${error.message}.`
  return new DaybookError(code, advice ? `${what} ${advice}` : what, {
    cause: error,
    details: { sqlState: error.code },
  })
}

/** Where an ORM keeps the error of the driver. */
const INNER = ['cause', 'driverError', 'original', 'parent'] as const
/** Where PostgreSQL repeats the row that it refused, or a part of it. */
const WITH_VALUES = ['detail', 'where'] as const

/** The same error, so that whoever looks for a SQLSTATE finds it, without the entry: an error ends in the server's log. */
function withoutValues(error: unknown): unknown {
  let inner: unknown[] = [error]
  for (let depth = 0; depth < 4; depth += 1) {
    const errors = inner.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null)
    for (const one of errors) for (const part of WITH_VALUES) if (typeof one[part] === 'string') one[part] = undefined
    inner = errors.flatMap((one) => INNER.map((part) => one[part]))
  }
  return error
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
