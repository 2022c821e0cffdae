const DAY = new Intl.DateTimeFormat('en-GB', {
  weekday: 'long',
  day: 'numeric',
  month: 'long',
  year: 'numeric',
  timeZone: 'UTC',
})

/** Such as `Monday 23 November 2026`, in UTC. */
export function dayName(moment: Date): string {
  return DAY.format(moment).replace(',', '')
}

/** Such as `14:32:07`, in UTC. */
export function clockTime(moment: Date): string {
  return moment.toISOString().slice(11, 19)
}

const SHORT_DAY = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
})

/** Such as `Mon 23 Nov 2026, 14:32:07.481 UTC`. */
export function exactTime(moment: Date): string {
  return `${SHORT_DAY.format(moment).replace(',', '')}, ${moment.toISOString().slice(11, 23)} UTC`
}

/** Such as `Mon 23 Nov 2026, 14:32 UTC`. */
export function shortTime(moment: Date): string {
  return `${SHORT_DAY.format(moment).replace(',', '')}, ${moment.toISOString().slice(11, 16)} UTC`
}

/** The date of a moment in UTC, such as `2026-11-23`. */
export function dateOf(moment: Date): string {
  return moment.toISOString().slice(0, 10)
}

/** The date some days before a moment. */
export function daysBefore(moment: Date, days: number): string {
  return dateOf(new Date(moment.getTime() - days * 86_400_000))
}

/** `today` or `yesterday`, or nothing. */
export function nearDay(date: string, now: Date): string | undefined {
  if (date === dateOf(now)) return 'today'
  return date === daysBefore(now, 1) ? 'yesterday' : undefined
}
