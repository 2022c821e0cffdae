import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const folder = 'test/contract/context/'
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const page = read('docs/connection.md')

/** The library of each row, as its package is called there, and the file that tries it. */
const FILES: Readonly<Record<string, string>> = {
  kysely: 'kysely.contract.ts',
  'drizzle-orm': 'drizzle.contract.ts',
  'drizzle-orm-rc': 'drizzle-rc.contract.ts',
  '@prisma/client': 'prisma.contract.ts',
  typeorm: 'typeorm.contract.ts',
  '@mikro-orm/postgresql': 'mikro-orm.contract.ts',
  'mikro-orm-6': 'mikro-orm-6/mikro-orm-6.contract.ts',
  sequelize: 'sequelize.contract.ts',
  '@sequelize/core': 'sequelize-7.contract.ts',
  knex: 'knex.contract.ts',
  objection: 'objection.contract.ts',
  postgres: 'postgres-js-ways.ts',
}

const rows = [...page.matchAll(/^\| `([^`]+)` \| ([\d][^ ]*) \| (.+?) \| (.+) \|$/gm)]

test('each library of the page about connections was tried with the version and the code that stand there', () => {
  expect(rows.map(([, name]) => name)).toEqual(Object.keys(FILES))
  const { packages } = JSON.parse(read(`${folder}package-lock.json`)) as {
    packages: Record<string, { version?: string }>
  }
  for (const [, name = '', version, wiring = '', client = ''] of rows) {
    const installed = name === 'mikro-orm-6' ? 'mikro-orm-6/node_modules/@mikro-orm/postgresql' : `node_modules/${name}`
    expect(packages[installed]?.version, name).toBe(version)
    const code = read(`${folder}${FILES[name]}`)
    for (const [, snippet = ''] of `${wiring} ${client}`.matchAll(/`([^`]*[({:=][^`]*)`/g))
      expect(code).toContain(snippet)
  }
})

test('what the page about connections shows of Drizzle, postgres.js and other drivers is what was tried', () => {
  for (const [name, path] of [
    ['bind', 'drizzle.contract.ts'],
    ['approve', 'postgres-js.contract.ts'],
    ['beginAs', 'other-driver.contract.ts'],
  ]) {
    const [shown] = new RegExp(`function ${name}\\([\\s\\S]*?\\n}\\n`).exec(page) ?? []
    expect(shown).toBeDefined()
    expect(read(`${folder}${path}`)).toContain(shown)
  }
})
