import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/connection/database.ts'
import { fromPgPool, type Pool } from '../../src/connection/pg.ts'
import { addToContext, openContext, runInContext, writeContext } from '../../src/core/context.ts'

/** A database with a pool that carries the context; the suite makes its tables itself. */
export interface ContextSubject {
  createPool(max: number): Pool
  close(): Promise<void>
}

interface Seen {
  readonly who: string
  readonly context: string
}

const INSERT = "insert into seen (who, context) values ($1, coalesce(current_setting('daybook.context', true), ''))"

/** An insert that can stand in a text beside others; `who` is a word. */
function insert(who: string): string {
  return INSERT.replace('$1', `'${who}'`)
}

/** As who, a row was written: the request id of the context that the database saw. */
function requestOf({ context }: Seen): string {
  const [, quoted] = /^\("anonymous",,,,"((?:[^"\\]|""|\\\\)*)",/.exec(context) ?? []
  return quoted?.replace(/(["\\])\1/g, '$1') ?? (context === '' ? 'nobody' : context)
}

/** What holds for every connection that carries the context. */
export function describeContext(name: string, open: () => Promise<ContextSubject>): void {
  describe(name, () => {
    let subject: ContextSubject
    let pool: Pool
    let database: Database

    beforeAll(async () => {
      subject = await open()
      pool = subject.createPool(5)
      database = fromPgPool(pool)
      await pool.query(
        'create table seen (id bigint generated always as identity primary key, who text unique, context text)',
      )
    })
    afterAll(async () => {
      await pool.end()
      await subject.close()
    })
    beforeEach(async () => {
      await pool.query('truncate seen')
    })

    const as = <T>(requestId: string, work: () => T) => runInContext({ requestId }, work)
    const seen = async () => (await pool.query<Seen>('select who, context from seen order by id')).rows
    const credited = async () => Object.fromEntries((await seen()).map((row) => [row.who, requestOf(row)]))
    const withClient = async (work: (client: PoolClient) => Promise<unknown>) => {
      const client = await pool.connect()
      try {
        await work(client)
      } finally {
        client.release()
      }
    }

    const ways: Record<string, (who: string) => Promise<unknown>> = {
      bound: (who) => pool.query(INSERT, [who]),
      'text alone': (who) => pool.query(insert(who)),
      named: (who) => pool.query({ name: 'insert', text: INSERT, values: [who] }),
      'two in one text': (who) => pool.query(`${insert(who)}; ${insert(`${who}+`)}`),
      failing: (who) =>
        expect(
          pool.query('insert into seen (who, context) values ($1, 1 / (length($1) - length($1)))', [who]),
        ).rejects.toThrow('division by zero'),
      transaction: (who) =>
        database.transaction(async (inside) => {
          await inside.query('select 1')
          await sleep(who.length % 3)
          await inside.query(INSERT, [who])
        }),
      'rolled back': (who) =>
        expect(
          database.transaction(async (inside) => {
            await inside.query(INSERT, [who])
            throw new Error('changed my mind')
          }),
        ).rejects.toThrow('changed my mind'),
      'callback of the pool': (who) =>
        new Promise<void>((done, fail) => {
          pool.query('select 1', (error) => {
            if (error) return fail(error)
            pool.query(INSERT, [who], (failure) => (failure ? fail(failure) : done()))
          })
        }),
      'callback of a client': (who) =>
        new Promise<void>((done, fail) => {
          pool.connect((error, client, release) => {
            if (error || !client) return fail(error)
            client.query('select 1', () => {
              client.query(INSERT, [who], (failure) => {
                release()
                if (failure) fail(failure)
                else done()
              })
            })
          })
        }),
    }

    test('B31 hundreds of interleaved requests over a pool of 5 are each credited with their own writes', async () => {
      const names = Object.keys(ways)
      await Promise.all(
        Array.from({ length: 450 }, (_, index) => {
          const way = ways[names[index % names.length] ?? ''] as (who: string) => Promise<unknown>
          // Every tenth request is without a context.
          return index % 10 === 9 ? way(`n${index}`) : as(`r${index}`, () => way(`r${index}`))
        }),
      )
      const rows = await seen()
      expect(
        rows.filter((row) => requestOf(row) !== (row.who.startsWith('n') ? 'nobody' : row.who.replace('+', ''))),
      ).toEqual([])
      // 9 ways, of which one fails, one rolls back and one writes two rows: 8 rows of 9 requests.
      expect(rows.length).toBe(400)
      expect(pool.unattributed).toBe(0)
    })

    test.each(Object.keys(ways).filter((way) => way !== 'failing' && way !== 'rolled back'))(
      'B31 the context goes with a write that is %s',
      async (way) => {
        await as('mine', () => ways[way]?.('written'))
        expect((await credited()).written).toBe('mine')
      },
    )

    test('B32 an inner context adds to the outer one, which is back afterwards, on the same connection', async () => {
      await withClient(async (client) => {
        await runInContext({ requestId: 'outer', tenantId: 'acme' }, async () => {
          await client.query(INSERT, ['before'])
          await runInContext({ requestId: 'inner' }, () => client.query(INSERT, ['within']))
          await client.query(INSERT, ['after'])
        })
        await client.query(INSERT, ['left'])
      })
      expect((await seen()).map(({ who, context }) => [who, context])).toEqual([
        ['before', writeContext({ requestId: 'outer', tenantId: 'acme' })],
        ['within', writeContext({ requestId: 'inner', tenantId: 'acme' })],
        ['after', writeContext({ requestId: 'outer', tenantId: 'acme' })],
        ['left', ''],
      ])
    })

    test('B32 a context that ended is not credited with later writes of the same transaction', async () => {
      await withClient(async (client) => {
        await client.query('begin')
        await client.query(INSERT, ['first'])
        await as('one', () => client.query(INSERT, ['one']))
        await client.query(insert('between'))
        await as('two', () => client.query(`${insert('two')}; ${insert('two+')}`))
        await client.query(`${insert('last')}; ${insert('last+')}`)
        await as('three', () => client.query(INSERT, ['three']))
        await client.query(`savepoint own; ${insert('shaped')}; release own`)
        await client.query('commit')
      })
      expect(await credited()).toEqual({
        first: 'nobody',
        one: 'one',
        between: 'nobody',
        two: 'two',
        'two+': 'two',
        last: 'nobody',
        'last+': 'nobody',
        three: 'three',
        shaped: 'nobody',
      })
    })

    test('B32 what a context left running is not credited to it', async () => {
      const request = openContext({ requestId: 'request' })
      let finish: (() => void) | undefined
      const late = request.run(async () => {
        await pool.query(INSERT, ['during'])
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        await pool.query(INSERT, ['late'])
      })
      while (!finish) await sleep(1)
      request.end()
      finish()
      await late
      expect(await credited()).toEqual({ during: 'request', late: 'nobody' })
    })

    test('B30 what is learned late goes with the writes after it, also within a transaction', async () => {
      await as('request', () =>
        database.transaction(async (inside) => {
          await inside.query(INSERT, ['before'])
          addToContext({ requestId: 'known' })
          await inside.query(INSERT, ['after'])
        }),
      )
      expect(await credited()).toEqual({ before: 'request', after: 'known' })
    })

    test('B32 nothing of a context is left on the connection, after an error either', async () => {
      await withClient(async (client) => {
        const left = async () =>
          (await client.query("select current_setting('daybook.context', true) as left")).rows[0].left || ''
        await as('one', () => client.query(INSERT, ['ok']))
        expect(await left()).toBe('')
        await as('one', () => client.query(INSERT, ['ok']).catch(() => {}))
        expect(await left()).toBe('')
        await as('one', () => client.query(`${insert('some')}; ${insert('ok')}`).catch(() => {}))
        expect(await left()).toBe('')
        await client.query('begin')
        await as('one', () => client.query(INSERT, ['ok']).catch(() => {}))
        await client.query('rollback')
        expect(await left()).toBe('')
      })
      expect(await credited()).toEqual({ ok: 'one' })
    })

    test('B32 the context is there again after a rollback to a savepoint and after COMMIT AND CHAIN', async () => {
      await as('mine', () =>
        withClient(async (client) => {
          await client.query('begin')
          await client.query('savepoint a')
          await client.query(INSERT, ['undone'])
          await client.query('rollback to savepoint a')
          await client.query(INSERT, ['kept'])
          await expect(client.query(INSERT, ['kept'])).rejects.toThrow('unique')
          await client.query('rollback to savepoint a')
          await client.query(INSERT, ['kept'])
          await client.query('commit and chain')
          await client.query(INSERT, ['chained'])
          await client.query('commit')
        }),
      )
      expect(await credited()).toEqual({ kept: 'mine', chained: 'mine' })
    })

    test.each([
      ['begin isolation level serializable', 'serializable'],
      ['begin; set transaction isolation level repeatable read', 'repeatable read'],
      ['start transaction isolation level repeatable read, read write', 'repeatable read'],
    ])('B32 a transaction that starts with %s has its isolation and its context', async (start, isolation) => {
      await as('mine', () =>
        withClient(async (client) => {
          await client.query(start)
          expect((await client.query('show transaction_isolation')).rows).toEqual([
            { transaction_isolation: isolation },
          ])
          await client.query(INSERT, ['written'])
          await client.query('commit')
        }),
      )
      expect(await credited()).toEqual({ written: 'mine' })
    })

    test('B32 SET TRANSACTION, SET LOCAL and LOCK may come first in a transaction', async () => {
      await as('mine', () =>
        withClient(async (client) => {
          await client.query('begin')
          await client.query('set transaction isolation level serializable')
          await client.query("set local statement_timeout = '5s'")
          await client.query('lock table seen in exclusive mode')
          await client.query(INSERT, ['written'])
          expect((await client.query('show transaction_isolation')).rows).toEqual([
            { transaction_isolation: 'serializable' },
          ])
          await client.query('commit')
        }),
      )
      expect(await credited()).toEqual({ written: 'mine' })
    })

    test('what must run outside a transaction still succeeds, and is counted', async () => {
      const other = subject.createPool(1)
      await as('mine', async () => {
        await other.query('vacuum seen')
        await other.query('create index concurrently seen_context on seen (context)')
        await other.query('reindex index concurrently seen_context')
        await other.query('drop index seen_context')
        await other.query('discard all')
        await other.query(INSERT, ['afterwards'])
      })
      expect(other.unattributed).toBe(4)
      expect(await credited()).toEqual({ afterwards: 'mine' })
      await other.end()
    })

    test('several statements in one text are one transaction, as they are without Daybook', async () => {
      await as('mine', async () => {
        await expect(pool.query(`${insert('a')}; ${insert('b')}; ${insert('a')}`)).rejects.toMatchObject({
          code: '23505',
        })
        const results = (await pool.query(`${insert('c')}; select 1 as one; -- end`)) as unknown as {
          command: string
          rows: unknown[]
        }[]
        expect(results.map(({ command, rows }) => [command, rows])).toEqual([
          ['INSERT', []],
          ['SELECT', [{ one: 1 }]],
        ])
      })
      expect(await credited()).toEqual({ c: 'mine' })
    })

    test('a text with transaction control of its own goes as it is, and is counted', async () => {
      const other = subject.createPool(1)
      await as('mine', () => other.query(`begin; ${insert('inside')}; commit; ${insert('outside')}`))
      expect(other.unattributed).toBe(1)
      expect(await credited()).toEqual({ inside: 'nobody', outside: 'nobody' })
      await other.end()
    })

    test('a procedure and a DO block carry the context; one that commits succeeds, and is counted if without it', async () => {
      const other = subject.createPool(1)
      await other.query(`
        create or replace procedure quiet(who text) language sql as $$ ${INSERT} $$;
        create or replace procedure committing(who text) language plpgsql as $$ begin ${INSERT}; commit; end $$`)
      await as('mine', async () => {
        await other.query('call quiet($1)', ['called'])
        await other.query(`do $$ begin ${insert('done')}; end $$`)
        expect(other.unattributed).toBe(0)
        await other.query('call committing($1)', ['called and committed'])
        await other.query(`do $$ begin ${insert('done and committed')}; commit; end $$`)
        await expect(database.transaction((inside) => inside.query("call committing('within')"))).rejects.toMatchObject(
          {
            code: '2D000',
          },
        )
      })
      // Servers before 18 let it commit with the context, which then lasts to its first COMMIT.
      const committed = other.unattributed === 0 ? 'mine' : 'nobody'
      expect([0, 2]).toContain(other.unattributed)
      expect(await credited()).toEqual({
        called: 'mine',
        done: 'mine',
        'called and committed': committed,
        'done and committed': committed,
      })
      await other.end()
    })

    test('a named statement whose first try failed can be used again with its name', async () => {
      await as('mine', () =>
        withClient(async (client) => {
          const query = { name: 'later', text: 'select count(*)::int as n from later' }
          await expect(client.query(query)).rejects.toMatchObject({ code: '42P01' })
          await client.query('create temporary table later (a int)')
          expect((await client.query(query)).rows).toEqual([{ n: 0 }])
          expect((await client.query(query)).rows).toEqual([{ n: 0 }])
          await expect(client.query({ name: 'later', text: 'select 1' })).rejects.toThrow('must be unique')
          await expect(client.query({ text: 'select $1', values: 'no list' as never })).rejects.toThrow(
            'must be an array',
          )
          await client.query(INSERT, ['still works'])
        }),
      )
      expect(await credited()).toEqual({ 'still works': 'mine' })
    })

    test('B34 a hostile context is bound, never run', async () => {
      const hostile = `'; drop table seen; -- $1 \\ "`
      await as(hostile, () => pool.query(INSERT, ['written']))
      await as(hostile, () => pool.query(`${insert('a')}; ${insert('b')}`))
      expect(await credited()).toEqual({ written: hostile, a: hostile, b: hostile })
    })

    test('a transaction of the seam commits, rolls back, and nests as savepoints', async () => {
      await as('mine', async () => {
        await database.transaction(async (outer) => {
          await outer.query(INSERT, ['outer'])
          await expect(
            outer.transaction(async (inner) => {
              await inner.query(INSERT, ['inner'])
              await inner.query(INSERT, ['inner'])
            }),
          ).rejects.toMatchObject({ code: '23505' })
          await outer.transaction((inner) => inner.query(INSERT, ['second']))
        })
        await expect(
          database.transaction(async (inside) => {
            await inside.query(INSERT, ['swallowed'])
            await inside.query(INSERT, ['swallowed']).catch(() => {})
          }),
        ).rejects.toMatchObject({ code: 'transaction_failed' })
      })
      expect(await credited()).toEqual({ outer: 'mine', second: 'mine' })
    })

    test('the seam gives rows and their number, of the last statement where a text holds several', async () => {
      expect(await database.query('select $1::int as n', [7])).toEqual({ rows: [{ n: 7 }], rowCount: 1 })
      expect(await database.query('create table if not exists nothing (); select 1 as one')).toEqual({
        rows: [{ one: 1 }],
        rowCount: 1,
      })
    })
  })
}
