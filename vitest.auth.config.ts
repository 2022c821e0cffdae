import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { defineConfig, mergeConfig } from 'vitest/config'
import config from './vitest.config.ts'

const { test: _, ...shared } = config
const folder = fileURLToPath(new URL('./test/contract/auth/', import.meta.url))

/** Gives the tests, and Daybook, one version of a library for its name: `better-auth/api` is `better-auth-1.4/api`. */
function useVersion(library: string, version: string): Plugin {
  const name = new RegExp(`^${library}(?=/|$)`)
  // Until Better Auth 1.5 the migrations stood among the rest.
  const path = (source: string) => (version === '1.4' ? source.replace('/db/migration', '/db') : source)
  return {
    name: 'use-version',
    enforce: 'pre',
    resolveId(source) {
      if (name.test(source))
        return this.resolve(path(source).replace(name, `${library}-${version}`), `${folder}suite.ts`)
    },
  }
}

function project(library: string, version: string) {
  return mergeConfig(
    shared,
    defineConfig({
      plugins: [useVersion(library, version)],
      test: {
        name: `${library} ${version}`,
        include: [`test/contract/auth/${library}.auth.ts`],
        provide: { version },
        // It names the modules of Next.js as only bundlers find them.
        server: { deps: { inline: ['next-auth'] } },
        globalSetup: ['test/postgres-server.ts'],
        testTimeout: 30_000,
        hookTimeout: 60_000,
      },
    }),
  )
}

/** Real libraries for signing in, whose packages are a folder's own: `npm ci --prefix test/contract/auth`, `npm run test:auth`. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    silent: 'passed-only',
    projects: [
      project('better-auth', '1.4'),
      project('better-auth', '1.5'),
      project('better-auth', '1.6'),
      project('better-auth', '1.7'),
      project('passport', '0.6'),
      project('passport', '0.7'),
      project('auth-js', '0.41'),
      project('auth-js', 'next-auth 5'),
    ],
  },
})
