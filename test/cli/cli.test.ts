import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readMigrations } from '../../src/capture/postgres/sql-files.ts'
import { openPglite } from '../../src/connection/pglite.ts'
import { createLoginRole, createTestDatabase, type TestDatabase } from '../database.ts'
import { type CliResult, runCli } from './run-cli.ts'

/** The schema's version. */
const NEWEST = readMigrations().at(-1)?.version

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const TSCONFIG = fileURLToPath(new URL('../../tsconfig.json', import.meta.url))
const TSX = import.meta.resolve('tsx')

let database: TestDatabase
let folder: string

beforeEach(async () => {
  database = await createTestDatabase('cli')
  folder = await mkdtemp(join(tmpdir(), 'daybook-cli-'))
})
afterEach(async () => {
  await database.close()
  await rm(folder, { recursive: true, force: true })
})

function daybook(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: { DATABASE_URL: database.url }, cwd: folder })
}

async function fine(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await daybook(...args)
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  return stdout
}

async function query(text: string): Promise<Record<string, unknown>[]> {
  return (await database.pool.query(text)).rows
}

const SHOP = `
  create table customer (id int generated always as identity primary key, name text not null, tax_id text, password_hash text);
  create table invoice (id int generated always as identity primary key, number text unique, customer_id int references customer,
    status text, total numeric(10,2));
  create schema "Odd Place";
  create table "Odd Place"."Order" (id int primary key, "Status" text);
`

async function shop(): Promise<void> {
  await query(SHOP)
  await fine('init')
  await fine('track', 'public.customer', '--label', 'name')
  await fine('track', 'public.invoice', '--label', 'number')
}

async function isThere(program: string): Promise<boolean> {
  return promisify(execFile)(program, ['--version']).then(
    () => true,
    () => false,
  )
}

