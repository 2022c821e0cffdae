/** A stretch of time: `from` inclusive, `to` exclusive, as ISO 8601 in UTC; absent where it is open. */
export interface TimeBounds {
  readonly from?: string
  readonly to?: string
}

/** A value in its one form, or what is wrong with it and how far behind its beginning. */
export type Read = { readonly value: string } | { readonly wrong: string; readonly offset?: number }

/** A year, month or day; a time in UTC, with the end of the minute or second that was given; or so long before now. */
type Moment =
  | { readonly kind: 'period'; readonly text: string }
  | { readonly kind: 'time'; readonly text: string; readonly end: string | undefined }
  | { readonly kind: 'relative'; readonly text: string }

const NO_MOMENT = 'is not a time, such as 2026-11-23, 2026-11, 2026-11-23T14:30, 2026-11-23T14:30:00+02:00 or -24h'
const NO_DAY = 'is not a day of the calendar'

/**
 * Reads a range of time and brings it to its one form: `2026-11-23` (that day), `2026-11-01..2026-11-07` (both included),
 * `2026-11-23T14:00..2026-11-23T15:00` (a time ends a range before it), `-24h..` (open), `>=2026-11-01`.
 */
export function readTimeRange(given: string): Read {
  const text = given.trim()
  const comparison = /^(>=|<=|>|<)(.*)$/s.exec(text)
  if (comparison) {
    const [, sign = '', rest = ''] = comparison
    const moment = readMoment(rest.trim())
    if (typeof moment === 'string') return { wrong: moment, offset: sign.length }
    return compared(sign, moment)
  }
  const dots = text.indexOf('..')
  if (dots < 0) {
    const moment = readMoment(text)
    return typeof moment === 'string' ? { wrong: moment } : { value: alone(moment) }
  }
  const [before, behind] = [text.slice(0, dots), text.slice(dots + 2)]
  const from = before === '' ? undefined : readMoment(before)
  const to = behind === '' ? undefined : readMoment(behind)
  if (typeof from === 'string') return { wrong: from }
  if (typeof to === 'string') return { wrong: to, offset: dots + 2 }
  if (!from && !to) return { wrong: 'needs a beginning or an end: 2026-11-01.., ..2026-11-07 or both' }
  if (from && to && isEmpty(from, to)) return { wrong: 'ends before it begins', offset: dots + 2 }
  if (from?.kind === 'period' && from.text === to?.text) return { value: from.text }
  return { value: `${from?.text ?? ''}..${to?.text ?? ''}` }
}

/** What a range in its one form stands for at a moment. */
export function timeBounds(range: string, now: Date): TimeBounds {
  const { from, to } = sidesOf(range)
  return { ...(from !== '' && { from: startOf(from, now) }), ...(to !== '' && { to: endOf(to, now) }) }
}

/** A range in its one form with moments in place of what is relative to now. */
export function pinTimeRange(range: string, now: Date): string {
  if (!range.includes('..')) return range
  const { from, to } = sidesOf(range)
  return `${pinned(from, now)}..${pinned(to, now)}`
}

function sidesOf(range: string): { readonly from: string; readonly to: string } {
  const dots = range.indexOf('..')
  return dots < 0 ? { from: range, to: range } : { from: range.slice(0, dots), to: range.slice(dots + 2) }
}

function pinned(moment: string, now: Date): string {
  return RELATIVE.test(moment) ? shortTime(startOf(moment, now)) : moment
}

function compared(sign: string, moment: Moment): Read {
  if (sign === '>=') return { value: `${moment.text}..` }
  if (sign === '<=' && moment.kind === 'period') return { value: `..${moment.text}` }
  if (moment.kind === 'relative') return { value: sign === '>' ? `${moment.text}..` : `..${moment.text}` }
  if (sign === '<' && moment.kind === 'time') return { value: `..${moment.text}` }
  const step = sign === '<' ? -1 : 1
  const next = moment.kind === 'period' ? neighbour(moment.text, step) : microsecondAfter(moment.text)
  if (next === undefined) return { wrong: `has nothing ${sign === '<' ? 'before' : 'after'} it`, offset: sign.length }
  return { value: sign === '>' ? `${next}..` : `..${next}` }
}

function alone(moment: Moment): string {
  if (moment.kind === 'period') return moment.text
  return moment.kind === 'relative' ? `${moment.text}..` : `${moment.text}..${moment.end ?? ''}`
}

