import { Option } from 'commander'
import type { LockRetryOptions } from '../capture/postgres/index.ts'
import { wholeNumber } from './flags.ts'
import type { Terminal } from './terminal.ts'
import type { GlobalOptions } from './with-database.ts'

/** What a command with {@link waitOption} has. */
export interface WaitFlags extends GlobalOptions {
  readonly wait: number
}

/** How long a command goes on trying to get a table that another transaction holds. */
export function waitOption(): Option {
  return new Option('--wait <seconds>', 'how long to go on trying behind a long transaction; writers are not held up')
    .default(600)
    .argParser(wholeNumber(0, 86_400))
}

/** Tries for as long as `--wait` says, and tells once what it waits for. */
export function retryFor(terminal: Terminal, { wait, json }: WaitFlags, what: string): LockRetryOptions {
  return {
    waitMs: wait * 1000,
    onWait: () => {
      if (json) return
      terminal.stderr.write(
        `daybook: another transaction holds ${what}; trying for up to ${wait} s, without holding up its writers.\n`,
      )
    },
  }
}