describe('init and track', () => {
  test('B35 plain SQL on a tracked table of an empty database gives entries whose actor is the database', async () => {
    await query(SHOP)
    const installed = await fine('init')
    expect(installed).toContain(`The log is installed (schema version ${NEWEST}).`)
    expect(installed).toContain('daybook track SCHEMA.TABLE')
    expect(await fine('track', 'public.customer', '--label', 'name')).toBe(
      'Every change of public.customer is recorded from now on, as Customer.\n  label      name\n  masked     password_hash\n',
    )

    const insert = "insert into customer (name, tax_id) values ('Ada & Co', 'GB1')"
    const psql = await isThere('psql')
    if (psql) await promisify(execFile)('psql', [database.url, '--quiet', '--command', insert])
    else await query(insert)
    await query("update customer set tax_id = 'GB2'")

    const entries = (await fine('entries', '--json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(entries).toMatchObject([
      { action: 'update', changes: { tax_id: ['GB1', 'GB2'] } },
      { action: 'create', object_label: 'Ada & Co', changes: { name: [null, 'Ada & Co'] } },
      { action: 'capture.tracked', model: 'Customer', changes: { label: [null, ['name']] } },
    ])
    for (const entry of entries) {
      expect(entry).toMatchObject({ actor_type: 'database', actor_id: 'postgres', database_user: 'postgres' })
    }
    if (psql) expect(entries[1].context.database.application).toBe('psql')
  })

  test('init a second time says that the log is up to date, and lets roles in', async () => {
    await createLoginRole(database.pool, 'cli_app')
    await createLoginRole(database.pool, 'cli_auditor')
    await fine('init')
    const again = await fine('init', '--app-role', 'cli_app', '--reader-role', 'cli_auditor')
    expect(again).toBe(
      `The log is up to date (schema version ${NEWEST}).\ncli_app may record events.\ncli_auditor may read the log.\n`,
    )
    const [rights] = await query(
      "select pg_has_role('cli_app', 'daybook_writer', 'member') as writes, pg_has_role('cli_auditor', 'daybook_reader', 'member') as reads",
    )
    expect(rights).toEqual({ writes: true, reads: true })
  })

  test('init with a role that is not there installs nothing', async () => {
    const { exitCode, stderr } = await daybook('init', '--app-role', 'nobody_has_this_name')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('There is no role "nobody_has_this_name" on this server.')
    expect(await query("select to_regnamespace('daybook') as schema")).toEqual([{ schema: null }])
  })

  test('B59 of two installers at once one installs and the other sees that it is done', async () => {
    const results = await Promise.all([daybook('init', '--json'), daybook('init', '--json'), daybook('init', '--json')])
    expect(results.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
    ])
    const from = results.map(({ stdout }) => JSON.parse(stdout).from)
    expect(from.sort()).toEqual([0, NEWEST, NEWEST])
  })

  test('B59 a schema that is newer than this Daybook is refused with both numbers, by every command that changes something', async () => {
    await shop()
    await query("insert into daybook.migration (version, name) values (99, 'from the future')")
    await writeFile(join(folder, 'daybook.config.mjs'), 'export default { tables: { customer: {} } }')
    for (const args of [
      ['init'],
      ['track', 'customer'],
      ['untrack', 'customer'],
      ['sync'],
      ['seed', '--entries', '1', '--force'],
    ]) {
      const { exitCode, stderr } = await daybook(...args)
      expect([args[0], exitCode]).toEqual([args[0], 3])
      expect(stderr).toContain(`schema version 99, this Daybook knows only up to ${NEWEST}.`)
    }
  })

  test('B18 a table that is no longer tracked keeps its history, and a table of the log itself is never tracked', async () => {
    await shop()
    await query("insert into customer (name) values ('Ada')")
    expect(await fine('untrack', 'public.customer')).toContain('Its entries stay in the log.')
    await query("update customer set name = 'Bob'")
    expect((await fine('entries', '--json', 'model:Customer')).match(/"action":"[a-z.]+"/g)).toEqual([
      '"action":"capture.untracked"',
      '"action":"create"',
      '"action":"capture.tracked"',
    ])

    const { exitCode, stderr } = await daybook('track', 'daybook.entry')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('it is a table of Daybook itself')
  })

  test('B13 a table with an odd name is tracked by its name as SQL writes it and as the database spells it', async () => {
    await shop()
    await fine('track', '"Odd Place"."Order"')
    await query(`insert into "Odd Place"."Order" values (1, 'open')`)
    await fine('untrack', 'Odd Place.Order')
    expect(await fine('entries', 'model:Order')).toContain('postgres created Order 1')
  })

  test('an unknown table or column is refused by name, and nothing is left behind', async () => {
    await shop()
    const before = await query('select * from daybook.tracked_table order by id')
    for (const [args, message] of [
      [['nope'], 'There is no table nope in this database.'],
      [
        ['customer', '--label', 'nme'],
        'public.customer has no column nme. Its columns are id, name, tax_id, password_hash.',
      ],
      [
        ['public.customer', '--label', 'password_hash'],
        "the label can't be taken from password_hash, which is masked.",
      ],
      [['"Odd Place"."Order"', '--mask', 'status'], 'has no column status'],
    ] as const) {
      const { exitCode, stdout, stderr } = await daybook('track', ...args)
      expect([exitCode, stdout]).toEqual([2, ''])
      expect(stderr).toContain(message)
    }
    expect(await query('select * from daybook.tracked_table order by id')).toEqual(before)
    expect(await query(`select tgname from pg_trigger where tgrelid = '"Odd Place"."Order"'::regclass`)).toEqual([])
  })

  test('a table that another transaction holds for longer than --wait is left as it was, and that is said', async () => {
    await query(SHOP)
    await fine('init')
    const holder = await database.pool.connect()
    try {
      await holder.query('begin; insert into customer (name) values (1)')
      const { exitCode, stderr } = await daybook('track', 'customer', '--wait', '0')
      expect(exitCode).toBe(3)
      expect(stderr).toMatch(/Another transaction holds the table/)
      expect(await query('select * from daybook.tracked_table')).toEqual([])

      const waiting = daybook('track', 'customer', '--wait', '60')
      setTimeout(() => holder.query('commit'), 500)
      expect(await waiting).toMatchObject({
        exitCode: 0,
        stderr: expect.stringContaining('another transaction holds customer'),
      })
    } finally {
      holder.release(true)
    }
  })

  test('what init, track and sync print with --sql does the same in a fresh database', async () => {
    await createLoginRole(database.pool, 'cli_app')
    await writeFile(
      join(folder, 'daybook.config.ts'),
      `export default { applicationRoles: ['cli_app'], tables: { 'Odd Place.Order': { model: "The 'odd' one", truncate: 'refuse' as const } } }`,
    )
    await query(SHOP)
    const offline = (...args: string[]) => runCli(args, { cwd: folder })
    const script = [
      await offline('init', '--sql'),
      await offline('track', 'public.customer', '--label', 'name', '--mask', 'tax_id', '--sql'),
      await offline('sync', '--sql'),
    ]
    expect(script.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
    ])
    for (const { stdout } of script) await query(stdout)

    expect(await query('select model, truncate_policy, mask_columns from daybook.tracked_table order by id')).toEqual([
      { model: 'Customer', truncate_policy: 'record', mask_columns: ['tax_id'] },
      { model: "The 'odd' one", truncate_policy: 'refuse', mask_columns: [] },
    ])
    expect(await query("select pg_has_role('cli_app', 'daybook_writer', 'member') as writes")).toEqual([
      { writes: true },
    ])
    const { exitCode, stdout } = await daybook('sync', '--dry-run')
    expect(stdout).toContain('unchanged')
    expect(exitCode).toBe(0)
  })
})

