import { PrismaPg } from '@prisma/adapter-pg'
import { createDaybook } from 'daybook'
import { verifyWiring } from 'daybook/capture/postgres'
import { createPool } from 'daybook/connection/pg'
import { bindPrisma } from 'daybook/connection/prisma'
import { expect, test } from 'vitest'
import { openPglite } from './pglite.ts'
import { openPostgres } from './place.ts'
import { type Prisma, PrismaClient } from './prisma/generated/client.ts'
import type { Inside, Isolation, OpenSubject, Session, Subject } from './subject.ts'
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

function subjectOf(db: PrismaClient, session: Session, close: () => Promise<unknown>): Subject {
  return {
    session,
    transaction: (work, level) =>
      db.$transaction((inside) => work(insideOf(inside)), {
        maxWait: 30_000,
        timeout: 30_000,
        ...(level && { isolationLevel: LEVELS[level] }),
      }),
    async close() {
      await db.$disconnect()
      await close()
    },
  }
}

const prisma: OpenSubject = ({ pg, options }) => {
  const pool = new pg.Pool(options)
  const db = bindPrisma(new PrismaClient({ adapter: new PrismaPg(pool) }))
  return subjectOf(db, sessionOf(db), () => pool.end())
}

describeSubject('Prisma', prisma)
describeSubject('Prisma, on PGlite', prisma, { openPlace: openPglite })

describeSubject('Prisma with $extends, and lists of statements in a transaction', ({ pg, options }) => {
  const pool = new pg.Pool(options)
  const extended = bindPrisma(new PrismaClient({ adapter: new PrismaPg(pool) })).$extends({
    query: { $allOperations: async ({ args, query }) => await query(args) },
    result: { invoice: { doubled: { needs: { total: true }, compute: ({ total }) => total * 2 } } },
  })
  const session: Session = {
    ...sessionOf(extended as never),
    insert: (id, who, total) => extended.$transaction([extended.invoice.create({ data: { id, who, total } })]),
  }
  return subjectOf(extended as never, session, () => pool.end())
})

test('B31 what requests ask for in the same turn, in transactions and in lists, is credited to each of them', async () => {
  const place = await openPostgres()
  const pool = createPool({ ...place.options, max: 5 })
  const daybook = createDaybook({ pool })
  const db = bindPrisma(bindPrisma(new PrismaClient({ adapter: new PrismaPg(pool) })))
  try {
    let waiting = 0
    let go = () => {}
    const allHere = new Promise<void>((done) => {
      go = done
    })
    const request = (who: string, id: number) =>
      daybook.run({ requestId: who }, async () => {
        await db.$transaction(async (inside) => {
          waiting += 1
          if (waiting === 4) go()
          await allHere
          await inside.invoice.create({ data: { id, who, total: 1 } })
        })
        await db.$transaction([
          db.invoice.update({ where: { id }, data: { total: 2 } }),
          db.invoice.create({ data: { id: id + 10, who, total: 1 } }),
        ])
      })
    await Promise.all(['a', 'b', 'c', 'd'].map(request))
    const { rows } = await place.admin.query(
      'select object_label as who, request_id as credited, count(*)::int as entries from daybook.entries where object_label is not null group by 1, 2 order by 1, 2',
    )
    expect(rows).toEqual(['a', 'b', 'c', 'd'].map((who) => ({ who, credited: who, entries: 3 })))
  } finally {
    daybook.close()
    await db.$disconnect()
    await pool.end()
    await place.close()
  }
})

test('what is no client of Prisma is refused', () => {
  expect(() => bindPrisma({})).toThrow(expect.objectContaining({ code: 'invalid_option' }))
})

test('B31 a client that is not bound is told of, and one that is tried outside of transactions alone', async () => {
  const place = await openPostgres()
  const pool = createPool({ ...place.options, max: 5 })
  const db = new PrismaClient({ adapter: new PrismaPg(pool) })
  const told = async (run: (sql: string) => unknown) =>
    (await verifyWiring(run)).findings.map(({ severity, code }) => `${severity} ${code}`)
  const inTransaction = (sql: string) => db.$transaction([db.$queryRawUnsafe(sql)])
  try {
    expect(await told(inTransaction)).toContain('error context_mixed')
    expect(await told((sql) => db.$queryRawUnsafe(sql))).toEqual(['warning transactions_not_tried'])
    bindPrisma(db)
    expect(await told(inTransaction)).toEqual([])
  } finally {
    await db.$disconnect()
    await pool.end()
    await place.close()
  }
})
