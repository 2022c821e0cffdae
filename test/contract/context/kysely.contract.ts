import { CompiledQuery, type ControlledTransaction, Kysely, PostgresDialect } from 'kysely'
import { openPglite } from './pglite.ts'
import type { Inside, OpenSubject, Session } from './subject.ts'
import { describeSubject } from './suite.ts'

interface Tables {
  invoice: { id: number; who: string; total: number }
}

function sessionOf(db: Kysely<Tables>): Session {
  return {
    insert: (id, who, total) => db.insertInto('invoice').values({ id, who, total }).returningAll().execute(),
    update: (id, total) => db.updateTable('invoice').set({ total }).where('id', '=', id).executeTakeFirst(),
    remove: (id) => db.deleteFrom('invoice').where('id', '=', id).executeTakeFirst(),
    read: (who) => db.selectFrom('invoice').selectAll().where('who', '=', who).orderBy('id').execute(),
    query: async (text, values = []) =>
      (await db.executeQuery(CompiledQuery.raw(text, [...values]))).rows as Record<string, unknown>[],
  }
}

function insideOf(transaction: ControlledTransaction<Tables>): Inside {
  return {
    ...sessionOf(transaction),
    async nested(work) {
      const within = await transaction.savepoint('nested').execute()
      try {
        const result = await work(insideOf(within as ControlledTransaction<Tables>))
        await within.releaseSavepoint('nested').execute()
        return result
      } catch (error) {
        await within.rollbackToSavepoint('nested').execute()
        throw error
      }
    },
  }
}

const kysely: OpenSubject = ({ pg, options }) => {
  const pool = new pg.Pool(options)
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  return {
    session: sessionOf(db),
    async transaction(work, level) {
      const builder = db.startTransaction()
      const transaction = await (level ? builder.setIsolationLevel(level) : builder).execute()
      try {
        const result = await work(insideOf(transaction))
        await transaction.commit().execute()
        return result
      } catch (error) {
        await transaction.rollback().execute()
        throw error
      }
    },
    close: () => db.destroy(),
  }
}

describeSubject('Kysely', kysely)
describeSubject('Kysely, on PGlite', kysely, { openPlace: openPglite })
