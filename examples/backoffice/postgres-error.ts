function stateOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}

/** Whether PostgreSQL refused a row because another has the same unique value. */
export function isUniqueViolation(error: unknown): boolean {
  return stateOf(error) === '23505'
}

/** Whether PostgreSQL refused a number: too large for its column, or against the column's check. */
export function isOutOfRange(error: unknown): boolean {
  return stateOf(error) === '22003' || stateOf(error) === '23514'
}

/** Whether PostgreSQL met somebody else at the same row of its own catalogue. */
export function isConcurrentUpdate(error: unknown): boolean {
  return stateOf(error) === 'XX000'
}
