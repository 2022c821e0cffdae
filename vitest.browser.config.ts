import { defineConfig, mergeConfig } from 'vitest/config'
import config from './vitest.config.ts'

const { test: _, ...shared } = config

/** Tests in a real browser: `npm run test:browser`, with Chromium at /usr/bin/chromium or where CHROMIUM says. */
export default mergeConfig(
  shared,
  defineConfig({
    test: {
      include: ['test/browser/**/*.browser.ts'],
      globalSetup: ['test/postgres-server.ts'],
      testTimeout: 60_000,
      hookTimeout: 60_000,
      fileParallelism: false,
    },
  }),
)
