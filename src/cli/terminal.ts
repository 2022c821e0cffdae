/** Where the command line reads its surroundings and writes what it says. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly writable: boolean }
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** Whoever read the output has gone, as `head` does when it has enough. No failure: there is nobody left to write for. */
export class OutputClosed extends Error {}

/**
 * Writes text to the output and waits until there is room for more.
 * @throws OutputClosed where nobody reads any longer.
 */
export async function write(terminal: Terminal, text: string | Uint8Array): Promise<void> {
  const { stdout } = terminal
  if (!stdout.writable) throw new OutputClosed()
  await new Promise<void>((resolve, reject) => {
    stdout.write(text, (error) => {
      if (!error) resolve()
      else reject((error as NodeJS.ErrnoException).code === 'EPIPE' ? new OutputClosed() : error)
    })
  })
}

/** Writes lines to the output; with `--json`, the result as one line of JSON instead. */
export async function say(
  terminal: Terminal,
  json: boolean | undefined,
  result: unknown,
  lines: readonly string[],
): Promise<void> {
  await write(terminal, json ? `${JSON.stringify(result)}\n` : lines.map((line) => `${line}\n`).join(''))
}
