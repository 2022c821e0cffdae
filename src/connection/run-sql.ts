/**
 * Runs SQL where the application runs its own: through its ORM, its pool, or the transaction that it is in. What comes back may have any
 * shape, as long as the rows are in it: `(sql) => pool.query(sql)`, `(sql) => prisma.$queryRawUnsafe(sql)`,
 * `(sql) => dataSource.query(sql)`.
 */
export type RunSql = (sql: string) => unknown

const COLUMN = 'daybook'

/** So much of a result is looked through: rows come early in what every ORM gives. */
const MAX_LOOKED_AT = 1000

/**
 * Runs a statement that gives one row with the one text column `daybook`, and finds that text in whatever comes back; undefined where
 * it is not in there.
 */
export async function runForText(run: RunSql, sql: string): Promise<string | undefined> {
  const places: unknown[] = [await run(sql)]
  // Wide before deep, so that rows come before what a driver hangs on to its result.
  for (let place = 0; place < Math.min(places.length, MAX_LOOKED_AT); place += 1) {
    const value = places[place]
    if (typeof value !== 'object' || value === null) continue
    const found = (value as Readonly<Record<string, unknown>>)[COLUMN]
    if (typeof found === 'string') return found
    places.push(...Object.values(value))
  }
  return undefined
}
