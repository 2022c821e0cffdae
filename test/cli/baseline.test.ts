import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CaptureLog, createCaptureLog } from '../capture/log.ts'
import { runCli } from './run-cli.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
  await log.run('create table "Product" (id int primary key, name text); create table keyless (id int)')
  await log.run(`insert into "Product" select i, 'p' || i from generate_series(1, 1250) i`)
})
afterAll(() => log?.close())

const daybook = (args: readonly string[], isTTY = false) =>
  runCli(['baseline', ...args], { env: { DATABASE_URL: log.url }, isTTY })

test('B19 baseline gives existing rows an entry each, once, and says how many', async () => {
  expect(await daybook(['public.Product'])).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('not tracked'),
  })
  await runCli(['track', 'public.Product', '--label', 'name'], { env: { DATABASE_URL: log.url } })
  await log.run(`update "Product" set name = 'new' where id <= 50`)
  const first = await daybook(['public.Product', '--batch', '500'], true)
  expect(first).toMatchObject({
    exitCode: 0,
    stdout: '1,200 rows of public.Product now have a first entry; 50 others had one.\n',
  })
  // Where somebody watches, one line that is written over and then taken away.
  expect(first.stderr).toBe('\r500 rows looked at\r1,000 rows looked at\r1,250 rows looked at\r\u001b[K')
  expect(await daybook(['public.Product'])).toEqual({
    exitCode: 0,
    stdout: 'No row of public.Product was without an entry: 1,250 rows looked at.\n',
    stderr: '',
  })
  const { stdout } = await daybook(['public.Product', '--json'])
  expect(JSON.parse(stdout)).toEqual({ table: 'public.Product', seen: 1250, written: 0 })
})

test('B19 a table of which rows can not be told apart is refused, and so is a batch of none', async () => {
  await runCli(['track', 'keyless'], { env: { DATABASE_URL: log.url } })
  const refused = await daybook(['keyless', '--json'])
  expect(refused.exitCode).toBe(2)
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: 'not_trackable' } })
  expect((await daybook(['public.Product', '--batch', '0'])).exitCode).toBe(2)
})
