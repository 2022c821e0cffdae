import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/guarantees.md', root), 'utf8')

test('each promise of the guarantees names tests that are there', () => {
  const promises = [...page.matchAll(/^\| (?!promise|---)(.+?) \| (.+) \|$/gm)]
  expect(promises.length).toBeGreaterThan(15)
  for (const [, promise, heldBy = ''] of promises) {
    const named = [...heldBy.matchAll(/`(test\/[^`]+)` ([B0-9–, ]+)/g)]
    expect(named, promise).not.toHaveLength(0)
    for (const [, path = '', behaviours = ''] of named) {
      const tests = readFileSync(new URL(path, root), 'utf8')
      for (const behaviour of numbers(behaviours)) {
        expect(
          new RegExp(`['"\`](B\\d+ )*${behaviour} `).test(tests),
          `${path} has no test of ${behaviour}: ${promise}`,
        ).toBe(true)
      }
    }
  }
})

/** `B1–B3, B5` as `B1`, `B2`, `B3`, `B5`. */
function numbers(list: string): string[] {
  return [...list.matchAll(/B(\d+)(?:–B(\d+))?/g)].flatMap(([, from, to]) => {
    const first = Number(from)
    const last = Number(to ?? from)
    return Array.from({ length: last - first + 1 }, (_, step) => `B${first + step}`)
  })
}
