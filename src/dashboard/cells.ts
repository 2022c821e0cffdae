import type { Entry } from '../core/entry.ts'
import { type Filter, type FilterTerm, narrowedTo, withTerm, writeActor } from '../core/filter.ts'
import { actorName, objectName, type SentencePart } from '../core/sentence.ts'
import type { Links } from './links.ts'

/** Where a value leads: to the entries of the query that have it too, and to those that don't. */
export interface Cell {
  readonly href: string
  /** Absent where one value alone can't say it: a key that objects of other models have too. */
  readonly without?: string
}

/** Makes a value of an entry lead to entries of the same query. */
export type CellOf = (terms: readonly FilterTerm[]) => Cell

export function createCells(filter: Filter, links: Links): CellOf {
  return (terms) => {
    const [only, ...others] = terms
    const href = links.list({ filter: terms.reduce(narrowedTo, filter) })
    if (!only || others.length > 0) return { href }
    return { href, without: links.list({ filter: withTerm(filter, { ...only, excluded: true }) }) }
  }
}

/** What a part of an entry's sentence is asked for by; nothing for words. */
export function termsOfPart(entry: Entry, part: SentencePart): readonly FilterTerm[] {
  switch (part.kind) {
    case 'actor':
      return part.text === actorName(entry) ? asked('actor', writeActor(entry)) : []
    case 'verb':
      return asked('action', entry.action)
    case 'field': {
      const field = part.recorded ?? part.text
      return entry.changedFields.includes(field) ? asked('field', field) : []
    }
    case 'object':
      if (part.text !== objectName(entry) || entry.model === null) return []
      return [...asked('model', entry.model), ...asked('objectId', entry.objectId)]
    default:
      return []
  }
}

/** A value as it is asked for; nothing where there is none. */
export function asked(key: FilterTerm['key'], value: string | null | undefined): readonly FilterTerm[] {
  return value === null || value === undefined ? [] : [{ key, value, excluded: false }]
}
