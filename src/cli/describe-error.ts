import { CommanderError } from 'commander'
import { captureError } from '../capture/postgres/capture-error.ts'
import { type DaybookErrorCode, isDaybookError } from '../core/errors.ts'
import { EXIT } from './exit-code.ts'

/** An error as the command line tells it. */
export interface ErrorDescription {
  /** A {@link DaybookErrorCode}; `usage` for the command line itself; `failed` for what has no code. */
  readonly code: DaybookErrorCode | 'usage' | 'failed'
  readonly message: string
  readonly exitCode: number
}

/** The codes of what was asked for wrongly; with all others the log could not be reached, or not in time. */
const WRONG_USAGE: ReadonlySet<DaybookErrorCode> = new Set([
  'invalid_option',
  'invalid_filter',
  'invalid_cursor',
  'invalid_event',
  'unknown_table',
  'unknown_column',
  'not_trackable',
  'not_tracked',
  'not_found',
])

/** What an error says to a person, in one line, and the exit code that goes with it. */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof CommanderError) {
    return { code: 'usage', message: usageMessage(error.message), exitCode: EXIT.usage }
  }
  const known = captureError(error)
  if (isDaybookError(known)) {
    return {
      code: known.code,
      message: known.message,
      exitCode: WRONG_USAGE.has(known.code) ? EXIT.usage : EXIT.failed,
    }
  }
  const message = known instanceof Error && known.message ? known.message : String(known)
  return { code: 'failed', message: message.replaceAll('\n', ' '), exitCode: EXIT.failed }
}

/** `error: unknown option '--lable'\n(Did you mean --label?)` as a sentence like all others. */
function usageMessage(text: string): string {
  const message = text.replace(/^error: (.)/, (_, first: string) => first.toUpperCase()).replace(/\n\((.*)\)$/s, '. $1')
  return /[.?]$/.test(message) ? message : `${message}.`
}
