import { eq, type SQL, sql } from 'drizzle-orm-rc'
import { drizzle, type NodePgDatabase } from 'drizzle-orm-rc/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm-rc/pg-core'
import { openPglite } from './pglite.ts'
import type { Inside, OpenSubject, Session } from './subject.ts'
import { describeSubject } from './suite.ts'

const invoice = pgTable('invoice', { id: integer().primaryKey(), who: text().notNull(), total: integer().notNull() })

/** Drizzle's own form of a text with `$1`, `$2`, … */
function bind(statement: string, values: readonly unknown[]): SQL {
  return sql.join(
    statement
      .split(/\$\d+/)
      .flatMap((part, at) => (at === 0 ? [sql.raw(part)] : [sql`${values[at - 1]}`, sql.raw(part)])),
  )
}

function sessionOf(db: Pick<NodePgDatabase, 'insert' | 'update' | 'delete' | 'select' | 'execute'>): Session {
  return {
    insert: (id, who, total) => db.insert(invoice).values({ id, who, total }).returning(),
    update: async (id, total) => await db.update(invoice).set({ total }).where(eq(invoice.id, id)),
    remove: (id) => db.delete(invoice).where(eq(invoice.id, id)).returning({ id: invoice.id }),
    read: (who) => db.select().from(invoice).where(eq(invoice.who, who)).orderBy(invoice.id),
    query: async (statement, values = []) => [await db.execute(bind(statement, values))].flat()[0]?.rows ?? [],
  }
}

type Transaction = Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0]

function insideOf(transaction: Transaction): Inside {
  return { ...sessionOf(transaction), nested: (work) => transaction.transaction((inner) => work(insideOf(inner))) }
}

const onDrizzle: OpenSubject = ({ pg, options }) => {
  const pool = new pg.Pool(options)
  const db = drizzle({ client: pool })
  return {
    session: sessionOf(db),
    transaction: (work, isolationLevel) =>
      db.transaction((inside) => work(insideOf(inside)), isolationLevel && { isolationLevel }),
    close: () => pool.end(),
  }
}

describeSubject('Drizzle 1.0 (release candidate)', onDrizzle)
describeSubject('Drizzle 1.0 (release candidate), on PGlite', onDrizzle, { openPlace: openPglite })
