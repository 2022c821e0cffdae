import type { Right } from './access.ts'

/** The page asked for does not exist, or no longer does. */
export class NotFound extends Error {}

/** The person is known but may not do this. */
export class Forbidden extends Error {
  readonly right: Right

  constructor(right: Right) {
    super(`Needs the right “${right}”.`)
    this.right = right
  }
}

/** A form that another site sent. */
export class CrossOrigin extends Error {}
