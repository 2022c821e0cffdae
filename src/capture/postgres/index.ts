export { type BaselineOptions, type BaselineProgress, baseline } from './baseline.ts'
export { type Diagnosis, type DoctorOptions, doctor } from './doctor.ts'
export type { Finding, FindingCode, Severity, Subject } from './finding.ts'
export {
  ensureMonths,
  type InstallOptions,
  type InstallResult,
  install,
  installedVersion,
  installSql,
  requireInstalled,
} from './install.ts'
export type { LockRetryOptions } from './lock-retry.ts'
export { type PauseOptions, pause } from './pause.ts'
export type { ComparedTable, Reconciliation } from './reconcile/reconciliation.ts'
export { recordEvent, type StatementRunner } from './record.ts'
export { type SeedOptions, seed } from './seed.ts'
export {
  type SyncOptions,
  type SyncStep,
  sync,
  syncSql,
  type TrackedTable,
  track,
  trackedTables,
  trackSql,
  untrack,
} from './track.ts'
export { verifyWiring, type Wiring, type WiringOptions } from './wiring.ts'
