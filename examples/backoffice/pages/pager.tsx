import { count } from '../format.ts'

export const PAGE_SIZE = 20

/** The number of the page asked for, from 1. */
export function pageNumber(query: unknown): number {
  return typeof query === 'string' && /^[1-9]\d{0,4}$/.test(query) ? Number(query) : 1
}

export interface PagerProps {
  readonly total: number
  readonly word: string
  readonly page: number
  /** The list's path and its filters, which every page keeps. */
  readonly path: string
  readonly filters: Readonly<Record<string, string>>
}

/** How many there are, and the way to the other pages. */
export function Pager({ total, word, page, path, filters }: PagerProps) {
  const pages = Math.max(1, Math.ceil(total / PAGE_SIZE))
  const to = (number: number) => `${path}?${new URLSearchParams({ ...filters, page: String(number) })}`
  return (
    <nav class="pager" aria-label="Pages">
      <span>
        {count(total, word)}
        {pages > 1 && `, page ${page} of ${pages}`}
      </span>
      {page > 1 && (
        <a class="button" rel="prev" href={to(page - 1)}>
          ← Previous
        </a>
      )}
      {page < pages && (
        <a class="button" rel="next" href={to(page + 1)}>
          Next →
        </a>
      )}
    </nav>
  )
}
