import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { runCli } from './run-cli.ts'

const page = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8')

/** The section of a heading of the second level, to the next one. */
function section(heading: string): string {
  return page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
}

test('docs/cli.md tells every command and every option that the help tells', async () => {
  const { stdout } = await runCli(['--help'])
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name ?? '')
  expect(commands.length).toBeGreaterThan(7)
  for (const command of commands) {
    const help = (await runCli([command, '--help'])).stdout
    const options = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, name]) => name ?? '')
    const told = command === 'export' ? section('export') + section('entries') : section(command)
    expect(section(command)).toContain(`npx daybook ${command}`)
    for (const option of options.filter(
      (name) => !['--help', '--version', '--json', '--config', '--database-url'].includes(name),
    )) {
      expect(told, `${command} ${option}`).toMatch(new RegExp(`\`[^\`]*${option}\\b`))
    }
  }
})

test('docs/cli.md names no option that no command has', async () => {
  const helps = await Promise.all(
    [...page.matchAll(/^## ([a-z]+)$/gm)].map(async ([, name]) => (await runCli([name ?? '', '--help'])).stdout),
  )
  const known = new Set(helps.join('\n').match(/--[a-z-]+/g))
  for (const option of new Set(page.match(/(?<=[` ])--[a-z][a-z-]+/g))) expect(known, option).toContain(option)
})
