import type { Entry } from './entry.ts'

/** Entries of one statement, one after the other; never none. */
export type StatementRun = readonly [Entry, ...Entry[]]

/** So many entries of one statement, one after the other, are shown folded into one line. */
export const FOLDED_FROM = 3

/** Entries that one statement made, in runs as they follow each other. */
export function byStatement(entries: readonly Entry[]): readonly StatementRun[] {
  const runs: [Entry, ...Entry[]][] = []
  for (const entry of entries) {
    const last = runs.at(-1)
    if (last?.[0].statementId === entry.statementId) last.push(entry)
    else runs.push([entry])
  }
  return runs
}
