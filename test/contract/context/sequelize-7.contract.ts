import { DataTypes, IsolationLevel, QueryTypes, Sequelize, type Transaction } from '@sequelize/core'
import { PostgresDialect } from '@sequelize/postgres'
import { openPgliteSocket } from './pglite.ts'
import type { Inside, Isolation, OpenSubject, Session } from './subject.ts'
import { describeSubject } from './suite.ts'
import { describeWiring } from './wiring.ts'

function define(sequelize: Sequelize) {
  return sequelize.define(
    'invoice',
    { id: { type: DataTypes.INTEGER, primaryKey: true }, who: DataTypes.TEXT, total: DataTypes.INTEGER },
    { timestamps: false, freezeTableName: true },
  )
}

function sessionOf(sequelize: Sequelize, Invoice: ReturnType<typeof define>, transaction?: Transaction): Session {
  const within = transaction ? { transaction } : {}
  return {
    insert: async (id, who, total) => (await Invoice.create({ id, who, total }, within)).toJSON(),
    update: (id, total) => Invoice.update({ total }, { where: { id }, ...within }),
    remove: (id) => Invoice.destroy({ where: { id }, ...within }),
    read: async (who) =>
      (await Invoice.findAll({ where: { who }, order: ['id'], ...within })).map((each) => each.toJSON()),
    query: (text, values = []) =>
      sequelize.query(text, { bind: [...values], type: QueryTypes.SELECT, raw: true, ...within }),
  }
}

const LEVELS = {
  'read uncommitted': IsolationLevel.READ_UNCOMMITTED,
  'read committed': IsolationLevel.READ_COMMITTED,
  'repeatable read': IsolationLevel.REPEATABLE_READ,
  serializable: IsolationLevel.SERIALIZABLE,
} as const satisfies Record<Isolation, IsolationLevel>

const onSequelize: OpenSubject = ({ pg, options: { connectionString, max } }) => {
  const sequelize = new Sequelize({
    dialect: PostgresDialect,
    pgModule: pg,
    url: connectionString,
    pool: { max },
    logging: false,
  })
  const Invoice = define(sequelize)
  const insideOf = (transaction: Transaction): Inside => ({
    ...sessionOf(sequelize, Invoice, transaction),
    nested: (work) =>
      sequelize.transaction({ transaction, nestMode: 'savepoint' as never }, (inner) => work(insideOf(inner))),
  })
  return {
    session: sessionOf(sequelize, Invoice),
    transaction: (work, level) =>
      sequelize.transaction(level ? { isolationLevel: LEVELS[level] } : {}, (inside) => work(insideOf(inside))),
    close: () => sequelize.close(),
  }
}

describeSubject('Sequelize 7', onSequelize)
describeSubject('Sequelize 7, on PGlite', onSequelize, { openPlace: openPgliteSocket })

describeWiring('Sequelize 7', (pgModule, url) => {
  const sequelize = new Sequelize({ dialect: PostgresDialect, pgModule, url, logging: false })
  return { run: (sql) => sequelize.query(sql), close: () => sequelize.close() }
})
