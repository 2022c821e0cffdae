import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { trackSql } from '../../src/capture/postgres/index.ts'
import type { TableOptions } from '../../src/core/table.ts'

const page = readFileSync(new URL('../../docs/capture.md', import.meta.url), 'utf8')

test('the page about the capture names every option of a table', () => {
  // The refusal of an unknown option lists those that there are.
  expect(() => trackSql('any', { unknown: true } as TableOptions)).toThrow(/The options are model, /)
  try {
    trackSql('any', { unknown: true } as TableOptions)
  } catch (error) {
    const [, names = ''] = /The options are (.*)\.$/.exec((error as Error).message) ?? []
    expect(names.split(', ').length).toBeGreaterThan(8)
    for (const name of names.split(', ')) expect(page).toMatch(new RegExp(`^\\| .*\`${name}\`.* \\|`, 'm'))
  }
})
