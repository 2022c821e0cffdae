import type { Entry } from '../core/entry.ts'
import { type Comparison, compare, type Difference, type ExpectedEntry } from './match.ts'

export interface ExpectOptions {
  /** `as-given` (default): in the order in which they were recorded. `any`: in any. */
  readonly order?: 'as-given' | 'any'
  /** `none` (default): there is no other entry. `allowed`: there may be others between them. */
  readonly others?: 'none' | 'allowed'
}

/** One line of what was found beside what was expected. */
export type Line =
  | { readonly kind: 'as expected'; readonly expected: ExpectedEntry; readonly actual: Entry }
  | { readonly kind: 'besides'; readonly actual: Entry }
  | {
      readonly kind: 'differs'
      readonly expected: ExpectedEntry
      readonly actual: Entry
      readonly differences: readonly Difference[]
    }
  | { readonly kind: 'missing'; readonly expected: ExpectedEntry }

/** Beyond so many comparisons entries are held against each other one by one, as they come. */
const MAX_CELLS = 250_000

/** Holds what was expected against what is there so that the fewest differences are left. */
export function align(expected: readonly ExpectedEntry[], actual: readonly Entry[], options: ExpectOptions): Line[] {
  return options.order === 'any' ? inAnyOrder(expected, actual) : inOrder(expected, actual, options.others ?? 'none')
}

function pair(expected: ExpectedEntry, actual: Entry, { differences }: Comparison): Line {
  return differences.length === 0
    ? { kind: 'as expected', expected, actual }
    : { kind: 'differs', expected, actual, differences }
}

function inOrder(expected: readonly ExpectedEntry[], actual: readonly Entry[], others: 'none' | 'allowed'): Line[] {
  const lines: Line[] = []
  let start = 0
  for (; start < Math.min(expected.length, actual.length); start += 1) {
    const compared = compare(expected[start], actual[start])
    if (compared.differences.length > 0) break
    lines.push(pair(expected[start] as ExpectedEntry, actual[start] as Entry, compared))
  }
  const left = expected.slice(start)
  const there = actual.slice(start)
  return [
    ...lines,
    ...((left.length + 1) * (there.length + 1) > MAX_CELLS ? oneByOne(left, there) : cheapest(left, there, others)),
  ]
}

function oneByOne(expected: readonly ExpectedEntry[], actual: readonly Entry[]): Line[] {
  return Array.from({ length: Math.max(expected.length, actual.length) }, (_, place): Line => {
    const [wanted, entry] = [expected[place], actual[place]]
    if (!entry) return { kind: 'missing', expected: wanted ?? {} }
    return wanted ? pair(wanted, entry, compare(wanted, entry)) : { kind: 'besides', actual: entry }
  })
}

/** The steps from what was expected to what is there that cost least: none costs nothing but a match, and what may be besides. */
function cheapest(expected: readonly ExpectedEntry[], actual: readonly Entry[], others: 'none' | 'allowed'): Line[] {
  const besides = others === 'allowed' ? 0 : 1
  const compared = expected.map((wanted) => actual.map((entry) => compare(wanted, entry)))
  const costs: number[][] = [Array.from({ length: actual.length + 1 }, (_, column) => column * besides)]
  const at = (row: number, column: number) => costs[row]?.[column] ?? 0
  const ofPair = (row: number, column: number) => costOf(compared[row - 1]?.[column - 1]) * (1 + besides)
  for (let row = 1; row <= expected.length; row += 1) {
    const costsOfRow = [row]
    costs.push(costsOfRow)
    for (let column = 1; column <= actual.length; column += 1) {
      costsOfRow.push(
        Math.min(at(row - 1, column - 1) + ofPair(row, column), at(row - 1, column) + 1, at(row, column - 1) + besides),
      )
    }
  }
  const lines: Line[] = []
  let [row, column] = [expected.length, actual.length]
  while (row > 0 || column > 0) {
    const [wanted, entry] = [expected[row - 1], actual[column - 1]]
    const here = at(row, column)
    if (wanted && entry && here === at(row - 1, column - 1) + ofPair(row, column)) {
      lines.push(pair(wanted, entry, compared[row - 1]?.[column - 1] as Comparison))
      row -= 1
      column -= 1
    } else if (entry && here === at(row, column - 1) + besides) {
      lines.push({ kind: 'besides', actual: entry })
      column -= 1
    } else {
      lines.push({ kind: 'missing', expected: wanted ?? {} })
      row -= 1
    }
  }
  return lines.reverse()
}

/** Less than 1 where anything is the same, so that an entry is rather told to differ than as one that is missing and one too many. */
function costOf(compared: Comparison | undefined): number {
  if (!compared || compared.differences.length === 0) return 0
  return 0.1 + (0.9 * compared.differences.length) / compared.places
}

function inAnyOrder(expected: readonly ExpectedEntry[], actual: readonly Entry[]): Line[] {
  const compared = expected.map((wanted) => actual.map((entry) => compare(wanted, entry)))
  const takenBy = new Map<number, number>()
  // What asks for less may take what another needs: then the other's place is freed where it fits elsewhere.
  const place = (wanted: number, tried: Set<number>): boolean =>
    (compared[wanted] ?? []).some(({ differences }, entry) => {
      if (differences.length > 0 || tried.has(entry)) return false
      tried.add(entry)
      const holder = takenBy.get(entry)
      if (holder !== undefined && !place(holder, tried)) return false
      takenBy.set(entry, wanted)
      return true
    })
  const unplaced = expected.map((_, wanted) => wanted).filter((wanted) => !place(wanted, new Set()))
  for (const wanted of [...unplaced]) {
    const free = actual.map((_, entry) => entry).filter((entry) => !takenBy.has(entry))
    const nearest = free.sort((a, b) => costOf(compared[wanted]?.[a]) - costOf(compared[wanted]?.[b])).at(0)
    if (nearest === undefined || costOf(compared[wanted]?.[nearest]) >= 1) continue
    takenBy.set(nearest, wanted)
    unplaced.splice(unplaced.indexOf(wanted), 1)
  }
  return [
    ...actual.map((entry, index): Line => {
      const wanted = takenBy.get(index)
      if (wanted === undefined) return { kind: 'besides', actual: entry }
      return pair(expected[wanted] as ExpectedEntry, entry, compared[wanted]?.[index] as Comparison)
    }),
    ...unplaced.map((wanted): Line => ({ kind: 'missing', expected: expected[wanted] as ExpectedEntry })),
  ]
}
