#!/usr/bin/env node
import { run } from './run.ts'

// A reader that has enough, such as `head`, closes the pipe. The writer is told by its next write; this event adds nothing.
process.stdout.on('error', () => {})

process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
})
