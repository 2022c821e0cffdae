/** What a statement gave back: its rows, and how many rows it touched. */
export interface QueryResult<Row> {
  readonly rows: Row[]
  readonly rowCount: number
}

/**
 * The one seam between Daybook and a database. Everything that reads or writes the log goes through it,
 * so a new driver is one function that returns this.
 */
export interface Database {
  /** Runs one statement. `values` are bound as `$1`, `$2`, … and never put into the text. */
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>
  /** Runs `work` on one connection between BEGIN and COMMIT; rolls back and rethrows if it throws. */
  transaction<T>(work: (database: Database) => Promise<T>): Promise<T>
}
