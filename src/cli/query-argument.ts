import type { Command } from 'commander'
import { DaybookError, isDaybookError } from '../core/errors.ts'
import { FILTER_KEYS, type Filter } from '../core/filter.ts'
import { parseQuery } from '../core/query.ts'

const GRAMMAR = `
The query is words with a space between them, all of which must hold; without
any, it is every entry. It is the same text as in the dashboard's box and address.
${FILTER_KEYS.map(({ key, name, description }) => `  ${(key === 'text' ? 'WORD' : `${name}:`).padEnd(14)}${description}`).join('\n')}
The same key twice means "or". A "-" in front leaves out: -action:login. A value
with spaces stands in quotation marks: actor:"Ada Lovelace". Times are UTC; a day,
month or year at the end of a range is included, a time is not. For the shell, put
the whole query into single quotes.
`

/** Gives a command the query as its argument. */
export function addQuery(command: Command): Command {
  return (
    command
      .argument('[query...]', 'which entries: see below')
      // What is left out begins as an option does.
      .allowUnknownOption()
      .addHelpText('after', GRAMMAR)
      .hook('preAction', (_, { args }) => {
        const unknown = args.find((word) => word.startsWith('--'))
        if (unknown !== undefined) {
          command.error(`error: unknown option '${unknown}'`, { code: 'commander.unknownOption' })
        }
      })
  )
}

/**
 * The filter that the words of a command line say.
 * @throws DaybookError `invalid_filter`, with the query in its details beside the place where it is wrong.
 */
export function readQuery(words: readonly string[]): Filter {
  const query = words.join(' ')
  try {
    return parseQuery(query)
  } catch (error) {
    if (!isDaybookError(error)) throw error
    throw new DaybookError(error.code, error.message, { details: { ...error.details, query } })
  }
}

/** A query that can't be used, and below it a sign for the place where it is wrong; nothing for other errors. */
export function faultLines(error: unknown): readonly string[] {
  if (!isDaybookError(error)) return []
  const { query, start, end } = error.details
  if (typeof query !== 'string' || typeof start !== 'number' || typeof end !== 'number') return []
  // What steers a terminal keeps its place, for the sign below.
  const line = query.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
  return [`  ${line}`, `  ${' '.repeat(start)}${'^'.repeat(Math.max(1, end - start))}`]
}
