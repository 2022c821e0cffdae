import { DaybookError, isDaybookError } from '../core/errors.ts'

const NOT_INSTALLED = ['42P01', '3F000', '42703']

/** A failure to read the log as a {@link DaybookError} where it has a meaning of its own; else as it came. */
export function storeError(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code
  if (isDaybookError(error) || typeof code !== 'string') return error
  const options = { cause: error, details: { sqlState: code } }
  if (NOT_INSTALLED.includes(code)) {
    return new DaybookError(
      'not_installed',
      'The log is not there, or is of an older version, in this database. Run `npx daybook init`.',
      options,
    )
  }
  if (code === '42501') {
    return new DaybookError(
      'permission_denied',
      'The database does not let this role read the log. Grant it `daybook_reader`, or give Daybook a `reader` pool whose role has it.',
      options,
    )
  }
  return error
}
