import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('each dependency at run time has its reason', () => {
  const { dependencies, peerDependencies } = JSON.parse(read('package.json'))
  const reasons = read('docs/decisions/dependencies.md')
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) expect(reasons).toContain(`\`${name}\``)
})
