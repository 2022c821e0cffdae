import { MikroORM } from '@mikro-orm/postgresql'
import { PrismaPg } from '@prisma/adapter-pg'
import { verifyWiring } from 'daybook/capture/postgres'
import { Client, Pool } from 'daybook/connection/pg'
import { bindPostgresJs } from 'daybook/connection/postgres-js'
import { bindPrisma } from 'daybook/connection/prisma'
import { asTester, TESTER, watchLog } from 'daybook/testing'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { CamelCasePlugin, Kysely, sql as kyselySql, PostgresDialect } from 'kysely'
import pg from 'pg'
import postgres from 'postgres'
import { Sequelize } from 'sequelize'
import { DataSource } from 'typeorm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgres, type Place } from './place.ts'
import { PrismaClient } from './prisma/generated/client.ts'

/** How the docs say that a library runs SQL, on its own connections. */
interface Runner {
  readonly run: (sql: string) => unknown
  close(): Promise<unknown>
}

const LIBRARIES: Readonly<Record<string, (driver: typeof pg, url: string) => Promise<Runner> | Runner>> = {
  pg: (driver, connectionString) => {
    const pool = new driver.Pool({ connectionString })
    return { run: (sql) => pool.query(sql), close: () => pool.end() }
  },
  Prisma: (driver, connectionString) => {
    const pool = new driver.Pool({ connectionString })
    const prisma = bindPrisma(new PrismaClient({ adapter: new PrismaPg(pool) }))
    return {
      run: (sql) => prisma.$transaction([prisma.$queryRawUnsafe(sql)]),
      close: () => prisma.$disconnect().then(() => pool.end()),
    }
  },
  Drizzle: (driver, connectionString) => {
    const pool = new driver.Pool({ connectionString })
    const db = drizzle({ client: pool })
    return { run: (text) => db.execute(drizzleSql.raw(text)), close: () => pool.end() }
  },
  'Kysely, with names in camel case': (driver, connectionString) => {
    const pool = new driver.Pool({ connectionString })
    const db = new Kysely({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
    return { run: (text) => kyselySql.raw(text).execute(db), close: () => db.destroy() }
  },
  TypeORM: async (driver, url) => {
    const dataSource = await new DataSource({ type: 'postgres', driver, url, installExtensions: false }).initialize()
    return { run: (sql) => dataSource.query(sql), close: () => dataSource.destroy() }
  },
  Sequelize: (driver, url) => {
    const sequelize = new Sequelize(url, { dialect: 'postgres', dialectModule: driver, logging: false })
    return { run: (sql) => sequelize.query(sql), close: () => sequelize.close() }
  },
  MikroORM: async (driver, clientUrl) => {
    const orm = await MikroORM.init({
      clientUrl,
      entities: [],
      discovery: { warnWhenNoEntities: false },
      driverOptions: { Client: driver.Client },
    })
    return { run: (sql) => orm.em.fork().execute(sql), close: () => orm.close() }
  },
  'postgres.js': (driver, url) => {
    const sql = (driver.Pool === Pool ? bindPostgresJs(postgres) : postgres)(url, { max: 5 })
    return { run: (text) => sql.unsafe(text), close: () => sql.end() }
  },
}

let place: Place
beforeAll(async () => {
  place = await openPostgres()
  await place.admin.query('grant daybook_reader to contract_app')
})
afterAll(async () => {
  await place.admin.query('revoke daybook_reader from contract_app')
  await place.close()
})

describe.each(Object.entries(LIBRARIES))('%s', (_name, open) => {
  test('B31 is told to carry the context, and not to where it has another driver', async () => {
    const codes = async (driver: typeof pg) => {
      const { run, close } = await open(driver, place.options.connectionString)
      const { findings } = await verifyWiring(run)
      await close()
      return findings.map(({ code }) => code)
    }
    expect(await codes({ ...pg, Client, Pool })).toEqual([])
    expect(await codes(pg)).toEqual(['context_not_carried'])
  })

  test('B31 shows a test what was recorded', async () => {
    const { run, close } = await open({ ...pg, Client, Pool }, place.options.connectionString)
    const log = await watchLog(run)
    await asTester(() => run("insert into invoice values (1, 'ada', 5)"))
    await asTester(() => run('delete from invoice where id = 1'))
    await log.expectEntries([
      { action: 'create', changes: { who: [null, 'ada'] }, actorId: TESTER.actor.id },
      { action: 'delete', actorId: TESTER.actor.id },
    ])
    await log.expectAttributed()
    await close()
  })
})
