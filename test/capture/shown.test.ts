import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromPgPool } from '../../src/connection/pg.ts'
import { parseQuery, printQuery } from '../../src/core/query.ts'
import { createDashboard, type Dashboard } from '../../src/dashboard/index.ts'
import { exportCsv, unescapeCell } from '../../src/export/index.ts'
import { createStore, type Store } from '../../src/store/index.ts'
import { parseCsv } from '../export/csv-lines.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

let log: CaptureLog
let dashboard: Dashboard
let store: Store

beforeAll(async () => {
  log = await createCaptureLog()
  await log.table('create table paper (id int primary key, j json, jb jsonb, body text)', 'paper')
  store = createStore(fromPgPool(log.pool))
  dashboard = createDashboard({
    store,
    authorize: () => ({ allow: true, viewer: { id: '1', label: 'reader' } }),
    title: 'Test',
    recordAs: async () => {},
    onError: (error) => {
      throw error
    },
  })
})
afterAll(() => log?.close())

/** What a page says to its reader. */
async function shown(path: string): Promise<string> {
  const response = await dashboard(new Request(`http://127.0.0.1/audit${path}`), { basePath: '/audit' })
  expect(response.status).toBe(200)
  return (await response.text())
    .replace(/<(script|style|title)\b.*?<\/\1>/gs, '')
    .replace(/<[^>]*>/g, '')
    .replaceAll('&quot;', '"')
    .replace(/\s+/g, ' ')
}

describe('what was captured', () => {
  it('B20 of JSON, shows the path of each nested key that changed, and not what only stands elsewhere', async () => {
    const before = '{"lines": [{"sku": "A-1", "price": 2.50}, {"sku": "unchanged part"}], "ship": {"zip code": null}}'
    await log.run('insert into paper values (1, $1::text::json, $1::text::jsonb)', [before])
    await log.entries()
    await log.run('update paper set j = $1::text::json, jb = $1::text::jsonb', [
      '{"ship": {"zip code": null}, "lines": [{"price": 2.50, "sku": "A-1"}, {"sku": "unchanged part"}]}',
    ])
    expect(await log.entries()).toEqual([])
    await log.run('update paper set j = $1::text::json, jb = $1::text::jsonb', [
      '{"ship": {"zip code": ""}, "lines": [{"price": 2.75, "sku": "A-1"}, {"sku": "unchanged part"}]}',
    ])
    const [entry, ...others] = await log.entries()
    expect(others).toEqual([])
    const [page = ''] = (await shown(`/entries/${entry?.id}`)).split('Recorded JSON')
    for (const path of ['lines[0].price', 'ship["zip code"]']) expect(page.split(path), path).toHaveLength(3)
    expect(page).toContain('2.50')
    expect(page).toContain('2.75')
    expect(page).not.toContain('unchanged part')
  })

  it('B20 null, the empty text and the text None read differently', async () => {
    await log.run('insert into paper (id, body) values (2, null)')
    await log.run("update paper set body = '' where id = 2")
    await log.run("update paper set body = 'None' where id = 2")
    const [, emptied, named] = await log.entries()
    expect(emptied?.changes).toEqual({ body: [null, ''] })
    expect(named?.changes).toEqual({ body: ['', 'None'] })
    expect(await shown(`/entries/${emptied?.id}`)).toContain('body−null+empty')
    expect(await shown(`/entries/${named?.id}`)).toContain('body−empty+None')
  })

  it('B22 a long text is cut around its first difference in the list, and kept whole in the log', async () => {
    const long = (middle: string) => `${'the same beginning '.repeat(60)}${middle}${' and the same end'.repeat(60)}`
    await log.run('insert into paper (id, body) values (3, $1)', [long('BEFORE')])
    await log.run('update paper set body = $1 where id = 3', [long('AFTER')])
    const updated = (await log.entries()).at(-1)
    expect(updated?.changes).toEqual({ body: [long('BEFORE'), long('AFTER')] })
    const list = await shown('/?q=model:Paper+action:update')
    expect(list).toContain('BEFORE')
    expect(list).toContain('AFTER')
    expect(list).not.toContain('the same beginning '.repeat(20))
    expect(list).not.toContain('and the same end '.repeat(20))
    const page = await shown(`/entries/${updated?.id}`)
    expect(page).toContain('BEFORE')
    expect(page).toContain('AFTER')
  })

  const odd = [
    'Ca"p',
    'with-dash',
    'with.dot',
    "it's",
    'select',
    '%s %I',
    '<b>',
    'Größe',
    '😀',
    'x'.repeat(63),
    '=1+1',
    ' ',
    '__proto__',
  ]

  for (const name of odd) {
    it(`B13 of a schema, table, column and key called ${JSON.stringify(name)}, is found by filter, shown, followed and exported`, async () => {
      const quoted = pg.escapeIdentifier(name)
      await log.table(
        `create schema ${quoted}; create table ${quoted}.${quoted} (${quoted} text primary key, v int)`,
        `${quoted}.${quoted}`,
        { model: name.trim() === '' ? 'blank' : name, label: name },
      )
      await log.run(`insert into ${quoted}.${quoted} values ($1, 1), ('another', 1)`, [name])
      await log.run(`update ${quoted}.${quoted} set v = 2, ${quoted} = ${quoted} || '!' where ${quoted} = $1`, [name])
      const changed = (await log.entries()).at(-1)
      const model = changed?.model ?? ''
      const filter = parseQuery(printQuery({ model: [model], objectId: [`${name}!`] }))
      const { entries } = await store.page({ filter })
      expect(entries.map(({ action, objectId }) => [action, objectId])).toEqual([['update', `${name}!`]])
      expect(Object.keys(entries[0]?.changes ?? {})).toEqual([name, 'v'])
      const timeline = await store.timeline({ model, objectId: `${name}!` })
      expect(timeline.entries.map(({ action }) => action)).toEqual(['update', 'create'])
      const page = await shown(`/entries/${changed?.id}`)
      const said = name.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll("'", '&#39;')
      expect(page.split(said).length).toBeGreaterThan(3)
      const csv = await new Response(exportCsv(store.stream(filter))).text()
      const [header = [], cells = []] = parseCsv(csv.replace('\ufeff', ''))
      const cell = (column: string) => unescapeCell(cells[header.indexOf(column)] ?? '')
      expect(cell('object_id')).toBe(`${name}!`)
      expect(cell('model')).toBe(model)
      expect(Object.entries(JSON.parse(cell('changes')))).toEqual([
        [name, [name, `${name}!`]],
        ['v', [1, 2]],
      ])
      expect(
        await log.run('select $1::regclass = $2::regclass as same', [cell('table_name'), `${quoted}.${quoted}`]),
      ).toMatchObject({
        rows: [{ same: true }],
      })
    })
  }
})
