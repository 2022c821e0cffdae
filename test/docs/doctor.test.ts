import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('the page about doctor names every finding, and none that there is not', () => {
  const codes = [...read('src/capture/postgres/finding.ts').matchAll(/^ {2}([a-z_]+): \{$/gm)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(50)
  const page = read('docs/doctor.md')
  for (const code of codes) expect(page).toContain(`\`${code}\``)
  const rows = [...page.matchAll(/^\| (`[^|]*?)(?::|,? \|)/gm)].map(([, names = '']) => names)
  const named = rows.flatMap((names) => [...names.matchAll(/`([a-z]+_[a-z_]+)`/g)].map(([, code]) => code))
  expect(named.length).toBeGreaterThan(30)
  for (const code of named) expect(codes).toContain(code)
})
