// Puts the examples into the README and the pages as they are: `<!-- path -->` ahead of a block of code names the file. With --check it only compares.
import { readFileSync, writeFileSync } from 'node:fs'

const BLOCK = /<!-- ((?:examples|test\/contract)\/\S+) -->\n```ts\n[\s\S]*?```/g

const AUTH = ['auth-js', 'better-auth', 'passport'].map((name) => `docs/auth/${name}.md`)

for (const page of ['README.md', 'docs/middleware.md', 'docs/testing.md', ...AUTH]) {
  const before = readFileSync(page, 'utf8')
  const after = before.replace(
    BLOCK,
    (_block, path) => `<!-- ${path} -->\n\`\`\`ts\n${readFileSync(path, 'utf8')}\`\`\``,
  )
  if (!process.argv.includes('--check')) writeFileSync(page, after)
  else if (after !== before) {
    console.error(`${page} does not show the examples as they are: run npm run docs.`)
    process.exitCode = 1
  }
}
