/** Every code that a {@link DaybookError} can carry. Codes are stable: test for these, never for the message. */
export type DaybookErrorCode =
  | 'invalid_option'
  | 'invalid_filter'
  | 'invalid_cursor'
  | 'invalid_event'
  | 'unknown_table'
  | 'unknown_column'
  | 'not_trackable'
  | 'not_tracked'
  | 'not_installed'
  | 'schema_newer'
  | 'schema_older'
  | 'database_unreachable'
  | 'permission_denied'
  | 'lock_timeout'
  | 'transaction_failed'
  | 'folder_in_use'
  | 'port_in_use'
  | 'export_unrecorded'
  | 'not_found'

export interface DaybookErrorOptions {
  readonly cause?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

const BRAND = Symbol.for('daybook.error')

/**
 * What Daybook throws: what happened, to what, and what to do next.
 * It never holds row values, parameters or secrets, so that it can be logged as it is.
 */
export class DaybookError extends Error {
  readonly code: DaybookErrorCode
  readonly details: Readonly<Record<string, unknown>>
  readonly [BRAND] = true

  constructor(code: DaybookErrorCode, message: string, options: DaybookErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'DaybookError'
    this.code = code
    this.details = options.details ?? {}
  }
}

/** Whether a caught value is a {@link DaybookError}, also one of another copy of the package. */
export function isDaybookError(value: unknown): value is DaybookError {
  return typeof value === 'object' && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true
}
