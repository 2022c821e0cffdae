import { DataSource, type EntityManager, EntitySchema } from 'typeorm'
import { openPgliteSocket } from './pglite.ts'
import type { Inside, OpenSubject, Session } from './subject.ts'
import { describeSubject } from './suite.ts'

const Invoice = new EntitySchema<{ id: number; who: string; total: number }>({
  name: 'invoice',
  columns: { id: { type: 'int', primary: true }, who: { type: 'text' }, total: { type: 'int' } },
})

function sessionOf(manager: EntityManager): Session {
  return {
    insert: (id, who, total) => manager.insert(Invoice, { id, who, total }),
    update: (id, total) => manager.update(Invoice, { id }, { total }),
    remove: (id) => manager.delete(Invoice, { id }),
    read: (who) => manager.find(Invoice, { where: { who }, order: { id: 'asc' } }),
    query: (text, values = []) => manager.query(text, [...values]),
  }
}

function insideOf(manager: EntityManager): Inside {
  return { ...sessionOf(manager), nested: (work) => manager.transaction((inner) => work(insideOf(inner))) }
}

const LEVELS = {
  'read uncommitted': 'READ UNCOMMITTED',
  'read committed': 'READ COMMITTED',
  'repeatable read': 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
} as const

const typeorm: OpenSubject = async ({ pg, options: { connectionString, max } }) => {
  const source = await new DataSource({
    type: 'postgres',
    driver: pg,
    url: connectionString,
    poolSize: max,
    entities: [Invoice],
    installExtensions: false,
  }).initialize()
  return {
    session: sessionOf(source.manager),
    transaction: (work, level) =>
      level
        ? source.transaction(LEVELS[level], (manager) => work(insideOf(manager)))
        : source.transaction((manager) => work(insideOf(manager))),
    close: () => source.destroy(),
  }
}

describeSubject('TypeORM', typeorm)
describeSubject('TypeORM, on PGlite', typeorm, { openPlace: openPgliteSocket })
