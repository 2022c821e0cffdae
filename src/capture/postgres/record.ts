import { DaybookError } from '../../core/errors.ts'
import { type AuditEvent, checkEvent } from '../../core/event.ts'
import type { MaskTree } from '../../core/mask-path.ts'
import { plainExtra } from '../../core/plain-extra.ts'
import { advisePermission, captureError } from './capture-error.ts'

/** Whatever runs one statement with bound values: a `Database`, or a client of `pg`. */
export interface StatementRunner {
  query(text: string, values: unknown[]): Promise<unknown>
}

/** Longest JSON of an event's `extra`. */
const MAX_EXTRA_LENGTH = 16_384

/**
 * Records an event of the application's own through a connection; its actor and origin are those of the context that the
 * connection carries. In `extra`, members whose names look like a secret and those of `masks` are masked.
 * @throws DaybookError `invalid_event`, before anything is sent; `permission_denied` where the role is no `daybook_writer`.
 */
export async function recordEvent(runner: StatementRunner, event: AuditEvent, masks?: MaskTree): Promise<void> {
  const { action, outcome, object, related, changes, extra } = checkEvent(event)
  const values = [
    ...[action, outcome, object?.model, object?.id, object?.label, related?.model, related?.id, related?.label],
    ...[changes && JSON.stringify(changes), extra && writeExtra(extra, masks)],
  ].map((value) => value ?? null)
  try {
    await runner.query('select daybook.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', values)
  } catch (error) {
    throw advisePermission(captureError(error), ADVICE)
  }
}

function writeExtra(extra: object, masks: MaskTree | undefined): string {
  const plain = plainExtra(extra, masks ? [masks] : [], MAX_EXTRA_LENGTH)
  if (plain) return JSON.stringify(plain)
  throw new DaybookError('invalid_event', 'The event was not recorded: extra: takes 16 KiB of JSON at most', {
    details: { part: 'extra' },
  })
}

const ADVICE = 'Only a member of daybook_writer records events. Make the role one with: daybook init --app-role NAME'
