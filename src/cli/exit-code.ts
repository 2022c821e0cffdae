/** What the process ends with: it went well; something was found; the command line was wrong; the log could not be reached. */
export const EXIT = { fine: 0, finding: 1, usage: 2, failed: 3 } as const

/** What a command that found something wants the process to end with. */
export interface Outcome {
  exitCode: number
}
