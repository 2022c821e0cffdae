import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { install, track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import * as kit from '../../src/testing/index.ts'
import { createTestDatabase, type TestDatabase } from '../database.ts'
import '../../examples/testing/invoices.test.ts'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

describe('the page about tests', () => {
  const page = read('docs/testing.md')

  test('shows the examples as they are', () => {
    const shown = [...page.matchAll(/<!-- (examples\/\S+) -->\n```ts\n([\s\S]*?)```/g)]
    expect(shown).toHaveLength(2)
    for (const [, path = '', code] of shown) expect(code).toBe(read(path))
  })

  test('names all that the kit has', () => {
    const parts = ['expectEntries', 'expectAttributed', 'entries', 'fixedEntries', 'restart', 'ownTransaction']
    for (const name of [...Object.keys(kit), ...parts]) expect(page).toMatch(new RegExp(`\`${name}\\b`))
  })
})

describe('the example for tests that roll back', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase('docs_testing')
    await install(fromPgPool(database.pool))
    await database.pool.query('create table invoice (id int primary key, number text, status text)')
  })
  afterAll(() => database?.close())

  const runExample = () =>
    new Promise<{ code: number | null; output: string }>((resolve) => {
      const args = ['--import', 'tsx', '--test', '--test-reporter=spec', 'examples/testing/rolled-back.test.ts']
      const env = { ...process.env, DATABASE_URL: database.url }
      const child = spawn(process.execPath, args, { cwd: root, env })
      let output = ''
      child.stdout.on('data', (data) => (output += data))
      child.stderr.on('data', (data) => (output += data))
      child.on('exit', (code) => resolve({ code, output }))
    })

  test('fails under node:test with what is missing, and passes once the table is tracked', async () => {
    const before = await runExample()
    expect(before.code, before.output).toBe(1)
    expect(before.output).toContain('- { action: "update", objectId: "117", actorLabel: "ada@example.com" }')
    expect(before.output).toContain('Is the table tracked in this database?')
    await track(fromPgPool(database.pool), 'public.invoice')
    const after = await runExample()
    expect(after.code, after.output).toBe(0)
    expect((await database.pool.query('select from daybook.entries where object_id is not null')).rows).toEqual([])
  })
})
