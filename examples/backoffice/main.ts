import { isDaybookError } from 'daybook'
import { type Backoffice, startBackoffice } from './backoffice.ts'
import { ACCOUNTS, PASSWORD } from './seed.ts'
import { readSettings } from './settings.ts'

/** What the process ends with: the environment is wrong, or something that is needed can't be had. */
const EXIT = { usage: 2, failed: 3 } as const

function explain(error: unknown): void {
  if (isDaybookError(error)) console.error(error.message)
  else console.error('The back office could not start:', error)
  process.exitCode = isDaybookError(error) && error.code === 'invalid_option' ? EXIT.usage : EXIT.failed
}

function introduce({ url }: Backoffice): void {
  const width = Math.max(...ACCOUNTS.map(({ email }) => email.length))
  console.log(
    [
      '',
      `The back office   ${url}`,
      `Its audit log     ${url}/audit`,
      '',
      `Sign in with the password ${PASSWORD} as`,
      ...ACCOUNTS.map(({ email, roles }) => `  ${email.padEnd(width)}   ${roles.join(', ')}`),
      '',
      'Ctrl+C ends it; what was done stays.',
    ].join('\n'),
  )
}

async function main(): Promise<void> {
  let backoffice: Promise<Backoffice> | undefined
  let ending = false
  const end = () => {
    // Asked twice: whoever asks does not want to wait.
    if (ending) process.exit(130)
    ending = true
    // Still starting: what was begun is finished first, so that nothing is left half done.
    backoffice?.then((running) => running.close()).catch(() => {})
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
  try {
    backoffice = startBackoffice(readSettings(process.env), (sentence) => console.log(sentence))
    const running = await backoffice
    if (!ending) introduce(running)
  } catch (error) {
    explain(error)
  }
}

await main()
