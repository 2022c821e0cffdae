import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baseline, doctor, track, trackedTables } from '../../src/capture/postgres/index.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

let log: CaptureLog
const SECRET = '4929-1111-2222-3333'
const MASKED = { $daybook: 'masked' }

beforeAll(async () => {
  log = await createCaptureLog()
  await log.run('create table account (id int primary key, meta jsonb, raw json, name text)')
  await log.run(
    `insert into account values (100, '{"card": {"number": "${SECRET}", "brand": "x"}}', '{"pin": "${SECRET}"}', 'before')`,
  )
  await track(log.database, 'account', {
    mask: ['meta.card.number', 'meta.list.*.token', 'meta["odd.key"]', 'raw.pin'],
  })
})
afterAll(() => log?.close())

async function written(meta: unknown, raw = '{"a": 1}') {
  await log.entries()
  await log.run('delete from account where id = 1')
  await log.run('insert into account values (1, $1, $2, null)', [JSON.stringify(meta), raw])
  return (await log.entries()).at(-1)?.changes
}

describe('a path inside a JSON column', () => {
  it('B26 is masked in what is made, changed and removed, and stands nowhere in the log', async () => {
    const meta = {
      card: { number: SECRET, brand: 'visa' },
      list: [{ a: { token: SECRET } }, { b: [{ TOKEN: SECRET }] }],
      'odd.key': SECRET,
      open: 1,
    }
    expect(await written(meta, `{"pin": "${SECRET}", "b": [1.50]}`)).toMatchObject({
      meta: [
        null,
        {
          card: { number: MASKED, brand: 'visa' },
          list: [{ a: { token: MASKED } }, { b: [{ TOKEN: MASKED }] }],
          'odd.key': MASKED,
          open: 1,
        },
      ],
      raw: [null, { pin: MASKED, b: [1.5] }],
    })
    // That it changed is recorded.
    await log.run(
      `update account set meta = jsonb_set(meta, '{card,number}', '"${SECRET.replace('1', '7')}"') where id = 1`,
    )
    expect(await log.entries()).toMatchObject([{ action: 'update', changed_fields: ['meta'] }])
    // Of many rows, and of large ones.
    await log.run(
      `insert into account select g, '{"card": {"number": "${SECRET}"}}', null, repeat('x', 5000) from generate_series(2, 4) g`,
    )
    await log.run('delete from account where id < 100')
    await baseline(log.database, 'account')
    expect((await log.entries()).at(-1)).toMatchObject({
      action: 'baseline',
      changes: { meta: [null, { card: { number: MASKED, brand: 'x' } }], raw: [null, { pin: MASKED }] },
    })
    const { rows } = await log.run('select id from daybook.entry e where e::text ~ $1', ['(4929|7929)-'])
    expect(rows).toEqual([])
  })

  it('B26 leaves what is not there as it is, and masks the whole of what can not be searched', async () => {
    for (const meta of [
      null,
      5,
      'text',
      [],
      {},
      { card: 5 },
      { card: null },
      { card: { number: null } },
      { list: [[1]] },
    ]) {
      expect((await written(meta))?.meta, JSON.stringify(meta)).toEqual([null, meta])
    }
    for (const raw of ['{"pin": "\\u0000"}', '["\\ud800"]', '1e400000'])
      expect((await written({}, raw))?.raw, raw).toEqual([null, MASKED])
    expect((await written({}, '{"pin": 1, "pin": 2}'))?.raw).toEqual([null, { pin: MASKED }])
  })

  it('B26 stays masked when the column is renamed, and a table that is so is as its log says', async () => {
    await log.run(
      `delete from account; alter table account rename column meta to data; insert into account values (1, '{"card": {"number": "${SECRET}"}}', null, null)`,
    )
    expect((await log.entries()).at(-1)?.changes.data).toEqual([null, { card: { number: MASKED } }])
    const { findings } = await doctor(log.database)
    expect(findings.filter(({ code }) => /row|value/.test(code))).toEqual([])
    expect((await trackedTables(log.database))[0]?.options.mask).toContain('data.card.number')
  })

  it('B26 that leads nowhere is refused', async () => {
    await expect(track(log.database, 'account', { mask: ['nothing.at.all'] })).rejects.toMatchObject({
      code: 'unknown_column',
    })
    await expect(track(log.database, 'account', { mask: ['name.first'] })).rejects.toMatchObject({
      code: 'not_trackable',
    })
    await expect(track(log.database, 'account', { mask: ['data..x'] })).rejects.toMatchObject({
      code: 'unknown_column',
    })
  })
})
