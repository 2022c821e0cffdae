import { defineConfig } from 'vitest/config'

// pg_dump and its like come with a PostgreSQL that is installed, not with the devDependencies.
const installed = Boolean(process.env.DAYBOOK_POSTGRES_BIN)
if (!installed) {
  console.warn('Dump and restore are no part of this run: DAYBOOK_POSTGRES_BIN names no folder of PostgreSQL programs.')
}

/** Kills servers of its own, one file after the other: `npm run test:faults`. */
export default defineConfig({
  test: {
    include: ['test/faults/**/*.faults.ts'],
    exclude: installed ? [] : ['test/faults/backup.faults.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
})
