import { writeFile } from 'node:fs/promises'
import { measureBulk, measureMixedSizes } from './bulk.ts'
import { measureEntryBytes } from './entry-bytes.ts'
import type { Result } from './measure.ts'
import { measureOneRow } from './one-row.ts'
import { createDatabase, describeMachine, openServer } from './server.ts'

const CLAIMS: Readonly<Record<string, (url: string) => Promise<Result[]>>> = {
  bulk_off: (url) => measureBulk(url, 'off'),
  bulk_on: (url) => measureBulk(url, 'on'),
  mixed_sizes: measureMixedSizes,
  one_row_off: (url) => measureOneRow(url, 'off'),
  one_row_on: (url) => measureOneRow(url, 'on'),
  entry_bytes: measureEntryBytes,
}

const only = process.argv.slice(2)
const unknown = only.find((name) => !(name in CLAIMS))
if (unknown !== undefined) {
  console.error(`There is no claim ${unknown}. The claims are ${Object.keys(CLAIMS).join(', ')}.`)
  process.exit(2)
}

const server = await openServer()
try {
  const machine = await describeMachine(server.url)
  const lines = [
    `## ${machine}, ${new Date().toISOString().slice(0, 10)}`,
    '',
    '| claim | must | measured |',
    '|---|---|---|',
  ]
  console.log(lines.join('\n'))
  for (const [name, measure] of Object.entries(CLAIMS)) {
    if (only.length > 0 && !only.includes(name)) continue
    for (const { claim, must, measured } of await measure(await createDatabase(server.url, `bench_${name}`))) {
      const line = `| ${claim} | ${must} | ${measured} |`
      lines.push(line)
      console.log(line)
    }
  }
  if (process.env.DAYBOOK_BENCH_RESULTS) await writeFile(process.env.DAYBOOK_BENCH_RESULTS, `${lines.join('\n')}\n`)
} finally {
  await server.stop()
}
