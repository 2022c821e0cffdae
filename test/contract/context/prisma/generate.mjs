// Generates Prisma's client. Nothing of it runs the schema engine, a binary that the command would download all the same.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const { status } = spawnSync(
  process.execPath,
  [
    createRequire(import.meta.url).resolve('prisma/build/index.js'),
    ...['generate', '--no-hints', '--schema', fileURLToPath(new URL('schema.prisma', import.meta.url))],
  ],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' },
  },
)
process.exitCode = status ?? 1
