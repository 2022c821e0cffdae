import type { Command } from 'commander'
import { FILTER_PARAMETERS, type Filter, parseFilter } from '../core/filter.ts'
import { collect } from './flags.ts'

/** The filter as commander gives it: the values of each flag that was used. */
export type FilterFlags = { readonly [K in keyof Filter]?: readonly string[] }

/** Gives a command the parts of a filter as flags, under the names that they have in a URL. */
export function addFilterFlags(command: Command): Command {
  for (const { name, description, single } of FILTER_PARAMETERS) {
    command.option(`--${name} <value>`, single ? description : `${description}; can be repeated`, collect)
  }
  return command
}

/**
 * The filter that the flags say.
 * @throws DaybookError `invalid_filter`.
 */
export function readFilter(flags: FilterFlags): Filter {
  const params = new URLSearchParams()
  for (const { key, name } of FILTER_PARAMETERS) {
    for (const value of flags[key] ?? []) params.append(name, value)
  }
  return parseFilter(params)
}
