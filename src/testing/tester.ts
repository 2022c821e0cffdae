import { type Context, runInContext } from '../core/context.ts'

/** Who a test is, where it says nothing else: the same in every run. The address is one that documentation may use. */
export const TESTER = {
  actor: { type: 'user', id: 'tester', label: 'tester@example.com' },
  ipAddress: '192.0.2.1',
  requestId: 'test-request',
} as const satisfies Context

/** Runs `work` as {@link TESTER}, or with what of it `context` says otherwise. */
export function asTester<T>(work: () => T, context: Context = {}): T {
  return runInContext({ ...TESTER, ...context }, work)
}
