const MONEY = new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'EUR' })
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })

/** An amount in euros, as in `€1,204.50`. */
export function formatMoney(amount: string | number): string {
  return MONEY.format(Number(amount))
}

/** A day as people write it, as in `3 Nov 2026`. */
export function formatDay(day: string | Date): string {
  return DAY.format(new Date(day))
}

/** Today as `YYYY-MM-DD`, in UTC like every time here. */
export function today(): string {
  return new Date().toISOString().slice(0, 10)
}

/** A day so many days later. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10)
}

/** A count with its word, as in `1 invoice` or `12 invoices`. */
export function count(n: number, word: string): string {
  return `${n.toLocaleString('en-GB')} ${word}${n === 1 ? '' : 's'}`
}