describe('sync', () => {
  const config = (tables: object) => writeFile(join(folder, 'daybook.config.json'), JSON.stringify({ tables }))

  test('sync tracks, changes and, when asked, untracks; a dry run only says so and ends with 1', async () => {
    await shop()
    await config({ invoice: { label: 'number' }, '"Odd Place"."Order"': {} })
    const dry = await daybook('sync', '--dry-run')
    expect(dry.exitCode).toBe(1)
    expect(dry.stdout).toMatch(/"Odd Place"\."Order" +would be tracked\n/)
    expect(await query('select count(*)::int as n from daybook.tracked_table')).toEqual([{ n: 2 }])

    const steps = JSON.parse(await fine('sync', '--json')).steps
    expect(steps).toEqual([
      { table: '"Odd Place"."Order"', step: 'track' },
      { table: 'public.invoice', step: 'unchanged' },
      { table: 'public.customer', step: 'unlisted' },
    ])
    expect(await fine('sync', '--prune')).toMatch(/public\.customer +no longer tracked/)
    expect(await query('select count(*)::int as n from daybook.tracked_table')).toEqual([{ n: 2 }])
  })

  test('sync with one bad table changes nothing', async () => {
    await shop()
    await config({ invoice: { label: 'number', mask: ['total'] }, nope: {} })
    const before = await query('select * from daybook.tracked_table order by id')
    const { exitCode, stderr } = await daybook('sync')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('There is no table nope in this database.')
    expect(await query('select * from daybook.tracked_table order by id')).toEqual(before)
  })

  test('a configuration is refused by the name of what it can not hold', async () => {
    for (const [index, [text, message]] of (
      [
        ['{ "tabels": {} }', 'there is no option "tabels". The options are databaseUrl, tables,'],
        ['{ "tables": { "public.x": { "labels": "a" } } }', 'tables["public.x"]: there is no option "labels".'],
        ['{ "tables": { "x": { "link": { "from": "a", "too": "b" } } } }', 'tables.x.link'],
        ['{ "tables": { "x": { "mask": "a" } } }', 'tables.x.mask: expected array'],
        ['{ "applicationRoles": "x" }', 'applicationRoles: expected array'],
      ] as const
    ).entries()) {
      // A file that has been loaded stays as it was in this process.
      const file = `daybook-${index}.json`
      await writeFile(join(folder, file), text)
      const { exitCode, stderr } = await daybook('sync', '--config', file)
      expect(exitCode).toBe(2)
      expect(stderr).toContain(`${file}: ${message}`)
    }
  })
})

