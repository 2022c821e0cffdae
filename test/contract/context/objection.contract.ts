import knex from 'knex'
import { Model, type TransactionOrKnex, transaction as transact } from 'objection'
import { openPgliteSocket } from './pglite.ts'
import type { Inside, OpenSubject, Session } from './subject.ts'
import { describeSubject } from './suite.ts'
import { describeWiring } from './wiring.ts'

class Invoice extends Model {
  static override tableName = 'invoice'
  declare id: number
  declare who: string
  declare total: number
}

function sessionOf(db: TransactionOrKnex): Session {
  return {
    insert: async (id, who, total) => await Invoice.query(db).insert({ id, who, total }).returning('*'),
    update: async (id, total) => await Invoice.query(db).findById(id).patch({ total }),
    remove: async (id) => await Invoice.query(db).deleteById(id),
    read: async (who) => await Invoice.query(db).where({ who }).orderBy('id'),
    query: async (text, values = []) => (await db.raw(text.replace(/\$\d+/g, '?'), values as never)).rows,
  }
}

function insideOf(db: TransactionOrKnex): Inside {
  return { ...sessionOf(db), nested: (work) => transact(db, (inner) => work(insideOf(inner))) }
}

const objection: OpenSubject = ({ pg, options: { connectionString, max } }) => {
  const db = knex({ client: 'pg', connection: connectionString, pool: { min: 0, max } })
  db.client.driver = pg
  return {
    session: sessionOf(db),
    transaction: (work, isolationLevel) =>
      db.transaction((inside) => work(insideOf(inside)), isolationLevel && { isolationLevel }),
    close: () => db.destroy(),
  }
}

describeSubject('Objection', objection)
describeSubject('Objection, on PGlite', objection, { openPlace: openPgliteSocket })

describeWiring('Objection', (pg, connection) => {
  const db = knex({ client: 'pg', connection })
  db.client.driver = pg
  const Bound = Invoice.bindKnex(db)
  return { run: (sql) => Bound.knex().raw(sql), close: () => db.destroy() }
})
