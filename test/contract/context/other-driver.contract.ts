import postgres, { type TransactionSql } from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { APPLICATION, openPostgres, type Place } from './place.ts'

let place: Place
let sql: postgres.Sql

beforeAll(async () => {
  place = await openPostgres()
  sql = postgres(place.options.connectionString, { max: 5 })
})
afterAll(async () => {
  await sql.end()
  await place.close()
})

// As docs/connection.md shows it.
function beginAs(
  who: { id: string; label: string; requestId: string },
  work: (sql: TransactionSql) => Promise<unknown>,
) {
  const context = { actor: { type: 'user', id: who.id, label: who.label }, request_id: who.requestId }
  return sql.begin(async (transaction) => {
    await transaction`select set_config('daybook.context', ${JSON.stringify(context)}, true)`
    return work(transaction)
  })
}

test('B31 B32 through a driver that Daybook does not know, transactions that begin with their context are credited with it, and nothing else is', async () => {
  await Promise.all(
    Array.from({ length: 50 }, async (_, id) => {
      if (id % 5 === 4) return sql`insert into invoice values (${id}, 'nobody', 1)`
      const who = { id: `u${id}`, label: `${id}@example.com`, requestId: `r${id}` }
      return beginAs(who, async (transaction) => {
        await transaction`insert into invoice values (${id}, ${who.requestId}, 1)`
        if (id % 5 === 3) throw new Error('changed my mind')
      }).catch((error) => expect(error.message).toBe('changed my mind'))
    }),
  )
  const { rows } = await place.admin.query(
    `select object_label as who, coalesce(request_id, 'nobody') as credited, coalesce(actor_label, actor_type) as actor
     from daybook.entries where action = 'create' order by object_id::int`,
  )
  expect(rows).toEqual(
    Array.from({ length: 50 }, (_, id) =>
      id % 5 === 4
        ? { who: 'nobody', credited: 'nobody', actor: APPLICATION }
        : { who: `r${id}`, credited: `r${id}`, actor: `${id}@example.com` },
    ).filter((_, id) => id % 5 !== 3),
  )
  await Promise.all(
    Array.from({ length: 5 }, () =>
      sql.begin(async (transaction) => {
        const [left] = await transaction`select coalesce(current_setting('daybook.context', true), '') as context`
        expect(left).toEqual({ context: '' })
      }),
    ),
  )
})
