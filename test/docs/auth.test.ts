import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe.each(['auth-js', 'better-auth', 'passport'])('the page about %s', (library) => {
  const page = read(`docs/auth/${library}.md`)

  test('shows the set-up that is tried', () => {
    const [, path = '', code] = /<!-- (test\/contract\/\S+) -->\n```ts\n([\s\S]*?)```/.exec(page) ?? []
    expect(path).toBe(`test/contract/auth/set-up/${library}.ts`)
    expect(code).toBe(read(path))
  })

  test('names every option, and what the library does not let one see', () => {
    const source = read(`src/auth/${library}.ts`)
    const options = [...source.matchAll(/^export interface \w+Options[^{]*\{\n([\s\S]*?)^\}/gm)].map(([, body]) => body)
    const names = options.flatMap((body = '') => [...body.matchAll(/^ {2}readonly (\w+)/gm)].map(([, name]) => name))
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) expect(page).toContain(name)
    expect(page).toContain("## What it can't see")
  })

  test('leads on from the page about sign-ins', () => {
    expect(read('docs/auth.md')).toContain(`(auth/${library}.md)`)
  })
})
