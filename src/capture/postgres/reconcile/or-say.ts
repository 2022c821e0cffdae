import { captureError } from '../capture-error.ts'
import { type Finding, toFinding } from '../finding.ts'

/** Does a part of the work on a table; gives false, and a finding that says why, where it could not. */
export async function orSay(findings: Finding[], table: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    const known = captureError(error)
    const reason = known instanceof Error ? known.message : String(known)
    findings.push(toFinding('not_checked', { table, object: `the rows of ${table}`, reason }))
    return false
  }
}
