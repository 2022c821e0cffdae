import { fileURLToPath } from 'node:url'
import { defineConfig, mergeConfig } from 'vitest/config'
import { hasPgBouncer } from './test/contract/context/pgbouncer-program.ts'
import config from './vitest.config.ts'

const { test: _, ...shared } = config
const here = fileURLToPath(new URL('./test/contract/context/', import.meta.url))

if (!hasPgBouncer) {
  console.warn(
    'PgBouncer is no part of this run: it is neither at /usr/sbin/pgbouncer nor where DAYBOOK_PGBOUNCER says.',
  )
}

/** The context through each library, whose packages are a folder's own: `npm ci --prefix test/contract/context`, `npm run test:contract`. */
export default mergeConfig(
  shared,
  defineConfig({
    // Daybook takes the application's copy of pg, as a peer dependency does.
    resolve: { alias: [{ find: /^pg$/, replacement: `${here}node_modules/pg/esm/index.mjs` }] },
    test: {
      include: ['test/contract/context/**/*.contract.ts'],
      exclude: ['**/node_modules/**', ...(hasPgBouncer ? [] : ['**/pgbouncer.contract.ts'])],
      globalSetup: ['test/postgres-server.ts'],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      maxWorkers: 2,
    },
  }),
)
