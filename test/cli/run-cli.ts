import { Writable } from 'node:stream'
import { run } from '../../src/cli/run.ts'

export interface CliResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

class Captured extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void) {
    this.text += chunk.toString('utf8')
    done()
  }
}

/** Runs a command line in this process; `env` and the folder are only what is given. */
export async function runCli(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly cwd?: string; readonly isTTY?: boolean } = {},
): Promise<CliResult> {
  const stdout = Object.assign(new Captured(), { isTTY: options.isTTY ?? false })
  const stderr = Object.assign(new Captured(), { isTTY: options.isTTY ?? false })
  const exitCode = await run(args, { stdout, stderr, env: options.env ?? {}, cwd: options.cwd ?? '/' })
  return { exitCode, stdout: stdout.text, stderr: stderr.text }
}
