import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Entry } from '../../src/core/entry.ts'
import { parseExactJson } from '../../src/core/exact-json.ts'
import { parseQuery } from '../../src/core/query.ts'
import { CSV_COLUMNS, escapeCell, exportCsv, unescapeCell } from '../../src/export/index.ts'
import { testEntry } from '../core/entry.ts'
import fc from '../fast-check.ts'
import { createTestLog, type TestLog } from '../store/log.ts'
import { parseCsv } from './csv-lines.ts'

async function* all(...entries: readonly Entry[]) {
  yield* entries
}

const bytesOf = (entries: AsyncIterable<Entry>) => new Response(exportCsv(entries)).arrayBuffer()
const linesOf = async (entries: AsyncIterable<Entry>) =>
  parseCsv(new TextDecoder('utf-8', { fatal: true }).decode(await bytesOf(entries)))

async function cellsOf(parts: Partial<Entry>): Promise<Record<string, string>> {
  const [header = [], cells = []] = await linesOf(all(testEntry(parts)))
  return Object.fromEntries(header.map((name, index) => [name, cells[index] ?? '']))
}

describe('a CSV file', () => {
  test('begins with a byte order mark and a header, and ends each line with CRLF', async () => {
    const bytes = new Uint8Array(await bytesOf(all()))
    expect([...bytes.slice(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
    expect(new TextDecoder().decode(bytes)).toBe(`${CSV_COLUMNS.join(',')}\r\n`)
  })

  test('B56 holds every value so that it can be read back exactly', async () => {
    const value = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('=1+1', '\t=1', '"', '\r\n', "'=1", "''", ',', '-5', '\uFFFE', '\u0007', 'x'.repeat(40_000)),
    )
    await fc.assert(
      fc.asyncProperty(value, value, async (objectLabel, actorLabel) => {
        const cells = await cellsOf({ objectLabel, actorLabel })
        expect(unescapeCell(cells.object_label ?? '')).toBe(objectLabel)
        expect(unescapeCell(cells.actor_label ?? '')).toBe(actorLabel)
      }),
    )
  })

  test('B56 keeps lone surrogates, control characters and digits of recorded changes', async () => {
    const changes = parseExactJson('{"a":["\\ud800\\u0000",1.00],"b":[9007199254740993,null]}') as Entry['changes']
    expect((await cellsOf({ changes })).changes).toBe('{"a":["\\ud800\\u0000",1.00],"b":[9007199254740993,null]}')
  })

  test.each(['=1+1', '+SUM(A1)', '-2+3', '@cmd', '\t=1', '\r=1', '\n', ' =1', '\u200b=1', '＝1', "'text", '+47 22 33'])(
    'B56 shows %j as text in a spreadsheet',
    (cell) => {
      expect(escapeCell(cell)).toBe(`'${cell}`)
      expect(unescapeCell(escapeCell(cell))).toBe(cell)
    },
  )

  test.each(['-5', '+5', '-1.50', '1e9', '-.5', 'text', '2026-11-23', '{"a":1}', ''])(
    'B56 leaves %j as it is',
    (cell) => {
      expect(escapeCell(cell)).toBe(cell)
    },
  )

  test('B55 takes entries only as they are read, sends the header at once, and stops the query when it is cancelled', async () => {
    let taken = 0
    let ended = false
    async function* endless() {
      try {
        for (;;) {
          taken += 1
          yield testEntry()
        }
      } finally {
        ended = true
      }
    }
    const reader = exportCsv(endless()).getReader()
    const first = await reader.read()
    expect(new TextDecoder().decode(first.value)).toContain('recorded_at')
    await reader.read()
    await reader.read()
    expect(taken).toBeLessThan(2000)
    await reader.cancel()
    expect(ended).toBe(true)
  })

  test('ends in an error where reading fails, never as a file that looks whole', async () => {
    async function* broken() {
      yield testEntry()
      throw new Error('the connection was lost')
    }
    await expect(bytesOf(broken())).rejects.toThrow('the connection was lost')
  })
})

describe('an export of a filter', () => {
  let log: TestLog
  beforeAll(async () => {
    log = await createTestLog()
    await log.write(
      ...Array.from({ length: 40 }, (_, n) => ({
        model: n % 4 ? 'Product' : 'Invoice',
        object_id: String(n),
        changes: { price: [n, n + 0.5], iban: [{ $daybook: 'masked' }, { $daybook: 'masked' }] },
        changed_fields: ['price', 'iban'],
      })),
    )
  })
  afterAll(() => log.close())

  test('B54 holds exactly what the filter shows, masked as it is shown', async () => {
    const filter = parseQuery('model:Invoice')
    const shown = await log.store.page({ filter, limit: 100 })
    const [, ...lines] = await linesOf(log.store.stream(filter))
    expect(lines.map(([id]) => id)).toEqual(shown.entries.map((entry) => entry.id))
    expect(lines).toHaveLength(10)
    expect(lines[0]?.[CSV_COLUMNS.indexOf('changes')]).toContain('{"$daybook":"masked"}')
  })

  test('has the columns of the view, in its order', async () => {
    const { rows } = await log.pool.query(
      "select attname from pg_attribute where attrelid = 'daybook.entries'::regclass and attnum > 0 order by attnum",
    )
    expect(rows.map((row) => row.attname)).toEqual(CSV_COLUMNS)
  })
})
