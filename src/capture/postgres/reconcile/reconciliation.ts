/** How far the rows of one tracked table were compared with the log. */
export interface ComparedTable {
  readonly table: string
  /** Rows whose values were compared with their entries. */
  readonly rows: number
  /** How many the table has, as PostgreSQL estimates it; 0: not known. */
  readonly ofAbout: number
  /** Every row was looked at. */
  readonly complete: boolean
}

/** How far the log and the tables were compared. */
export interface Reconciliation {
  readonly tables: readonly ComparedTable[]
  /** The newest entries, whose objects were looked for in the tables. */
  readonly entries: number
  /** The moment of the oldest of them, ISO 8601; null where there is none. */
  readonly backTo: string | null
  /** Every entry was looked at. */
  readonly complete: boolean
}
