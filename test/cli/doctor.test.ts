import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Diagnosis } from '../../src/capture/postgres/index.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from '../database.ts'
import { type CliResult, runCli } from './run-cli.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await createTestDatabase('cli_doctor')
  await query(
    'create table invoice (id int primary key, status text); create table "ca\u0007che" (x int); create table stock (id int)',
  )
  // What other tests have made of the server's roles is none of this database's.
  await query("do $$ begin execute format('revoke connect on database %I from public', current_database()); end $$")
  await daybook('init')
  await daybook('track', 'public.invoice')
})
afterEach(() => database.close())

function daybook(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: { DATABASE_URL: database.url }, cwd: '/' })
}

async function query(text: string): Promise<void> {
  await database.pool.query(text)
}

test('doctor gives its verdict first, and exit code 0 where there is no error', async () => {
  await query("insert into invoice values (1, 'open')")
  const { exitCode, stdout, stderr } = await daybook('doctor')
  expect([exitCode, stderr]).toEqual([0, ''])
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^No error: the changes of 1 table are recorded, and ALTER TABLE is followed\.$/)
  expect(stdout).toContain('  Not tracked in public: "ca\\u0007che", stock.')
  expect(stdout).toMatch(
    /Compared with the log\n {2}1 row of public.invoice; all 2 entries of the log, back to \d{4}-\d\d-\d\d\.\n/,
  )
  expect(stdout).not.toContain('\u001b[')
})

test('doctor tells errors first, with what to do, and exit code 1; --fix says what it did', async () => {
  await query("insert into invoice values (1, 'open'), (2, 'open')")
  await query("alter table invoice disable trigger daybook_update; update invoice set status = 'gone' where id = 2")
  const { exitCode, stdout } = await daybook('doctor')
  expect(exitCode).toBe(1)
  expect(stdout).toMatch(/^2 errors: the log may miss changes/)
  expect(stdout).toMatch(
    /\n\nErrors\n {2}public\.invoice is tracked but triggers are switched off \(daybook_update\): [^→]*\n {4}→ Switch them on: daybook doctor --fix/,
  )
  const fixed = await daybook('doctor', '--fix')
  expect(fixed.exitCode).toBe(1)
  expect(fixed.stdout).toMatch(/\n\nSet right\n {2}public\.invoice is tracked but triggers are switched off/)
  expect(fixed.stdout).toMatch(/\n\nErrors\n {2}1 row of public\.invoice differs/)
  await query("update invoice set status = 'paid'")
  expect((await daybook('doctor', '--fix')).stdout).not.toContain('Set right')
})

test('doctor --json is one stable document', async () => {
  const { exitCode, stdout } = await daybook('doctor', '--json', '--schema', 'public', '--reconcile')
  expect(exitCode).toBe(0)
  const diagnosis = JSON.parse(stdout) as Diagnosis
  expect(Object.keys(diagnosis)).toEqual([
    'healthy',
    'role',
    'schemaVersion',
    'trackedTables',
    'followsChanges',
    'findings',
    'fixed',
    'notFixed',
    'reconciliation',
  ])
  expect(diagnosis.findings).toContainEqual({
    code: 'untracked_table',
    severity: 'info',
    subject: { table: 'public.stock' },
    message: 'public.stock is not tracked.',
    advice: 'daybook track public.stock',
    fixable: false,
  })
  expect(diagnosis.reconciliation).toMatchObject({ complete: true, tables: [{ table: 'public.invoice', rows: 0 }] })
})

test('doctor compares no rows with --reconcile-rows 0, and refuses it together with --reconcile', async () => {
  expect((await daybook('doctor', '--reconcile-rows', '0')).stdout).not.toContain('Compared with the log')
  expect(await daybook('doctor', '--reconcile', '--reconcile-rows', '5')).toMatchObject({ exitCode: 2 })
  expect(await daybook('doctor', '--reconcile-rows', 'many')).toMatchObject({ exitCode: 2 })
})

test('doctor paints on a terminal alone, and could not look where there is no log or no right to', async () => {
  const env = { DATABASE_URL: database.url }
  expect((await runCli(['doctor'], { env, isTTY: true })).stdout).toContain('\u001b[1m')
  expect((await runCli(['doctor'], { env: { ...env, NO_COLOR: '1' }, isTTY: true })).stdout).not.toContain('\u001b[')
  await createLoginRole(database.pool, 'cli_doctor_nobody')
  await query(
    "do $$ begin execute format('grant connect on database %I to cli_doctor_nobody', current_database()); end $$",
  )
  const nobody = await runCli(['doctor'], { env: { DATABASE_URL: database.urlAs('cli_doctor_nobody') } })
  expect(nobody).toMatchObject({ exitCode: 3, stdout: '' })
  expect(nobody.stderr).toContain('This role may not look at the log.')
  await query('drop schema daybook cascade')
  expect(await daybook('doctor')).toMatchObject({ exitCode: 3, stdout: '' })
})
