import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Filter } from '../../src/core/filter.ts'
import type { Page } from '../../src/store/index.ts'
import fc from '../fast-check.ts'
import { createTestLog, type TestLog } from './log.ts'

describe('pages of entries that statements share', () => {
  let log: TestLog
  beforeAll(async () => {
    log = await createTestLog()
  })
  afterAll(() => log.close())

  test('B46 walks any log in pages of any size, there and back, each entry once and statements as wholes', async () => {
    // Which statement each entry belongs to: their ids interleave, as those of concurrent statements do.
    const logs = fc.array(fc.record({ statement: fc.integer({ min: 0, max: 5 }), model: fc.constantFrom('A', 'B') }), {
      minLength: 1,
      maxLength: 30,
    })
    await fc.assert(
      fc.asyncProperty(logs, fc.integer({ min: 1, max: 7 }), fc.boolean(), async (entries, limit, filtered) => {
        await log.pool.query('truncate daybook.entry')
        const first = new Map<number, { id: string; model: string }>()
        for (const { statement, model } of entries) {
          const shared = first.get(statement)
          const [id = ''] = await log.write({
            recorded_at: `2026-11-01T00:00:0${statement}Z`,
            model: shared?.model ?? model,
            statement_id: shared?.id ?? null,
          })
          if (!shared) first.set(statement, { id, model })
        }
        const filter: Filter = filtered ? { model: ['A'] } : {}
        const { rows } = await log.pool.query<{ id: string }>(
          `select id from daybook.entries where ${filtered ? "model = 'A'" : 'true'} order by statement_id desc, id desc`,
        )
        const expected = rows.map(({ id }) => id)

        const pages: Page[] = [await log.store.page({ filter, limit })]
        for (let page = pages[0]; page?.older; ) {
          page = await log.store.page({ filter, limit, ...page.older })
          pages.push(page)
        }
        const idsOf = ({ entries: found }: Page) => found.map(({ id }) => id)
        expect(pages.flatMap(idsOf)).toEqual(expected)
        expect(await log.store.count(filter)).toEqual({ count: expected.length, orMore: false })
        expect(await log.store.countExactly(filter)).toBe(expected.length)

        for (let at = pages.length - 1; at > 1; at -= 1) {
          const back = await log.store.page({ filter, limit, ...pages[at]?.newer })
          expect(idsOf(back)).toEqual(idsOf(pages[at - 1] as Page))
        }
      }),
      { numRuns: 15 },
    )
  })
})
