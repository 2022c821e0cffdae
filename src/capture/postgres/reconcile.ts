import type { Database } from '../../connection/database.ts'
import type { Finding } from './finding.ts'
import { compareSample } from './reconcile/compare-rows.ts'
import { type Comparison, prepare, tableFindings } from './reconcile/comparison.ts'
import { orSay } from './reconcile/or-say.ts'
import type { Reconciliation } from './reconcile/reconciliation.ts'
import { comparableTables } from './reconcile/tracked.ts'
import { walkBack } from './reconcile/walk-back.ts'

export interface ReconcileResult {
  readonly reconciliation: Reconciliation
  readonly findings: readonly Finding[]
}

/** As the capture functions pin them, so that the same value gives the same text. */
const SETTINGS = `
  set local search_path = pg_catalog, pg_temp; set local "TimeZone" = 'UTC'; set local extra_float_digits = 1;
  set local "DateStyle" = 'ISO, YMD'; set local "IntervalStyle" = 'iso_8601'; set local bytea_output = 'hex';
  set local lc_monetary = 'C'; set local quote_all_identifiers = off; set local row_security = off; set local jit = off;
  set local lock_timeout = '2s'`

/**
 * Compares the tracked tables with what the log says of them last, in one snapshot, so that writers at work make no difference.
 * It only reads.
 * @param rows Rows of each table that are compared at most, and a tenth of the newest entries whose objects are looked for.
 */
export function reconcile(database: Database, rows: number): Promise<ReconcileResult> {
  return database.transaction(async (transaction) => {
    await transaction.query('set transaction isolation level repeatable read, read only')
    await transaction.query(SETTINGS)
    const findings: Finding[] = []
    const tables: Comparison[] = []
    for (const tracked of await comparableTables(transaction)) {
      await orSay(findings, tracked.table, async () => {
        tables.push(await transaction.transaction((savepoint) => prepare(savepoint, tracked, rows)))
      })
    }
    const walk = await walkBack(transaction, tables, rows, findings)
    for (const table of tables) {
      if (table.failed) continue
      table.failed = !(await orSay(findings, table.tracked.table, () =>
        transaction.transaction((savepoint) => compareSample(savepoint, table, rows)),
      ))
    }
    return {
      reconciliation: {
        ...walk,
        tables: tables
          .filter(({ failed }) => !failed)
          .map(({ tracked, compared, complete }) => ({
            table: tracked.table,
            rows: compared,
            ofAbout: tracked.about,
            complete,
          })),
      },
      findings: [...findings, ...tables.flatMap(tableFindings)],
    }
  })
}
