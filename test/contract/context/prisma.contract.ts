import { PrismaPg } from '@prisma/adapter-pg'
import { type Prisma, PrismaClient } from './prisma/generated/client.ts'
import type { Inside, Isolation, Session } from './subject.ts'
import { describeSubject } from './suite.ts'

function sessionOf(db: Prisma.TransactionClient): Session {
  return {
    insert: (id, who, total) => db.invoice.create({ data: { id, who, total } }),
    update: (id, total) => db.invoice.updateMany({ where: { id }, data: { total } }),
    remove: (id) => db.invoice.deleteMany({ where: { id } }),
    read: (who) => db.invoice.findMany({ where: { who }, orderBy: { id: 'asc' } }),
    query: (text, values = []) => db.$queryRawUnsafe(text, ...values),
  }
}

function insideOf(db: Prisma.TransactionClient, depth = 1): Inside {
  return {
    ...sessionOf(db),
    async nested(work) {
      await db.$executeRawUnsafe(`savepoint nested_${depth}`)
      try {
        const result = await work(insideOf(db, depth + 1))
        await db.$executeRawUnsafe(`release savepoint nested_${depth}`)
        return result
      } catch (error) {
        await db.$executeRawUnsafe(`rollback to savepoint nested_${depth}`)
        throw error
      }
    },
  }
}

const LEVELS = {
  'read uncommitted': 'ReadUncommitted',
  'read committed': 'ReadCommitted',
  'repeatable read': 'RepeatableRead',
  serializable: 'Serializable',
} as const satisfies Record<Isolation, Prisma.TransactionIsolationLevel>

describeSubject('Prisma', ({ pg, options }) => {
  const pool = new pg.Pool(options)
  const db = new PrismaClient({ adapter: new PrismaPg(pool) })
  return {
    session: sessionOf(db),
    transaction: (work, level) =>
      db.$transaction((inside) => work(insideOf(inside)), {
        maxWait: 30_000,
        timeout: 30_000,
        ...(level && { isolationLevel: LEVELS[level] }),
      }),
    async close() {
      await db.$disconnect()
      await pool.end()
    },
  }
})
