import type { Cursor } from '../core/cursor.ts'
import type { Entry } from '../core/entry.ts'
import type { Filter } from '../core/filter.ts'
import { printQuery } from '../core/query.ts'
import type { Asset, AssetFile } from './assets.ts'
import type { ListState } from './list-state.ts'

/** Makes the URLs of the dashboard below the prefix where it is mounted. */
export interface Links {
  /** Back to the application, where it said where that is. */
  readonly home: string | undefined
  /** Where completions of a query come from. */
  readonly suggest: string
  list(state: ListState): string
  /** The list of a text that need not be a query. */
  query(text: string): string
  entry(id: string): string
  object(model: string, id: string, cursor?: Cursor): string
  exportCsv(filter: Filter): string
  asset(file: AssetFile): string
}

export function createLinks(basePath: string, assets: readonly Asset[], home?: string): Links {
  return {
    home,
    suggest: `${basePath}/suggest`,
    list: ({ filter, entry, countExactly, ...cursor }) => {
      const params = paramsOf(printQuery(filter))
      addCursor(params, cursor)
      if (countExactly) params.set('count', 'exactly')
      if (entry !== undefined) params.set('entry', entry)
      // The row of the open entry scrolls into view.
      return `${basePath}/${query(params)}${entry === undefined ? '' : `#e${entry}`}`
    },
    query: (text) => `${basePath}/${query(paramsOf(text))}`,
    entry: (id) => `${basePath}/entries/${id}`,
    object: (model, id, cursor = {}) => {
      const params = new URLSearchParams()
      // A browser takes the segments "." and ".." away, and an empty one is no segment.
      const plain = [model, id].every((part) => !/^\.{0,2}$/.test(part))
      if (!plain) {
        params.set('model', model)
        params.set('id', id)
      }
      addCursor(params, cursor)
      const path = plain ? `/objects/${encodeURIComponent(model)}/${encodeURIComponent(id)}` : '/objects'
      return `${basePath}${path}${query(params)}`
    },
    exportCsv: (filter) => `${basePath}/export.csv${query(paramsOf(printQuery(filter)))}`,
    asset: (file) => `${basePath}/assets/${assets.find((asset) => asset.file === file)?.name}`,
  }
}

/** A query as parameters of an address. */
export function paramsOf(text: string): URLSearchParams {
  return new URLSearchParams(text === '' ? [] : [['q', text]])
}

function addCursor(params: URLSearchParams, { before, after }: Cursor): void {
  if (before !== undefined) params.set('before', before)
  if (after !== undefined) params.set('after', after)
}

/** Parameters as the end of an address; what may stand there as it is stays readable in the address that people share. */
export function query(params: URLSearchParams): string {
  const text = params.toString().replace(/%(3A|2F|40|2C)/g, (escaped) => decodeURIComponent(escaped))
  return text === '' ? '' : `?${text}`
}

/** The model and key under which an entry's object has its timeline; undefined where it has none. */
export function objectOf(entry: Entry): readonly [model: string, id: string] | undefined {
  return entry.model !== null && entry.objectId !== null ? [entry.model, entry.objectId] : undefined
}
