import knex, { type Knex } from 'knex'
import { openPgliteSocket } from './pglite.ts'
import type { Inside, OpenSubject, Session } from './subject.ts'
import { describeSubject } from './suite.ts'

interface Invoice {
  id: number
  who: string
  total: number
}

function sessionOf(db: Knex): Session {
  const invoices = () => db<Invoice>('invoice')
  return {
    insert: async (id, who, total) => await invoices().insert({ id, who, total }).returning('*'),
    update: async (id, total) => await invoices().where({ id }).update({ total }),
    remove: async (id) => await invoices().where({ id }).delete(),
    read: async (who) => await invoices().where({ who }).orderBy('id'),
    query: async (text, values = []) => (await db.raw(text.replace(/\$\d+/g, '?'), values as never)).rows,
  }
}

function insideOf(transaction: Knex.Transaction): Inside {
  return { ...sessionOf(transaction), nested: (work) => transaction.transaction((inner) => work(insideOf(inner))) }
}

const onKnex: OpenSubject = ({ pg, options: { connectionString, max } }) => {
  const db = knex({ client: 'pg', connection: connectionString, pool: { min: 0, max } })
  db.client.driver = pg
  return {
    session: sessionOf(db),
    transaction: (work, isolationLevel) =>
      db.transaction((transaction) => work(insideOf(transaction)), isolationLevel && { isolationLevel }),
    close: () => db.destroy(),
  }
}

describeSubject('Knex', onKnex)
describeSubject('Knex, on PGlite', onKnex, { openPlace: openPgliteSocket })
