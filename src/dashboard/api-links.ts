import type { Cursor } from '../core/cursor.ts'
import type { Filter } from '../core/filter.ts'
import { printQuery } from '../core/query.ts'
import { paramsOf, query } from './links.ts'

/** Makes the addresses of the JSON API. */
export interface ApiLinks {
  /** Where the dashboard is mounted. */
  readonly prefix: string
  /** The list of a filter. */
  list(filter: Filter, cursor?: Cursor): string
  entry(id: string): string
  object(model: string, id: string, cursor?: Cursor): string
  /** Another page of the list that was asked for. */
  entries(asked: URL, cursor: Cursor): string
  /** Another page of the timeline that was asked for. */
  objects(asked: URL, cursor: Cursor): string
  readonly document: string
}

export function createApiLinks(prefix: string): ApiLinks {
  const path = (name: string, params: URLSearchParams) => `${prefix}/${name}.json${query(params)}`
  return {
    prefix,
    list: (filter, cursor = {}) => path('entries', at(paramsOf(printQuery(filter)), cursor)),
    entry: (id) => `${prefix}/entries/${id}.json`,
    // A key can be anything, so it is no part of the path.
    object: (model, id, cursor = {}) => path('objects', at(new URLSearchParams({ model, id }), cursor)),
    entries: (asked, cursor) => path('entries', at(asked.searchParams, cursor)),
    objects: (asked, cursor) => path('objects', at(asked.searchParams, cursor)),
    document: `${prefix}/openapi.json`,
  }
}

function at(asked: URLSearchParams, { before, after }: Cursor): URLSearchParams {
  const params = new URLSearchParams(asked)
  // The count is of the filter, and the same on every page.
  for (const name of ['before', 'after', 'count']) params.delete(name)
  if (before !== undefined) params.set('before', before)
  if (after !== undefined) params.set('after', after)
  return params
}
