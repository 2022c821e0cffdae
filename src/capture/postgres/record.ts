import { type AuditEvent, checkEvent } from '../../core/event.ts'
import { advisePermission, captureError } from './capture-error.ts'

/** Whatever runs one statement with bound values: a `Database`, or a client of `pg`. */
export interface StatementRunner {
  query(text: string, values: unknown[]): Promise<unknown>
}

/**
 * Records an event of the application's own through a connection; its actor and origin are those of the context that the
 * connection carries.
 * @throws DaybookError `invalid_event`, before anything is sent; `permission_denied` where the role is no `daybook_writer`.
 */
export async function recordEvent(runner: StatementRunner, event: AuditEvent): Promise<void> {
  const { action, outcome, object, related, changes, extra } = checkEvent(event)
  const values = [
    ...[action, outcome, object?.model, object?.id, object?.label, related?.model, related?.id, related?.label],
    ...[changes && JSON.stringify(changes), extra && JSON.stringify(extra)],
  ].map((value) => value ?? null)
  try {
    await runner.query('select daybook.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', values)
  } catch (error) {
    throw advisePermission(captureError(error), ADVICE)
  }
}

const ADVICE = 'Only a member of daybook_writer records events. Make the role one with: daybook init --app-role NAME'
