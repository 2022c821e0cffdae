import type { Cursor } from '../core/cursor.ts'
import type { Entry } from '../core/entry.ts'
import { type Filter, type FilterKey, writeFilter } from '../core/filter.ts'
import type { Asset, AssetFile } from './assets.ts'

/** The state of the list, which is all in its URL. */
export interface ListState extends Cursor {
  readonly filter: Filter
  /** The entry that is open beside the list. */
  readonly entry?: string
  /** Whether the entries are to be counted to the end. */
  readonly countExactly?: boolean
}

/** Makes the URLs of the dashboard below the prefix where it is mounted. */
export interface Links {
  /** Back to the application, where it said where that is. */
  readonly home: string | undefined
  list(state: ListState): string
  entry(id: string): string
  object(model: string, id: string, cursor?: Cursor): string
  exportCsv(filter: Filter): string
  asset(file: AssetFile): string
}

export function createLinks(basePath: string, assets: readonly Asset[], home?: string): Links {
  return {
    home,
    list: ({ filter, entry, countExactly, ...cursor }) => {
      const params = writeFilter(filter)
      addCursor(params, cursor)
      if (countExactly) params.set('count', 'exactly')
      if (entry !== undefined) params.set('entry', entry)
      // The row of the open entry scrolls into view.
      return `${basePath}/${query(params)}${entry === undefined ? '' : `#e${entry}`}`
    },
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
    exportCsv: (filter) => `${basePath}/export.csv${query(writeFilter(filter))}`,
    asset: (file) => `${basePath}/assets/${assets.find((asset) => asset.file === file)?.name}`,
  }
}

function addCursor(params: URLSearchParams, { before, after }: Cursor): void {
  if (before !== undefined) params.set('before', before)
  if (after !== undefined) params.set('after', after)
}

function query(params: URLSearchParams): string {
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}

/** A filter without one value of one part. */
export function withoutValue(filter: Filter, key: FilterKey, value: string): Filter {
  const { [key]: values, ...others } = filter
  if (values === undefined || typeof values === 'string') return others
  const left = values.filter((other) => other !== value)
  return left.length === 0 ? others : { ...others, [key]: left }
}

/** The model and key under which an entry's object has its timeline; undefined where it has none. */
export function objectOf(entry: Entry): readonly [model: string, id: string] | undefined {
  return entry.model !== null && entry.objectId !== null ? [entry.model, entry.objectId] : undefined
}
