import { fileURLToPath } from 'node:url'
import { defineConfig, mergeConfig } from 'vitest/config'
import { hasPgBouncer } from './test/contract/context/pgbouncer-program.ts'
import config from './vitest.config.ts'

const { test: _, ...shared } = config
const folder = 'test/contract/context'
const packages = fileURLToPath(new URL(`./${folder}/node_modules/`, import.meta.url))

if (!hasPgBouncer) {
  console.warn(
    'PgBouncer is no part of this run: it is neither at /usr/sbin/pgbouncer nor where DAYBOOK_PGBOUNCER says.',
  )
}

/** Daybook takes the application's copy of pg, as a peer dependency does. */
function project(name: string, pg: string, include: string, exclude: readonly string[] = []) {
  return mergeConfig(
    shared,
    defineConfig({
      resolve: { alias: [{ find: /^pg$/, replacement: packages + pg }] },
      test: {
        name,
        include: [`${folder}/${include}`],
        exclude: ['**/node_modules/**', ...exclude],
        globalSetup: ['test/postgres-server.ts'],
        testTimeout: 60_000,
        hookTimeout: 60_000,
      },
    }),
  )
}

/** The context through each library, whose packages are a folder's own: `npm ci --prefix test/contract/context`, `npm run test:contract`. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      project('libraries', 'pg/esm/index.mjs', '**/*.contract.ts', hasPgBouncer ? [] : ['**/pgbouncer.contract.ts']),
      // The oldest that is promised.
      project('pg 8.11', 'pg-8.11/lib/index.js', 'pg.contract.ts'),
    ],
  },
})
