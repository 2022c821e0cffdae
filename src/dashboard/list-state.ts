import { type Cursor, isEntryId, parseCursor } from '../core/cursor.ts'
import { DaybookError } from '../core/errors.ts'
import type { Filter } from '../core/filter.ts'
import { parseQuery, printTerm } from '../core/query.ts'

/** The state of the list, which is all in its URL. */
export interface ListState extends Cursor {
  readonly filter: Filter
  /** The entry that is open beside the list. */
  readonly entry?: string
  /** Whether the entries are to be counted to the end. */
  readonly countExactly?: boolean
}

/** @throws DaybookError `invalid_filter` or `invalid_cursor`. */
export function parseListState(params: URLSearchParams): ListState {
  const filter = parseFilter(params, ['before', 'after', 'entry', 'count'])
  const entry = params.get('entry')
  return {
    filter,
    ...parseCursor(params),
    ...(entry && { entry: parseEntryId(entry) }),
    ...(params.get('count') === 'exactly' && { countExactly: true }),
  }
}

/**
 * The filter of an address: its query, in the parameter `q`.
 * @param besides names of other parameters that the address may have.
 * @throws DaybookError `invalid_filter`.
 */
export function parseFilter(params: URLSearchParams, besides: readonly string[] = []): Filter {
  for (const name of new Set(params.keys())) {
    if (name !== 'q' && !besides.includes(name)) throw unknownParameter(name)
  }
  if (params.getAll('q').length > 1)
    throw invalidParameter('q', 'can be given once: a query holds all that is asked for')
  return parseQuery(params.get('q') ?? '')
}

/** The query that a form with two days and the rest of a query means; undefined where no such form was sent. */
export function queryOfDays(params: URLSearchParams): string | undefined {
  if (!params.has('from') && !params.has('to')) return undefined
  const [from = '', to = ''] = ['from', 'to'].map((name) => (params.get(name) ?? '').trim())
  const range = from === '' && to === '' ? [] : [printTerm({ key: 'at', value: `${from}..${to}`, excluded: false })]
  return [...(params.get('q') ? [params.get('q')] : []), ...range].join(' ')
}

function unknownParameter(given: string): DaybookError {
  const clean = given.replace(/[^\x20-\x7e]/g, '?')
  const name = clean.length <= 40 ? clean : `${clean.slice(0, 39)}…`
  return invalidParameter(name, 'is no part of it; what is asked for stands in "q", such as ?q=model:Invoice')
}

function invalidParameter(parameter: string, reason: string): DaybookError {
  return new DaybookError('invalid_filter', `The address can't be used: "${parameter}" ${reason}.`, {
    details: { parameter, reason },
  })
}

/** @throws DaybookError `invalid_filter` for what is no id of an entry. */
export function parseEntryId(text: string): string {
  if (isEntryId(text)) return text
  const reason = 'must be the number of an entry, such as 48213'
  throw new DaybookError('invalid_filter', `The entry can't be shown: its number ${reason}.`, {
    details: { parameter: 'entry', reason },
  })
}
