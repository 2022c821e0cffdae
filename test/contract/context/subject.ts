import type pg from 'pg'

/** The levels of a transaction, as SQL writes them. */
export const ISOLATION_LEVELS = ['read uncommitted', 'read committed', 'repeatable read', 'serializable'] as const
export type Isolation = (typeof ISOLATION_LEVELS)[number]

/** What an application does with the table `invoice (id, who, total)`, each in its library's own way. */
export interface Session {
  insert(id: number, who: string, total: number): Promise<unknown>
  update(id: number, total: number): Promise<unknown>
  remove(id: number): Promise<unknown>
  read(who: string): Promise<unknown>
  /** Runs a text of one statement with `$1`, `$2`, … bound in this order, and gives its rows. So it is a runner for `record()`. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
}

/** A session inside of a transaction. */
export interface Inside extends Session {
  /** A transaction within: a savepoint. */
  nested<T>(work: (inside: Inside) => Promise<T>): Promise<T>
}

/** One library on one pool of connections. */
export interface Subject {
  readonly session: Session
  transaction<T>(work: (inside: Inside) => Promise<T>, isolation?: Isolation): Promise<T>
  close(): Promise<void>
}

/** What a library is wired to: `pg` with Daybook's classes in it, or as it is, for the comparison. */
export interface Wiring {
  readonly pg: typeof pg
  readonly options: pg.PoolConfig & { readonly connectionString: string; readonly max: number }
}

export type OpenSubject = (wiring: Wiring) => Subject | Promise<Subject>
