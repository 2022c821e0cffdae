import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FILTER_KEYS } from '../../src/core/filter.ts'
import { API_ROUTES } from '../../src/dashboard/api.ts'
import { ROUTES } from '../../src/dashboard/routes.ts'

const page = readFileSync(new URL('../../docs/dashboard.md', import.meta.url), 'utf8')

describe('the page about the dashboard', () => {
  test.each(FILTER_KEYS.filter(({ key }) => key !== 'text').map(({ name }) => name))(
    'names the key %s of a query',
    (name) => {
      expect(page).toMatch(new RegExp(`^\\| .*\`${name}:\`.* \\|`, 'm'))
    },
  )

  test('names every path', () => {
    for (const { path } of API_ROUTES) expect(page).toContain(`| \`${path}\` |`)
    for (const path of Object.keys(ROUTES)) expect(page).toContain(`\`${path.replace('/:model/:id', '/:model/:key')}`)
  })
})