describe('a command line that is wrong, or a database that can not be had', () => {
  test('unknown commands and options are refused with what was meant, exit code 2', async () => {
    for (const [args, message] of [
      [['trak'], "Unknown command 'trak'. Did you mean track?"],
      [['track', 'x', '--lable', 'y'], "Unknown option '--lable'. Did you mean --label?"],
      [['track'], "Missing required argument 'schema.table'. See: daybook track --help"],
      [['track', 'x', '--permission-to', 'y'], '--permission-grants is missing'],
      [['entries', '--limti', '5'], "Unknown option '--limti'. See: daybook entries --help"],
      [['entries', '--before', 'x'], '"before" must be the id of one entry'],
      [['entries', '--limit', '0'], 'It must be a whole number from 1 to'],
      [['export', '--output', '-', '--format', 'doc'], 'Allowed choices are csv'],
      [['init', '--database-url', 'mysql://root:hunter2@localhost/x'], 'The database URL begins with "mysql:"'],
      [['init', '--database-url', 'postgres://x:hunter2%zz@localhost/x'], "The database URL can't be read"],
      [['entries', '--database-url', 'pglite:nowhere'], 'There is no embedded database in'],
      [['entries', '--config', 'nowhere.ts'], 'There is no configuration file nowhere.ts.'],
    ] as const) {
      const { exitCode, stdout, stderr } = await daybook(...args)
      expect([args.join(' '), exitCode, stdout]).toEqual([args.join(' '), 2, ''])
      expect(stderr).toContain(message)
      expect(stderr).not.toContain('hunter2')
      expect(stderr.trim().split('\n')).toHaveLength(1)
    }
  })

  test('a query that is wrong is refused with a sign below the place where it is', async () => {
    const { exitCode, stdout, stderr } = await daybook('entries', 'actor:ada', '-at:yesterday', '--limit', '5')
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr.split('\n')).toEqual([
      expect.stringContaining('The query is wrong at character 15: '),
      '  actor:ada -at:yesterday',
      '                ^^^^^^^^^',
      '',
    ])
    const json = await daybook('export', '--json', '--output', '-', 'ip:\u001b[1m')
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'invalid_filter' } })
    expect((await daybook('export', '--output', '-', 'ip:\u001b[1m')).stderr).not.toContain('\u001b')
  })

  test('a database that can not be reached, a wrong password and a log that is not there end with 3', async () => {
    const other = (change: (url: URL) => void) => {
      const url = new URL(database.url)
      change(url)
      return url.href
    }
    for (const [url, message] of [
      ['postgres://postgres:hunter2@127.0.0.1:1/x', 'nothing listens there'],
      [
        other((url) => {
          url.password = 'hunter2'
        }),
        'the password was not accepted',
      ],
      [
        other((url) => {
          url.pathname = '/no_such_database'
        }),
        'the server has no such database',
      ],
      [database.url, 'Run `npx daybook init`'],
    ] as const) {
      const { exitCode, stdout, stderr } = await runCli(['entries', '--database-url', url])
      expect([exitCode, stdout]).toEqual([3, ''])
      expect(stderr).toContain(message)
      expect(stderr).not.toContain('hunter2')
    }
    const { exitCode, stderr } = await runCli(['entries'])
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('No database was named. Give --database-url URL')])
  })

  test('with --json an error is one object with its code', async () => {
    const { stdout, stderr } = await daybook('track', 'nope', '--json')
    expect(stdout).toBe('')
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'not_installed' } })
    expect(JSON.parse((await daybook('--nope', '--json')).stderr)).toMatchObject({ error: { code: 'usage' } })
  })

  test('a role without the right is told what it lacks, and nothing is half done', async () => {
    await shop()
    await createLoginRole(database.pool, 'cli_nobody')
    for (const args of [['init'], ['track', 'customer'], ['entries'], ['seed', '--entries', '5', '--force']]) {
      const { exitCode, stderr } = await daybook(...args, '--database-url', database.urlAs('cli_nobody'))
      expect([args[0], exitCode]).toEqual([args[0], 3])
      expect(stderr).not.toBe('')
    }
    expect(await query("select from daybook.entries where action <> 'capture.tracked'")).toEqual([])
  })

  test('every command has a help with an example', async () => {
    const { stdout } = await daybook('--help')
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name ?? '')
    expect(commands).toEqual(expect.arrayContaining(['init', 'track', 'untrack', 'sync', 'entries', 'export', 'seed']))
    for (const command of commands) expect(await fine(command, '--help')).toMatch(/\nExamples?\n {2}\$ daybook /)
  })
})

