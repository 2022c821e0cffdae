/** How often a property is tried: `DAYBOOK_PROPERTY_RUNS` times where it is set. A failure prints the seed and the path to try it again. */
function runs(usual: number): number {
  return Number(process.env.DAYBOOK_PROPERTY_RUNS ?? usual)
}

/** What so many tries, and the search for a smaller failure, may take. */
export function runsTimeoutMs(usual: number): number {
  return 120_000 + runs(usual) * 2_000
}

/** How fast-check is to try a property: it tells of a failure before the test's time is over, however small it has become by then. */
export function tries(usual: number) {
  return { numRuns: runs(usual), interruptAfterTimeLimit: runsTimeoutMs(usual) - 60_000 }
}
