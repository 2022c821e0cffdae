import { setTimeout as sleep } from 'node:timers/promises'
import { createDaybook, type Daybook } from 'daybook'
import { Client, createPool, Pool } from 'daybook/connection/pg'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { outcomeOf } from './outcome.ts'
import { APPLICATION, openPostgres, type Place } from './place.ts'
import { type Inside, ISOLATION_LEVELS, type OpenSubject, type Session, type Subject, type Wiring } from './subject.ts'

const REQUESTS = 50
const CONNECTIONS = 5

/** `pg` with Daybook's classes in the place of its own. */
const carrying: typeof pg = { ...pg, Client, Pool }

class Refused extends Error {}

/** What a request did that stays, as its entries should tell: action and object. */
type Kept = readonly string[]

interface SubjectOptions {
  readonly openPlace?: () => Promise<Place>
  /** What the context costs in the work whose results are compared; zero but where a stream of COPY is part of it. */
  readonly moreRoundTrips?: number
}

/** What holds for every library whose connections carry the context. */
export function describeSubject(
  name: string,
  open: OpenSubject,
  { openPlace = openPostgres, moreRoundTrips = 0 }: SubjectOptions = {},
): void {
  describe(name, () => {
    let place: Place
    let admin: pg.Pool
    let daybook: Daybook
    let pool: Pool
    let options: Wiring['options']
    let subject: Subject

    beforeAll(async () => {
      place = await openPlace()
      admin = place.admin
      options = { ...place.options, max: CONNECTIONS }
      pool = createPool({ ...place.options, max: 1 })
      daybook = createDaybook({ pool })
      subject = await open({ pg: carrying, options })
    })
    afterAll(async () => {
      daybook.close()
      await pool.end()
      await subject.close()
      await place.close()
    })
    beforeEach(() => admin.query('truncate invoice; truncate daybook.entry'))

    const as = <T>(requestId: string, work: () => T) => daybook.run({ requestId, actor: { id: requestId } }, work)

    interface Entry {
      readonly action: string
      readonly object_id: string | null
      readonly object_label: string | null
      readonly request_id: string | null
      readonly actor_type: string
      readonly actor_id: string | null
    }
    const entries = async () =>
      (
        await admin.query<Entry>(
          'select action, object_id, object_label, request_id, actor_type, actor_id from daybook.entries order by id',
        )
      ).rows
    const credited = async () =>
      (await entries()).map(({ action, object_id, request_id }) => `${action} ${object_id} by ${request_id}`)

    /** What is thrown is the library's own kind of error; what was meant to be refused must be. */
    const refused = (work: Promise<unknown>) => expect(work).rejects.toThrow()

    /** Each does what a request may do, with ids of its own, and says what must have stayed. */
    const requests: Record<string, (who: string, id: number) => Promise<Kept>> = {
      'writes without a transaction': async (who, id) => {
        await subject.session.insert(id, who, 1)
        await subject.session.read(who)
        await subject.session.update(id, 2)
        await subject.session.insert(id + 1, who, 1)
        await subject.session.remove(id + 1)
        return [`create ${id}`, `update ${id}`, `create ${id + 1}`, `delete ${id + 1}`]
      },
      'writes at the same time': async (who, id) => {
        await Promise.all([1, 2, 3].map((step) => subject.session.insert(id + step, who, step)))
        return [1, 2, 3].map((step) => `create ${id + step}`)
      },
      'statements that fail': async (who, id) => {
        await subject.session.insert(id, who, 1)
        await refused(subject.session.insert(id, who, 1))
        await refused(subject.session.update(id, -1))
        await refused(subject.session.query('select nowhere'))
        await subject.session.update(id, 3)
        return [`create ${id}`, `update ${id}`]
      },
      'a transaction': async (who, id) => {
        await subject.transaction(async (inside) => {
          await inside.read(who)
          await sleep(id % 3)
          await inside.insert(id, who, 1)
          await inside.update(id, 2)
        })
        return [`create ${id}`, `update ${id}`]
      },
      'a transaction that is rolled back': async (who, id) => {
        await refused(
          subject.transaction(async (inside) => {
            await inside.insert(id, who, 1)
            await sleep(id % 3)
            throw new Refused('changed my mind')
          }),
        )
        await subject.session.insert(id + 1, who, 1)
        return [`create ${id + 1}`]
      },
      'a transaction that fails': async (who, id) => {
        await refused(
          subject.transaction(async (inside) => {
            await inside.insert(id, who, 1)
            await inside.insert(id, who, 1)
          }),
        )
        await subject.session.insert(id, who, 1)
        return [`create ${id}`]
      },
      'nested transactions': async (who, id) => {
        await subject.transaction(async (outer) => {
          await outer.insert(id, who, 1)
          await outer.nested(async (inner) => {
            await inner.insert(id + 1, who, 1)
            await refused(
              inner.nested(async (innermost) => {
                await innermost.insert(id + 2, who, 1)
                await innermost.insert(id + 2, who, 1)
              }),
            )
            await inner.update(id + 1, 2)
          })
          await refused(
            outer.nested(async (inner) => {
              await inner.insert(id + 3, who, 1)
              throw new Refused('changed my mind')
            }),
          )
          await outer.insert(id + 4, who, 1)
        })
        return [`create ${id}`, `create ${id + 1}`, `update ${id + 1}`, `create ${id + 4}`]
      },
      'a savepoint before the first write': async (who, id) => {
        await subject.transaction(async (outer) => {
          await refused(
            outer.nested(async (inner) => {
              await inner.insert(id, who, 1)
              throw new Refused('changed my mind')
            }),
          )
          await outer.insert(id, who, 1)
        })
        return [`create ${id}`]
      },
      'a serializable transaction': async (who, id) => {
        await untilItHolds(() =>
          subject.transaction(async (inside) => {
            await inside.read(who)
            await inside.insert(id, who, 1)
            await inside.update(id, 2)
          }, 'serializable'),
        )
        return [`create ${id}`, `update ${id}`]
      },
      'a transaction with its level set by a statement': async (who, id) => {
        await subject.transaction(async (inside) => {
          await inside.query('set transaction isolation level repeatable read')
          await inside.insert(id, who, 1)
          await inside.nested((inner) => inner.update(id, 2))
        })
        return [`create ${id}`, `update ${id}`]
      },
    }

    /** As an application does it: what PostgreSQL could not serialize is tried again. */
    async function untilItHolds(work: () => Promise<unknown>): Promise<void> {
      for (let attempt = 0; ; attempt += 1) {
        try {
          await work()
          return
        } catch (error) {
          if (attempt === 50) throw error
          await sleep(attempt)
        }
      }
    }

    async function interleave(): Promise<Map<string, Kept>> {
      const kinds = Object.values(requests)
      const kept = await Promise.all(
        Array.from({ length: REQUESTS }, async (_, index) => {
          const work = kinds[index % kinds.length] as (who: string, id: number) => Promise<Kept>
          // Every tenth-but-one request has no context.
          const who = index % 11 === 10 ? `nobody${index}` : `r${index}`
          const run = () => work(who, 100 * (index + 1))
          return [who, await (who.startsWith('nobody') ? run() : as(who, run))] as const
        }),
      )
      return new Map(kept)
    }

    test('B29 B31 B33 50 interleaved requests over a pool of 5 are each credited with exactly what they did', async () => {
      const kept = await interleave()
      const found = new Map<string, string[]>([...kept.keys()].map((who) => [who, []]))
      for (const { action, object_id, object_label, request_id, actor_type, actor_id } of await entries()) {
        const who = request_id ?? object_label ?? ''
        expect({ actor_type, actor_id, object_label }).toEqual(
          request_id === null
            ? { actor_type: 'database', actor_id: APPLICATION, object_label: expect.stringMatching(/^nobody/) }
            : { actor_type: 'user', actor_id: who, object_label: who },
        )
        found.get(who)?.push(`${action} ${object_id}`)
      }
      const sorted = (each: ReadonlyMap<string, Kept>) =>
        Object.fromEntries([...each].map(([who, lines]) => [who, [...lines].sort()]))
      expect(sorted(found)).toEqual(sorted(kept))
    })

    test('B32 nothing of a context is left on any connection of the pool', async () => {
      await interleave()
      const atOnce = Math.min(CONNECTIONS, place.sessions)
      let missing = atOnce
      let arrived = () => {}
      const allHere = new Promise<void>((done) => {
        arrived = done
      })
      await Promise.all(
        Array.from({ length: atOnce }, () =>
          subject.transaction(async (inside) => {
            const [left] = await inside.query(
              "select coalesce(current_setting('daybook.context', true), '') as context",
            )
            expect(left).toEqual({ context: '' })
            // Each keeps its connection until all have one, so that every connection is looked at.
            missing -= 1
            if (missing === 0) arrived()
            await allHere
          }),
        ),
      )
    })

    test('B32 a context that ended within a transaction is credited with nothing after it', async () => {
      await subject.transaction(async (inside) => {
        await inside.insert(1, 'w', 1)
        await as('one', () => inside.update(1, 2))
        await inside.update(1, 3)
        await as('two', async () => {
          await inside.nested((inner) => inner.update(1, 4))
          await inside.update(1, 5)
        })
        await inside.remove(1)
      })
      expect(await credited()).toEqual([
        'create 1 by null',
        'update 1 by one',
        'update 1 by null',
        'update 1 by two',
        'update 1 by two',
        'delete 1 by null',
      ])
    })

    test('B30 what is learned late goes with the writes after it', async () => {
      await daybook.run({ requestId: 'r' }, () =>
        subject.transaction(async (inside) => {
          await inside.insert(1, 'w', 1)
          daybook.setActor({ id: 'ada' })
          await inside.update(1, 2)
        }),
      )
      expect(
        (await entries()).map(({ actor_type, actor_id, request_id }) => [actor_type, actor_id, request_id]),
      ).toEqual([
        ['anonymous', null, 'r'],
        ['user', 'ada', 'r'],
      ])
    })

    test.each(ISOLATION_LEVELS)(
      'B29 a transaction has the level that it was given, and its context: %s',
      async (level) => {
        const read = async (inside: Inside) =>
          Object.values((await inside.query('show transaction_isolation'))[0] ?? {})
        await as('r', async () => {
          await subject.transaction(async (inside) => {
            await inside.insert(1, 'r', 1)
            expect(await read(inside)).toEqual([level])
          }, level)
          await subject.transaction(async (inside) => {
            await inside.query(`set transaction isolation level ${level}, read write`)
            await inside.insert(2, 'r', 1)
            expect(await read(inside)).toEqual([level])
          })
        })
        expect(await credited()).toEqual(['create 1 by r', 'create 2 by r'])
      },
    )

    test('B33 a transaction that locks and then reads sees what was committed while it waited', async ({ skip }) => {
      skip(place.sessions === 1, 'one session waits for nobody')
      const holder = await admin.connect()
      await holder.query("begin; lock table invoice; insert into invoice values (1, 'holder', 1)")
      const reading = as('r', () =>
        subject.transaction(async (inside) => {
          await inside.query('set transaction isolation level repeatable read')
          await inside.query('lock table invoice in exclusive mode')
          const rows = await inside.query('select who from invoice')
          await inside.insert(2, 'r', 1)
          return rows
        }),
      )
      const waiting = "select from pg_locks where relation = 'invoice'::regclass and not granted"
      while ((await admin.query(waiting)).rowCount === 0) await sleep(5)
      await holder.query('commit')
      holder.release()
      expect(await reading).toEqual([{ who: 'holder' }])
      expect(await credited()).toEqual(['create 1 by null', 'create 2 by r'])
    })

    /** One after the other, so that two runs can be compared. */
    async function portrait({ session, transaction }: Subject): Promise<unknown[]> {
      const steps: (() => Promise<unknown>)[] = [
        () => session.insert(1, 'w', 1),
        () => session.insert(2, 'w', 2),
        () => session.read('w'),
        () => session.update(1, 5),
        () => session.update(99, 5),
        () => session.insert(1, 'again', 1),
        () => session.update(1, -1),
        () => session.query('select nowhere'),
        () => session.query('select $1::int as n, $2::text as t, now() - now() as zero, array[1, 2] as list', [1, 'x']),
        () => session.remove(2),
        () => session.remove(99),
        () => session.read('nobody'),
        () =>
          transaction(async (inside) => [
            await inside.insert(3, 'w', 3),
            await outcomeOf(() => inside.nested((inner) => inner.insert(3, 'again', 3))),
            await inside.nested((inner) => inner.update(3, 4)),
            await inside.read('w'),
          ]),
        () =>
          transaction(async (inside) => {
            await inside.insert(4, 'w', 4)
            throw new Refused('changed my mind')
          }),
        () =>
          transaction(async (inside) => {
            await inside.insert(5, 'w', 5)
            await inside.insert(5, 'again', 5)
          }),
        () => transaction((inside) => inside.read('w'), 'serializable'),
      ]
      const outcomes: unknown[] = []
      for (const step of steps) outcomes.push(await outcomeOf(step))
      return outcomes
    }

    test('B33 results, errors and types are those without Daybook, and so is the number of round trips', async () => {
      // Two that have lived through the same: some libraries close a connection after an error, and ask a new one for this and that.
      const [plain, own] = [await open({ pg, options }), await open({ pg: carrying, options })]
      onTestFinished(async () => {
        await plain.close()
        await own.close()
      })
      for (const each of [plain, own]) await portrait(each)
      const run = async (each: Subject) => {
        await admin.query('truncate invoice')
        place.takeRoundTrips()
        return [await as('r', () => portrait(each)), place.takeRoundTrips()] as const
      }
      // What a library asks of a new connection comes on top, and when it takes one is a matter of time: the least of some counts is its own.
      let [trips, taken] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
      for (let round = 0; round < 6 && (round === 0 || taken !== trips + moreRoundTrips); round += 1) {
        const [expected, some] = await run(plain)
        const [outcomes, others] = await run(own)
        expect(outcomes).toEqual(expected)
        trips = Math.min(trips, some)
        taken = Math.min(taken, others)
      }
      expect(taken).toBeLessThanOrEqual(trips + moreRoundTrips)
      expect(trips).toBeGreaterThan(25)
    })

    test('B40 an event in the library’s own transaction is kept or lost with it', async () => {
      const approve = (inside: Session, id: string) =>
        daybook.record({ action: 'invoice.approved', object: { model: 'Invoice', id } }, { client: inside })
      await as('r', async () => {
        await subject.transaction(async (inside) => {
          await inside.insert(1, 'r', 1)
          await approve(inside, '1')
          await refused(
            inside.nested(async (inner) => {
              await approve(inner, 'undone')
              throw new Refused('changed my mind')
            }),
          )
        })
        await refused(
          subject.transaction(async (inside) => {
            await inside.insert(2, 'r', 1)
            await approve(inside, 'lost')
            throw new Refused('changed my mind')
          }),
        )
      })
      expect(await credited()).toEqual(['create 1 by r', 'invoice.approved 1 by r'])
      const { rows } = await admin.query('select distinct transaction_id from daybook.entries')
      expect(rows).toHaveLength(1)
    })
  })
}