describe('reading', () => {
  beforeEach(async () => {
    await shop()
    await query("insert into customer (name) values ('Ada & Co')")
    await query("insert into invoice (number, customer_id, status, total) values ('2026-0117', 1, 'open', 1250.00)")
    await database.pool.query(
      'begin; select set_config(\'daybook.context\', \'{"actor":{"type":"user","id":"7","label":"ada@example.com"},"ip_address":"203.0.113.9","request_id":"r-1"}\', true); update invoice set status = \'paid\', total = 1255.00; commit',
    )
  })

  test('entries tells who changed what, when and from where, and in which request', async () => {
    const text = await fine('entries', '--limit', '1')
    const [today, , sentence, status, total, origin] = text.split('\n')
    expect(today).toMatch(/^\w+day, \d+ \w+ \d{4} \(UTC\)$/)
    expect(sentence).toMatch(
      /^\d\d:\d\d:\d\d {2}ada@example\.com changed status from open to paid and 1 more on Invoice 2026-0117$/,
    )
    expect(status?.trim()).toBe('status  open → paid')
    expect(total?.trim()).toBe('total   1250.00 → 1255.00')
    expect(origin?.trim()).toBe('user 7 · from 203.0.113.9 · request r-1 · #5')
    expect(text).toContain('There are older entries: add --before 5')
  })

  test('B21 entries shows fields, codes and keys by the names of the configuration, and --json what is recorded', async () => {
    await writeFile(
      join(folder, 'daybook.config.ts'),
      `export default { tables: {
        'public.customer': { label: 'name' },
        'public.invoice': { label: 'number', fields: {
          status: { label: 'Status', choices: { o: 'Open\u0007', p: 'Paid' } },
          customer_id: { label: 'Customer' },
          total: { label: 'Sum', references: 'Sum' } } } } }`,
    )
    await fine('sync')
    await query("insert into customer (name) values ('Aalto Oy'), ('Nordlicht')")
    await query("insert into invoice (number, customer_id, status, total) values ('A-1', 2, 'o', 5)")
    await query("update invoice set customer_id = 3, status = 'p' where number = 'A-1'")
    const text = await fine('entries', 'model:Invoice')
    expect(text).toContain('changed Customer from Aalto Oy to Nordlicht and 1 more on Invoice A-1')
    expect(text).toMatch(/Status +Open\\u0007 \(o\) → Paid \(p\)/)
    expect(text).toMatch(/Customer +Aalto Oy \(2\) → Nordlicht \(3\)/)
    expect(text).toMatch(/Sum +5\.00 \(not in the log\)/)
    const json = await fine('entries', 'model:Invoice', '--json')
    expect(JSON.parse(json.split('\n')[0] ?? '').changes).toEqual({ customer_id: [2, 3], status: ['o', 'p'] })
    expect(json).not.toContain('Paid')
  })

  test('colours are for terminals, and not where NO_COLOR is set', async () => {
    const env = { DATABASE_URL: database.url }
    expect((await runCli(['entries'], { env, isTTY: true })).stdout).toContain('\u001b[')
    expect((await runCli(['entries'], { env: { ...env, NO_COLOR: '1' }, isTTY: true })).stdout).not.toContain('\u001b')
  })

  test('B23 a recorded value can not steer the terminal', async () => {
    await query(`insert into customer (name) values (E'\\x1b]0;owned\\x07')`)
    expect(
      (await runCli(['entries'], { env: { DATABASE_URL: database.url, NO_COLOR: '1' }, isTTY: true })).stdout,
    ).toContain('Customer \\u001b]0;owned\\u0007')
  })

  test('entries, entries --json and export give the same entries for the same query', async () => {
    const filter = ['-action:login', 'model:Invoice model:Customer', 'object:2026-0117']
    const ids = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, id]) => id)
    const json = (await fine('entries', '--json', ...filter))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id)
    expect(json).toEqual(['5', '4'])
    expect(ids(await fine('entries', ...filter), /#(\d+)$/gm)).toEqual(json)
    expect(ids(await fine('export', '--output', '-', ...filter), /^(\d+),/gm)).toEqual(json)
  })

  test('pages follow each other by --before, and --after gives only what is newer', async () => {
    const ids = async (...args: string[]) =>
      (await fine('entries', '--json', ...args))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).id)
    expect(await ids('--limit', '2')).toEqual(['5', '4'])
    expect(await ids('--before', '4')).toEqual(['3', '2', '1'])
    expect(await ids('--after', '3')).toEqual(['5', '4'])
    expect(await ids('--after', '5')).toEqual([])
    expect(await ids('--before', '1')).toEqual([])
  })

  test('what one statement did to many rows is one line, which statement: and --unfold open', async () => {
    await query("insert into customer (name) select 'Customer ' || n from generate_series(1, 700) n")
    const folded = await fine('entries', '--limit', '2')
    const sentences = (text: string) =>
      text
        .split('\n')
        .filter((line) => /^\d\d:/.test(line))
        .map((line) => line.slice(10))
    expect(sentences(folded)).toEqual([
      'postgres created 700 Customers',
      'ada@example.com changed status from open to paid and 1 more on Invoice 2026-0117',
    ])
    const statement = /statement:\d+/.exec(folded)?.[0] ?? ''
    expect(sentences(await fine('entries', statement, '--limit', '1000'))).toHaveLength(700)
    expect(sentences(await fine('entries', '--unfold', '--limit', '2'))).toEqual([
      'postgres created Customer 700 with 4 values',
      'postgres created Customer 699 with 4 values',
    ])
  })

  test('nothing found is one sentence, and no line of JSON', async () => {
    expect(await fine('entries', 'actor:nobody')).toBe('No entry is in this query.\n')
    expect(await fine('entries', 'actor:nobody', '--json')).toBe('')
  })

  test('B54 an export holds what the filter shows, and is itself an entry with filter and count', async () => {
    expect(await fine('export', '--output', 'audit.csv', 'action:create at:-1w..')).toBe(
      '2 entries written to audit.csv.\n',
    )
    const lines = (await readFile(join(folder, 'audit.csv'), 'utf8')).trim().split('\r\n')
    expect(lines).toHaveLength(3)
    expect(await readdir(folder)).toEqual(['audit.csv'])
    const [entry] = (await fine('entries', '--json', '--limit', '1'))
      .split('\n')
      .map((line) => line && JSON.parse(line))
    expect(entry).toMatchObject({
      action: 'export',
      outcome: 'success',
      actor_type: 'job',
      context: {
        extra: {
          format: 'csv',
          count: 2,
          filter: expect.stringMatching(/^action:create at:\d{4}-\d\d-\d\dT[\d:.]+Z\.\.$/),
        },
      },
    })
  })

  test('B54 an export that can not be recorded leaves no file, and one that was there stays', async () => {
    await createLoginRole(database.pool, 'cli_auditor')
    await fine('init', '--reader-role', 'cli_auditor')
    await writeFile(join(folder, 'audit.csv'), 'before')
    const { exitCode, stderr } = await daybook(
      'export',
      '--output',
      'audit.csv',
      '--database-url',
      database.urlAs('cli_auditor'),
    )
    expect(exitCode).toBe(3)
    expect(stderr).toContain('Only a member of daybook_writer records events.')
    expect(await readdir(folder)).toEqual(['audit.csv'])
    expect(await readFile(join(folder, 'audit.csv'), 'utf8')).toBe('before')
  })

  test('an export to a place that can not be written is refused before anything is read', async () => {
    for (const output of ['nowhere/audit.csv', '.']) {
      const { exitCode, stderr } = await daybook('export', '--output', output)
      expect(exitCode).toBe(2)
      expect(stderr).toContain("can't be written")
    }
    expect(await fine('entries', 'action:export')).toBe('No entry is in this query.\n')
  })
})

