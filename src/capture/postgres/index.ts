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
export { type SyncOptions, type SyncStep, sync, type TrackedTable, track, trackedTables, untrack } from './track.ts'
