import Bowser from 'bowser'
import type { Entry } from '../core/entry.ts'

/** A browser and its system as people call them, such as `Firefox 145 on Linux`; undefined where the user agent says neither. */
export function browserName(userAgent: string): string | undefined {
  const { browser, os } = Bowser.parse(userAgent)
  const version = browser.version?.split('.')[0]
  const name = browser.name ? [browser.name, version].filter(Boolean).join(' ') : undefined
  if (name === undefined) return os.name
  return os.name ? `${name} on ${os.name}` : name
}

/** Where an entry came from, in a line. */
export function originLine(entry: Entry): string {
  const { context } = entry
  const parts: (string | undefined)[] = []
  if (entry.actorType === 'database') {
    parts.push('straight in the database', context.database?.application, 'no application context')
  } else {
    if (entry.actorType === 'job' || entry.actorType === 'service') parts.push(entry.actorType)
    parts.push(entry.ipAddress ?? undefined, context.route)
    if (context.route === undefined && context.userAgent !== undefined) parts.push(browserName(context.userAgent))
  }
  if (entry.changedFields.length > 1 && entry.action === 'update') parts.push(`${entry.changedFields.length} fields`)
  if (context.reason !== undefined) parts.push(`reason “${context.reason}”`)
  const reason = entry.outcome === 'success' ? undefined : extraText(entry, 'reason')
  parts.push(reason, entry.action === 'export' ? exportedFilter(entry) : undefined)
  return parts.filter((part) => part !== undefined && part !== '').join(' · ')
}

function exportedFilter(entry: Entry): string {
  const filter = extraText(entry, 'filter')
  return filter ? `filter: ${filter}` : 'everything'
}

function extraText(entry: Entry, key: string): string | undefined {
  const { extra } = entry.context
  if (typeof extra !== 'object' || extra === null || !Object.hasOwn(extra, key)) return undefined
  const value: unknown = (extra as { readonly [key: string]: unknown })[key]
  return typeof value === 'string' ? value : undefined
}

/** One or two letters for an actor's picture; a short word for one that is no person. */
export function initials(entry: Entry): string {
  const marks: Readonly<Record<string, string>> = {
    job: 'job',
    database: 'db',
    service: 'svc',
    anonymous: '?',
    unknown: '?',
  }
  const mark = marks[entry.actorType]
  if (mark !== undefined) return mark
  const [name = ''] = (entry.actorLabel ?? entry.actorId ?? '').split('@')
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? []
  const [first = '', second = ''] = words
  const letters = second === '' ? [...first].slice(0, 2) : [[...first][0], [...second][0]]
  return letters.join('').toUpperCase() || '?'
}