describe('seed', () => {
  const seeded = ['seed', '--entries', '2500', '--until', '2026-06-15T12:00Z', '--seed', '7']

  test('seed fills an empty log with the same entries for the same seed, each month in its partition', async () => {
    const other = await createTestDatabase('cli')
    try {
      await fine('init')
      await fine(...seeded)
      await runCli(['init', '--database-url', other.url])
      await runCli([...seeded, '--database-url', other.url])
      const all =
        'select id, recorded_at, statement_id, action, outcome, actor_label, ip_address, request_id, object_label, changes::text, context::text from daybook.entries order by id'
      const rows = await query(all)
      expect(rows).toHaveLength(2500)
      expect((await other.pool.query(all)).rows).toEqual(rows)
      expect(await query('select count(*)::int as n from daybook.entry_default')).toEqual([{ n: 0 }])
      expect(
        await query(
          'select count(*)::int as n from daybook.entries e join daybook.entries l on l.id = e.id + 1 where l.recorded_at < e.recorded_at',
        ),
      ).toEqual([{ n: 0 }])
      expect(new Set(rows.map(({ action }) => action)).size).toBeGreaterThan(8)
    } finally {
      await other.close()
    }
  })

  test('in made-up entries each old value of an object is its last new one', async () => {
    await fine('init')
    await fine(...seeded)
    const broken = await query(`
      select e.id, e.model, e.object_id, c.key from daybook.entries e, json_each(e.changes) c
      join lateral (select l.changes -> c.key ->> 1 as new from daybook.entries l
        where l.model = e.model and l.object_id = e.object_id and l.id < e.id and l.changes -> c.key is not null order by l.id desc limit 1) last on true
      where e.action = 'update' and c.value ->> 0 is distinct from last.new`)
    expect(broken).toEqual([])
  })

  test('seed refuses a log that has entries, unless it is forced', async () => {
    await fine('init')
    await fine('seed', '--entries', '10')
    const { exitCode, stderr } = await daybook('seed', '--entries', '10')
    expect(exitCode).toBe(2)
    expect(stderr).toContain('--force')
    await fine('seed', '--entries', '10', '--force')
    expect(await query('select count(*)::int as n from daybook.entries')).toEqual([{ n: 20 }])
  })
})

