import { install, track } from 'daybook/capture/postgres'
import { fromPgPool } from 'daybook/connection/pg'
import type pg from 'pg'
import { createLoginRole, createTestDatabase } from '../../database.ts'
import { tap } from './wire-tap.ts'

/** The role that the application signs in as, which owns nothing. */
export const APPLICATION = 'contract_app'

/** A database whose table `invoice` is tracked, and how the application reaches it. */
export interface Place {
  /** A pool of the superuser, without Daybook and past any pooler. */
  readonly admin: pg.Pool
  /** What the application's pool is made of. */
  readonly options: pg.PoolConfig & { readonly connectionString: string }
  /** How many transactions can be open at the same time. */
  readonly sessions: number
  /** How many round trips the application has asked for since this was last called. */
  takeRoundTrips(): number
  close(): Promise<void>
}

export async function prepare(admin: pg.Pool): Promise<void> {
  await createLoginRole(admin, APPLICATION)
  await install(fromPgPool(admin), { applicationRoles: [APPLICATION] })
  await admin.query(`
    create table invoice (id int primary key, who text not null, total int not null check (total >= 0));
    grant all on invoice to ${APPLICATION}`)
  await track(fromPgPool(admin), 'public.invoice', { label: 'who' })
}

/** On the run's server. */
export async function openPostgres(): Promise<Place> {
  const database = await createTestDatabase('contract')
  await prepare(database.pool)
  const wire = await tap(database.urlAs(APPLICATION))
  return {
    admin: database.pool,
    options: { connectionString: wire.url },
    sessions: Number.POSITIVE_INFINITY,
    takeRoundTrips: wire.takeRoundTrips,
    async close() {
      await wire.close()
      await database.close()
    },
  }
}
