import { defineConfig, mergeConfig } from 'vitest/config'
import config from './vitest.config.ts'

const { test: _, ...shared } = config

/** The middleware in each framework, whose packages are a folder's own: `npm ci --prefix test/contract/middleware`, `npm run test:middleware`. */
export default mergeConfig(
  shared,
  defineConfig({
    test: {
      include: ['test/contract/middleware/**/*.middleware.ts'],
      globalSetup: ['test/postgres-server.ts'],
      testTimeout: 30_000,
      hookTimeout: 60_000,
      maxWorkers: 2,
    },
  }),
)
