/** The JSON texts of a field's old and new value, as they stand. */
export type RawChange = readonly [old: string, now: string]

/**
 * The changes of an entry with their values as the text that was recorded, to compare them to the letter: no number is rounded, no
 * escape is resolved, no key is put in another order.
 *
 * @param text `changes` of the view `daybook.entries`: an object of field to `[old, new]`.
 * @throws SyntaxError where it is anything else.
 */
export function readRawChanges(text: string): ReadonlyMap<string, RawChange> {
  const found = new Map<string, RawChange>()
  let at = skip(text, 0, '{')
  while (text[at] !== '}') {
    const endOfName = endOfValue(text, at)
    const name: unknown = JSON.parse(text.slice(at, endOfName))
    at = skip(text, skip(text, endOfName, ':'), '[')
    const endOfOld = endOfValue(text, at)
    const start = skip(text, endOfOld, ',')
    const endOfNew = endOfValue(text, start)
    found.set(String(name), [text.slice(at, endOfOld), text.slice(start, endOfNew)])
    at = skip(text, endOfNew, ']')
    if (text[at] === ',') at = skip(text, at, ',')
  }
  return found
}

/** The place of what follows a mark and the white space around it. */
function skip(text: string, from: number, mark: string): number {
  let at = from
  while (isSpace(text[at])) at += 1
  if (text[at] !== mark) throw new SyntaxError(`The changes of an entry are malformed at ${at}.`)
  at += 1
  while (isSpace(text[at])) at += 1
  return at
}

/** The place behind the value that begins here. */
function endOfValue(text: string, from: number): number {
  let depth = 0
  let at = from
  while (at < text.length) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at)
    else {
      if (depth === 0 && at > from && (isSpace(character) || ',:]}'.includes(character ?? ''))) return at
      if (character === '{' || character === '[') depth += 1
      else if (character === '}' || character === ']') depth -= 1
      at += 1
    }
    if (depth === 0 && '"}]'.includes(text[at - 1] ?? '')) return at
  }
  throw new SyntaxError(`The changes of an entry end within a value at ${from}.`)
}

function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '"') return at + 1
  }
  throw new SyntaxError(`The changes of an entry end within a text at ${from}.`)
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t'
}
