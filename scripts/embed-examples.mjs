// Puts the examples into the README as they are: `<!-- path -->` ahead of a block of code names the file. With --check it only compares.
import { readFileSync, writeFileSync } from 'node:fs'

const BLOCK = /<!-- (examples\/\S+) -->\n```ts\n[\s\S]*?```/g

const before = readFileSync('README.md', 'utf8')
const after = before.replace(BLOCK, (_block, path) => `<!-- ${path} -->\n\`\`\`ts\n${readFileSync(path, 'utf8')}\`\`\``)
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md does not show the examples as they are: run npm run docs.')
    process.exitCode = 1
  }
} else {
  writeFileSync('README.md', after)
}
