import { EntitySchema, IsolationLevel, MikroORM, type SqlEntityManager } from '@mikro-orm/postgresql'
import knex from 'knex'
import { openPgliteSocket } from '../pglite.ts'
import type { Inside, Isolation, OpenSubject, Session } from '../subject.ts'
import { describeSubject } from '../suite.ts'
import { describeWiring } from '../wiring.ts'

interface Invoice {
  id: number
  who: string
  total: number
}

const Invoice = new EntitySchema<Invoice>({
  name: 'Invoice',
  tableName: 'invoice',
  properties: {
    id: { type: 'integer', primary: true, autoincrement: false },
    who: { type: 'text' },
    total: { type: 'integer' },
  },
})

/** An entity manager of its own each time, as each request has one; a transaction has its own already. */
function sessionOf(manager: () => SqlEntityManager): Session {
  return {
    insert: (id, who, total) => manager().insert(Invoice, { id, who, total }),
    update: (id, total) => manager().nativeUpdate(Invoice, { id }, { total }),
    remove: (id) => manager().nativeDelete(Invoice, { id }),
    read: async (who) =>
      (await manager().find(Invoice, { who }, { orderBy: { id: 'asc' } })).map((each) => ({ ...each })),
    query: (text, values = []) => manager().execute(text.replace(/\$\d+/g, '?'), [...values]),
  }
}

function insideOf(manager: SqlEntityManager): Inside {
  return { ...sessionOf(() => manager), nested: (work) => manager.transactional((inner) => work(insideOf(inner))) }
}

const LEVELS = {
  'read uncommitted': IsolationLevel.READ_UNCOMMITTED,
  'read committed': IsolationLevel.READ_COMMITTED,
  'repeatable read': IsolationLevel.REPEATABLE_READ,
  serializable: IsolationLevel.SERIALIZABLE,
} as const satisfies Record<Isolation, IsolationLevel>

const mikroOrm: OpenSubject = async ({ pg, options: { connectionString, max } }) => {
  const db = knex({ client: 'pg', connection: connectionString, pool: { min: 0, max } })
  db.client.driver = pg
  const orm = await MikroORM.init({
    clientUrl: connectionString,
    entities: [Invoice],
    driverOptions: db,
  })
  const fork = () => orm.em.fork()
  return {
    session: sessionOf(fork),
    transaction: (work, level) =>
      fork().transactional((inside) => work(insideOf(inside)), level && { isolationLevel: LEVELS[level] }),
    close: () => orm.close(),
  }
}

describeSubject('MikroORM 6', mikroOrm)
describeSubject('MikroORM 6, on PGlite', mikroOrm, { openPlace: openPgliteSocket })

describeWiring('MikroORM 6', async (pg, clientUrl) => {
  const db = knex({ client: 'pg', connection: clientUrl })
  db.client.driver = pg
  const orm = await MikroORM.init({ clientUrl, entities: [Invoice], driverOptions: db })
  return { run: (sql) => orm.em.fork().execute(sql), close: () => orm.close() }
})
