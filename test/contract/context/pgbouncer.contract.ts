import { createDaybook } from 'daybook'
import { createPool } from 'daybook/connection/pg'
import pg from 'pg'
import { expect, test } from 'vitest'
import { openPgBouncer } from './pgbouncer.ts'
import { CALLBACKS, COPY_ROUND_TRIPS, COPY_STREAMS, CURSORS, PROMISES, QUERY_STREAMS } from './plain-pg.ts'
import { WAYS } from './postgres-js-ways.ts'
import { describeSubject } from './suite.ts'

// PgBouncer knows of named statements from 1.21 on.
describeSubject('pg with promises, behind PgBouncer', PROMISES, { openPlace: openPgBouncer })
describeSubject('pg with callbacks, behind PgBouncer', CALLBACKS, { openPlace: openPgBouncer })
describeSubject('pg with cursors, behind PgBouncer', CURSORS, { openPlace: openPgBouncer })
describeSubject('pg with query streams, behind PgBouncer', QUERY_STREAMS, { openPlace: openPgBouncer })
describeSubject('pg with copy streams, behind PgBouncer', COPY_STREAMS, {
  openPlace: openPgBouncer,
  moreRoundTrips: COPY_ROUND_TRIPS,
})
// Where values need describing first, postgres.js itself waits for ever now and then on one server connection of PgBouncer 1.18.
describeSubject('postgres.js with texts alone, behind PgBouncer', WAYS['a text alone, in a Query message'], {
  openPlace: openPgBouncer,
})

test('B33 behind PgBouncer a context never reaches the statement of somebody else on the same server connection', async () => {
  const place = await openPgBouncer()
  const pools = [createPool({ ...place.options, max: 4 }), createPool({ ...place.options, max: 4 })]
  const stranger = new pg.Pool({ ...place.options, max: 4 })
  const daybooks = pools.map((pool) => createDaybook({ pool }))
  try {
    const write = async (pool: pg.Pool, who: string, id: number) => {
      if (id % 4 < 3) return pool.query('insert into invoice values ($1, $2, 1)', [id, who])
      const client = await pool.connect()
      try {
        await client.query('begin')
        await client.query('insert into invoice values ($1, $2, 1)', [id, who])
        await client.query(id % 8 === 3 ? 'commit' : 'rollback')
      } finally {
        client.release()
      }
    }
    await Promise.all(
      Array.from({ length: 300 }, (_, id) => {
        const [pool, daybook] = [pools[id % 3], daybooks[id % 3]]
        if (!pool || !daybook) return write(stranger, 'nobody', id)
        return daybook.run({ requestId: `r${id}` }, () => write(pool, `r${id}`, id))
      }),
    )
    const { rows } = await place.admin.query<{ who: string; credited: string }>(
      "select changes -> 'who' ->> 1 as who, coalesce(request_id, 'nobody') as credited from daybook.entries where action = 'create' order by id",
    )
    expect(rows).toHaveLength(263)
    expect(rows.filter(({ who, credited }) => who !== credited)).toEqual([])
    const connections = "select from pg_stat_activity where usename = 'contract_app' and datname = current_database()"
    expect((await place.admin.query(connections)).rowCount).toBe(1)
  } finally {
    for (const daybook of daybooks) daybook.close()
    for (const pool of [...pools, stranger]) await pool.end()
    await place.close()
  }
})