function isEmpty(from: Moment, to: Moment): boolean {
  if ((from.kind === 'relative') !== (to.kind === 'relative')) return false
  // Between two times that both go back from now, when now is makes no difference.
  const now = new Date('5000-01-01T00:00:00Z')
  // Without the Z, texts with and without a fraction of a second sort as the moments do.
  return startOf(from.text, now).replace('Z', '') >= endOf(to.text, now).replace('Z', '')
}

const PERIOD = /^\d{4}(-\d{2}(-\d{2})?)?$/
const RELATIVE = /^-(\d{1,6})([mhdw])$/
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const TIME = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,6}))?)?(?: ?([Zz]|[+-]\d{2}:?\d{2}))?$/
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')

/** A moment, or what is wrong with it. */
function readMoment(given: string): Moment | string {
  if (RELATIVE.test(given)) {
    const [, count = '', unit = ''] = RELATIVE.exec(given) ?? []
    return { kind: 'relative', text: `-${Number(count)}${unit}` }
  }
  if (PERIOD.test(given)) {
    const day = `${given}${'-01'.repeat((10 - given.length) / 3)}`
    return isRealDay(day) ? { kind: 'period', text: given } : NO_DAY
  }
  const parts = TIME.exec(given)
  if (!parts) return NO_MOMENT
  const [, day = '', minutes = '', seconds, fraction = '', zone = 'Z'] = parts
  if (!isRealDay(day)) return NO_DAY
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase()
  const moment = new Date(`${day}T${minutes}:${seconds ?? '00'}${offset}`)
  if (Number.isNaN(moment.getTime())) return NO_MOMENT
  if (!hasFourDigits(moment)) return NO_DAY
  const time = shortTime(`${moment.toISOString().slice(0, 19)}.${fraction || '0'}Z`)
  const width = seconds === undefined ? 60_000_000 : 10 ** (6 - fraction.length)
  return { kind: 'time', text: time, end: microsecondsAfter(time, width) }
}

function isRealDay(day: string): boolean {
  const moment = new Date(`${day}T00:00:00Z`)
  return !day.startsWith('0000') && !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(day)
}

function hasFourDigits(moment: Date): boolean {
  return /^(?!0000)\d{4}-/.test(moment.toISOString())
}

/** A time without the zeros at the end of its fraction. */
function shortTime(time: string): string {
  return time.replace(/\.?0*Z$/, (end) => (time.includes('.') ? 'Z' : end))
}

function microsecondAfter(time: string): string | undefined {
  return microsecondsAfter(time, 1)
}

/** A time so much later; undefined where its year would have five digits. */
function microsecondsAfter(time: string, count: number): string | undefined {
  const [, whole = '', fraction = ''] = /^(.{19})(?:\.(\d+))?Z$/.exec(time) ?? []
  const micros = Number(fraction.padEnd(6, '0')) + count
  const moment = new Date(Date.parse(`${whole}Z`) + Math.floor(micros / 1_000_000) * 1000)
  if (!hasFourDigits(moment)) return undefined
  return shortTime(`${moment.toISOString().slice(0, 19)}.${String(micros % 1_000_000).padStart(6, '0')}Z`)
}

/** The year, month or day before or after one; undefined where the calendar ends. */
function neighbour(period: string, step: 1 | -1): string | undefined {
  const [year = '', month, day] = period.split('-')
  const moment = new Date(`${year}-${month ?? '01'}-${day ?? '01'}T00:00:00Z`)
  if (month === undefined) moment.setUTCFullYear(moment.getUTCFullYear() + step)
  else if (day === undefined) moment.setUTCMonth(moment.getUTCMonth() + step)
  else moment.setUTCDate(moment.getUTCDate() + step)
  return hasFourDigits(moment) ? moment.toISOString().slice(0, period.length) : undefined
}

function startOf(moment: string, now: Date): string {
  if (PERIOD.test(moment)) return `${moment}${'-01'.repeat((10 - moment.length) / 3)}T00:00:00Z`
  const [, count, unit = ''] = RELATIVE.exec(moment) ?? []
  if (count === undefined) return moment
  return new Date(Math.max(FIRST_MS, now.getTime() - Number(count) * (UNIT_MS[unit] ?? 0))).toISOString()
}

function endOf(moment: string, now: Date): string {
  if (!PERIOD.test(moment)) return startOf(moment, now)
  const next = neighbour(moment, 1)
  return next === undefined ? 'infinity' : startOf(next, now)
}
