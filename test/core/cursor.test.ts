import { describe, expect, test } from 'vitest'
import { parseCursor } from '../../src/core/cursor.ts'
import { isDaybookError } from '../../src/core/errors.ts'

function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isDaybookError(error)) return error.code
    throw error
  }
  throw new Error('nothing was refused')
}

describe('a cursor', () => {
  test('is the id of an entry', () => {
    expect(parseCursor(new URLSearchParams('before=48213'))).toEqual({ before: '48213' })
    expect(parseCursor(new URLSearchParams('after=9223372036854775807'))).toEqual({ after: '9223372036854775807' })
    expect(parseCursor(new URLSearchParams('before='))).toEqual({})
  })

  test.each([
    'before=abc',
    'before=0',
    'after=-1',
    'after=9223372036854775808',
    `before=${10n ** 30n}`,
    'before=1&after=2',
    'before=1&before=2',
  ])('that is malformed is refused: %s', (query) => {
    expect(refusal(() => parseCursor(new URLSearchParams(query)))).toBe('invalid_cursor')
  })
})
