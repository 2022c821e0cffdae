import { writeFile } from 'node:fs/promises'
import { measureBulk, measureMixedSizes } from './bulk.ts'
import { measureConcurrency } from './concurrency.ts'
import { measureEntryBytes } from './entry-bytes.ts'
import { measureHttp } from './http.ts'
import type { Result } from './measure.ts'
import { measureOneRow } from './one-row.ts'
import { createDatabase, describeMachine, openServers } from './server.ts'

const CLAIMS: Readonly<Record<string, (url: string) => Promise<Result[]>>> = {
  bulk_off: (url) => measureBulk(url, 'off'),
  bulk_on: (url) => measureBulk(url, 'on'),
  mixed_sizes: measureMixedSizes,
  one_row_off: (url) => measureOneRow(url, 'off'),
  one_row_on: (url) => measureOneRow(url, 'on'),
  entry_bytes: measureEntryBytes,
  concurrency: measureConcurrency,
  http: measureHttp,
}

const only = process.argv.slice(2)
const unknown = only.find((name) => !(name in CLAIMS))
if (unknown !== undefined) {
  console.error(`There is no claim ${unknown}. The claims are ${Object.keys(CLAIMS).join(', ')}.`)
  process.exit(2)
}

const lines: string[] = []
const print = (line: string) => {
  lines.push(line)
  console.log(line)
}

for await (const server of openServers()) {
  try {
    const machine = await describeMachine(server.url)
    print(`${lines.length > 0 ? '\n' : ''}## ${machine}, ${new Date().toISOString().slice(0, 10)}\n`)
    print('| claim | must | measured |\n|---|---|---|')
    for (const [name, measure] of Object.entries(CLAIMS)) {
      if (only.length > 0 && !only.includes(name)) continue
      for (const { claim, must, measured } of await measure(await createDatabase(server.url, `bench_${name}`))) {
        print(`| ${claim} | ${must} | ${measured} |`)
      }
    }
  } finally {
    await server.stop()
  }
}
if (process.env.DAYBOOK_BENCH_RESULTS) await writeFile(process.env.DAYBOOK_BENCH_RESULTS, `${lines.join('\n')}\n`)
