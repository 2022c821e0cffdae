/** How often a property is tried: `DAYBOOK_PROPERTY_RUNS` times where it is set. A failure prints the seed and the path to try again. */
export function runs(usual: number): number {
  return Number(process.env.DAYBOOK_PROPERTY_RUNS ?? usual)
}

/** What so many tries, and the search for a smaller failure, may take. */
export function runsTimeoutMs(usual: number): number {
  return 120_000 + runs(usual) * 2_000
}