describe('an embedded database', () => {
  test('a folder is made by init, and reached by every command also while another process has it open', async () => {
    const url = `pglite:${join(folder, 'data')}`
    const embedded = (...args: string[]) => runCli([...args, '--database-url', url])
    expect(await embedded('init')).toMatchObject({ exitCode: 0, stderr: '' })

    const holder = await openPglite({ folder: join(folder, 'data') })
    try {
      await holder.database.query('create table customer (id int primary key, name text)')
      expect(await embedded('track', 'customer', '--label', 'name')).toMatchObject({ exitCode: 0, stderr: '' })
      await holder.database.query("insert into customer values (1, 'Ada')")
      const { stdout } = await embedded('entries')
      expect(stdout).toContain('postgres created Customer Ada with 2 values')
    } finally {
      await holder.close()
    }
  })
})

describe('the process', () => {
  const start = (args: readonly string[]) =>
    spawn(process.execPath, ['--import', TSX, MAIN, ...args], {
      cwd: folder,
      env: { ...process.env, DATABASE_URL: database.url, TSX_TSCONFIG_PATH: TSCONFIG },
      stdio: ['ignore', 'pipe', 'pipe'],
    })

  test('a reader that has enough, such as head, ends the command quietly', async () => {
    await fine('init')
    await fine('seed', '--entries', '20000')
    const child = start(['entries', '--json', '--limit', '20000'])
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    const closed = new Promise((resolve) => child.on('close', resolve))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    child.stdout.destroy()
    expect(await closed).toBe(0)
    expect(stderr).toBe('')
  })

  test('the exit code is the one of the command', async () => {
    const child = start(['track', 'nope'])
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(3)
  })

  test('B43 the demo lets in the browser that opens its link, once, and nobody else', async () => {
    const child = start(['demo', '--entries', '60', '--json'])
    try {
      const [line] = await once(child.stdout, 'data')
      const { url } = JSON.parse(line)
      const page = new URL('/', url)
      expect(page.hostname).toBe('127.0.0.1')
      expect((await fetch(page)).status).toBe(401)
      const opened = await fetch(url, { redirect: 'manual' })
      expect([opened.status, opened.headers.get('location')]).toEqual([303, '/'])
      expect((await fetch(url, { redirect: 'manual' })).status).toBe(401)
      const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? ''
      const shown = await fetch(page, { headers: { cookie } })
      expect(shown.status).toBe(200)
      expect(await shown.text()).toContain('@example.com')
      expect((await fetch(page, { headers: { cookie: `${cookie}x` } })).status).toBe(401)
    } finally {
      child.kill()
    }
  })

  test('the demo says which port is in use', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    try {
      const { exitCode, stderr } = await daybook('demo', '--port', String(port))
      expect(exitCode).toBe(3)
      expect(stderr).toContain(`Port ${port} is in use by another program.`)
    } finally {
      holder.close()
    }
  })
})
