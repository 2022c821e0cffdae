import { FILTER_KEYS, type Filter, type FilterKey, type FilterTerm, filterOf } from '../../src/core/filter.ts'
import { parseQuery, printTerm } from '../../src/core/query.ts'
import fc from '../fast-check.ts'

/** Values that a key takes, in no special form. */
export type ValuesOf = { readonly [K in FilterKey]?: fc.Arbitrary<string> }

const text = fc
  .oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), fc.string({ minLength: 1, maxLength: 8 }))
  .filter((value) => !value.includes('\0') && value.trim() !== '')

const moment = fc
  .date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true })
  .chain((date) => fc.constantFrom(4, 7, 10, 16, 19).map((length) => cut(date.toISOString(), length)))
const relative = fc.tuple(fc.nat(999_999), fc.constantFrom('m', 'h', 'd', 'w')).map(([n, unit]) => `-${n}${unit}`)
const anyMoment = fc.oneof(moment, relative)

function cut(time: string, length: number): string {
  return length < 16 ? time.slice(0, length) : `${time.slice(0, length)}Z`
}

/** Any value that a key takes. */
export const ANY_VALUE: Required<ValuesOf> = {
  actor: fc.oneof(text, fc.constantFrom('anonymous', 'user:7', 'job:a:b', 'ada@example.com')),
  model: text,
  object: text,
  objectId: text,
  action: fc.constantFrom('create', 'update', 'invoice.approved', 'invoice.*'),
  outcome: fc.constantFrom('success', 'failure', 'denied'),
  field: text,
  ip: fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, bits]) => `${address}/${bits}`),
  ),
  request: text,
  transaction: fc.bigInt(0n, 2n ** 63n - 1n).map(String),
  statement: fc.bigInt(0n, 2n ** 63n - 1n).map(String),
  tenant: text,
  at: fc.oneof(
    anyMoment,
    fc.tuple(fc.constantFrom('>=', '<=', '>', '<'), anyMoment).map(([sign, at]) => `${sign}${at}`),
    fc.tuple(moment, moment).map(([a, b]) => (a < b ? `${a}..${b}` : `${b}..${a}`)),
  ),
  text,
}

/** Any filter that can be said with these values. */
export function anyFilter(values: ValuesOf = ANY_VALUE, maxValues = 3): fc.Arbitrary<Filter> {
  const terms = FILTER_KEYS.flatMap(({ key }) => {
    const value = values[key]
    if (!value) return []
    const term = fc.record({ key: fc.constant(key), value, excluded: fc.boolean() })
    return [fc.array(term, { maxLength: maxValues })]
  })
  return fc
    .tuple(...terms)
    .map((found) => oneOpenEnd(found.flat()))
    .map((found) => filterOf(found.map(inOneForm)))
}

/** Two ranges that are both open are refused together. */
function oneOpenEnd(terms: readonly FilterTerm[]): readonly FilterTerm[] {
  const ranges = terms.filter(({ key, excluded }) => key === 'at' && !excluded)
  return terms.filter((term) => !ranges.includes(term) || term === ranges[0])
}

function inOneForm(term: FilterTerm): FilterTerm {
  const { [term.key]: asked, not } = parseQuery(printTerm(term))
  return { ...term, value: (asked ?? not?.[term.key])?.[0] ?? '' }
}
