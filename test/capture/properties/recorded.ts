import { fieldTexts } from '../edge-values.ts'

/** What an entry holds: field by field the texts of the old and the new value, not a digit lost. */
export function recordedChanges(changes: string): Map<string, readonly [old: string, now: string]> {
  return new Map([...fieldTexts(changes)].map(([field, pair]) => [field, sides(pair)]))
}

function sides(pair: string): [string, string] {
  let depth = 0
  let inString = false
  for (let place = 1; place < pair.length; place++) {
    const character = pair[place]
    if (inString) {
      if (character === '\\') place++
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    else if (character === ',' && depth === 0) return [pair.slice(1, place), pair.slice(place + 1, -1)]
  }
  throw new Error(`No pair of values: ${pair}`)
}

/** Whether two texts are the same JSON but for white space and the order of keys, of which a change is no entry. */
export function sameJson(a: string, b: string): boolean {
  const characters = (text: string) => [...text.replace(/\s/g, '')].sort().join('')
  return characters(a) === characters(b) && sorted(a) === sorted(b)
}

function sorted(text: string): string {
  return JSON.stringify(JSON.parse(text), (_, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}
