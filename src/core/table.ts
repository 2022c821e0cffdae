/** How a column is shown to people. The log keeps the column's name and what the column holds. */
export interface FieldOptions {
  /** What people call it. Default: the column's name. */
  readonly label?: string
  /** What people call the codes that it holds, by code; one that is not listed is shown as it is. */
  readonly choices?: Readonly<Record<string, string>>
  /**
   * The model whose keys it holds: a key is shown by the label that its object had then. Where it is a foreign key of one column to a tracked
   * table with a label, this is known without being said.
   */
  readonly references?: string
}

/** What is recorded of one table, and how its rows are called. */
export interface TableOptions {
  /** The name that people know the table by. Default: the table's name in PascalCase, so `invoice_line` is `InvoiceLine`. */
  readonly model?: string
  /** The column, or columns, whose text calls a row by its name. Default: the key. A masked column is refused. */
  readonly label?: string | readonly string[]
  /** Only these columns (and the key) are recorded. Not together with `exclude`. */
  readonly include?: readonly string[]
  /** These columns are not recorded; a change of them alone gives no entry. */
  readonly exclude?: readonly string[]
  /**
   * Of these columns it is recorded that they changed, never a value. Secret-looking names are masked without being named. Inside a column of
   * type json or jsonb, a path such as `meta.card.number` masks what stands there: keys joined by dots, without regard to case, through every
   * list; `*` is any key, `meta["x.key"]` an odd one.
   */
  readonly mask?: readonly string[]
  /** Secret-looking columns whose values are recorded after all. */
  readonly unmask?: readonly string[]
  /** What TRUNCATE does: `record` writes one entry with the number of rows, `refuse` raises an error. Default `record`. */
  readonly truncate?: 'record' | 'refuse'
  /**
   * The table gives permissions: a row that comes is `permission_granted`, one that goes is `permission_revoked`.
   * Both columns must be foreign keys to tracked tables; the entry names the two objects by their labels.
   */
  readonly permission?: { readonly to: string; readonly grants: string }
  /**
   * The table joins two objects: a row that comes is `linked`, one that goes is `unlinked`, in the timelines of both.
   * Both columns must be foreign keys to tracked tables. Not together with `permission`.
   */
  readonly link?: { readonly from: string; readonly to: string }
  /**
   * Columns that say what a row may do, such as `is_staff`. An update that changes one is `permission_granted`, or
   * `permission_revoked` where the new value is null, false, 0 or empty, instead of `update`.
   */
  readonly permissionColumns?: readonly string[]
  /** How its columns are shown, by column. It changes nothing of what is recorded. */
  readonly fields?: Readonly<Record<string, FieldOptions>>
}

/** Tracked tables by `schema.table`; a name without a schema stands for `public`. */
export type Tables = Readonly<Record<string, TableOptions>>
