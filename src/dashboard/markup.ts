import type { Page } from './routes.ts'

/** Characters that turn the direction of the text after them: a value could pass for another one. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g

/** Markup as the text that is sent, with the characters that turn its direction told by their numbers. */
export async function writeMarkup(markup: Page): Promise<string> {
  return String(await markup).replace(TURNING, (character) => `\\u${character.charCodeAt(0).toString(16)}`)
}
