import { defineConfig } from 'vitest/config'

/** Installs the package from the registry's dependencies, so it runs by itself: `npm run test:package`. */
export default defineConfig({
  test: {
    include: ['test/package/**/*.package.ts'],
    globalSetup: ['test/postgres-server.ts'],
    testTimeout: 60_000,
    hookTimeout: 600_000,
  },
})
