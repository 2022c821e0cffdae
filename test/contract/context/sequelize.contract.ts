import { DataTypes, QueryTypes, Sequelize, type Transaction } from 'sequelize'
import { openPgliteSocket } from './pglite.ts'
import type { Inside, Isolation, OpenSubject, Session } from './subject.ts'
import { describeSubject } from './suite.ts'

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
  'read uncommitted': 'READ UNCOMMITTED',
  'read committed': 'READ COMMITTED',
  'repeatable read': 'REPEATABLE READ',
  serializable: 'SERIALIZABLE',
} as const satisfies Record<Isolation, string>

const onSequelize: OpenSubject = ({ pg, options: { connectionString, max } }) => {
  const sequelize = new Sequelize(connectionString, {
    dialect: 'postgres',
    dialectModule: pg,
    pool: { max },
    logging: false,
  })
  const Invoice = define(sequelize)
  const insideOf = (transaction: Transaction): Inside => ({
    ...sessionOf(sequelize, Invoice, transaction),
    nested: (work) => sequelize.transaction({ transaction }, (inner) => work(insideOf(inner))),
  })
  return {
    session: sessionOf(sequelize, Invoice),
    transaction: (work, level) =>
      sequelize.transaction(level ? { isolationLevel: LEVELS[level] as never } : {}, (inside) =>
        work(insideOf(inside)),
      ),
    close: () => sequelize.close(),
  }
}

describeSubject('Sequelize 6', onSequelize)
describeSubject('Sequelize 6, on PGlite', onSequelize, { openPlace: openPgliteSocket })
