/** The middle value; of an even number the higher of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

/** Milliseconds that `work` takes. */
export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** One line of the results: what was measured, what it must reach, and what it was. */
export interface Result {
  readonly claim: string
  readonly must: string
  readonly measured: string
}
