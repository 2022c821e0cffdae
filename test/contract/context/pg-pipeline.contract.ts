import { createDaybook } from 'daybook'
import { createPool } from 'daybook/connection/pg'
import { expect, test } from 'vitest'
import { openPostgres } from './place.ts'
import { NAMED, PROMISES } from './plain-pg.ts'
import { describeSubject } from './suite.ts'

describeSubject('pg with a pipeline', ({ pg, options }) => PROMISES({ pg, options: { ...options, pipeline: true } }))
describeSubject('pg with a pipeline of named statements', ({ pg, options }) =>
  NAMED({ pg, options: { ...options, pipeline: true } }),
)

test('B31 B32 statements that are in flight together on one connection are each credited to their own', async () => {
  const place = await openPostgres()
  const pool = createPool({ ...place.options, max: 1, pipeline: true })
  const daybook = createDaybook({ pool })
  const client = await pool.connect()
  try {
    const insert = (id: number, who: string) => client.query('insert into invoice values ($1, $2, 1)', [id, who])
    const as = <T>(who: string, work: () => T) => daybook.run({ requestId: who }, work)
    const outcomes = await Promise.allSettled([
      as('a', () => insert(1, 'a')),
      insert(2, 'nobody'),
      as('b', () => client.query("insert into invoice values (3, 'b', 1)")),
      as('b', () => insert(1, 'b')),
      client.query('begin isolation level serializable'),
      client.query('set transaction read write'),
      insert(4, 'nobody'),
      as('c', () => insert(5, 'c')),
      insert(6, 'nobody'),
      as('d', () => client.query("insert into invoice values (7, 'd', 1); insert into invoice values (8, 'd', 1)")),
      client.query("insert into invoice values (9, 'nobody', 1); insert into invoice values (10, 'nobody', 1)"),
      as('d', () => client.query("do $$ begin insert into invoice values (11, 'd', 1); end $$")),
      as('d', () => client.query('savepoint a')),
      as('d', () => insert(12, 'lost')),
      client.query('rollback to a'),
      as('e', () => insert(13, 'e')),
      client.query('commit'),
      as('f', () => client.query('begin')),
      as('f', () => insert(1, 'f')),
      as('f', () => insert(14, 'f')),
      as('f', () => client.query('rollback')),
      as('g', () => client.query("insert into invoice values (15, 'nobody', 1); select 1")),
      as('g', () => client.query('vacuum invoice')),
      as('g', () => insert(16, 'g')),
    ])
    expect(outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))).toEqual([
      '23505',
      '23505',
      '25P02',
    ])
    expect(pool.unattributed).toBe(2)
    const { rows } = await place.admin.query(
      "select object_id as id, object_label as who, coalesce(request_id, 'nobody') as credited from daybook.entries where action = 'create' order by object_id::int",
    )
    expect(rows.filter(({ who, credited }) => who !== credited)).toEqual([])
    expect(rows.map(({ id }) => Number(id))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16])
    expect((await client.query("select coalesce(current_setting('daybook.context', true), '') as left")).rows).toEqual([
      { left: '' },
    ])
  } finally {
    daybook.close()
    client.release()
    await pool.end()
    await place.close()
  }
})
