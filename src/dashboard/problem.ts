import { STATUS_CODES } from 'node:http'
import type { Refusal } from './error-page.tsx'

/** A refusal for programs (RFC 9457). */
export function problemOf({ status, code, message, parameter, fault }: Refusal): Readonly<Record<string, unknown>> {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code,
    detail: message,
    ...(parameter !== undefined && { parameter }),
    ...(fault && { start: fault.start, end: fault.end }),
  }
}
