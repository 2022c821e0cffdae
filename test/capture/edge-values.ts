/** Types that the values below are of, beside PostgreSQL's own. */
export const EDGE_TYPES = `
    create type mood as enum ('sad', 'ok', 'it''s "great"');
    create type pair as (a int, b text);
    create type nested as (p pair, list int[]);
    create domain positive as int check (value > 0);
    create domain code as char(3);
    create domain codes as char(3)[];
    create domain name_text as varchar(20);
    create domain own_mood as mood;
    create domain deep as positive;
    create domain amount as numeric(10, 2);
    create domain pair_domain as pair;
    create domain json_domain as json;
    create type float_range as range (subtype = float8);
`

const BIG = '9'.repeat(400)

/** Type, value as SQL, and the JSON text that stands in the log. */
export const EDGES: [type: string, value: string, recorded: string][] = [
  ['boolean', 'true', 'true'],
  ['smallint', "'-32768'", '-32768'],
  ['integer', '2147483647', '2147483647'],
  ['bigint', '9007199254740993', '9007199254740993'],
  ['bigint', "'-9223372036854775808'", '-9223372036854775808'],
  ['numeric', '1.0', '1.0'],
  ['numeric', '1.00', '1.00'],
  ['numeric', "'NaN'", '"NaN"'],
  ['numeric', "'Infinity'", '"Infinity"'],
  ['numeric', "'-Infinity'", '"-Infinity"'],
  ['numeric', BIG, BIG],
  ['numeric(12,4)', '0.00005', '0.0001'],
  ['real', "'NaN'", '"NaN"'],
  ['real', '0.1', '0.1'],
  ['double precision', "'NaN'", '"NaN"'],
  ['double precision', "'Infinity'", '"Infinity"'],
  ['double precision', "'-Infinity'", '"-Infinity"'],
  ['double precision', "'-0'", '-0'],
  ['double precision', '0.1', '0.1'],
  ['double precision', '5e-324', '5e-324'],
  ['double precision', '1.7976931348623157e308', '1.7976931348623157e+308'],
  ['money', "'-$1234.50'", '"-$1,234.50"'],
  ['text', "''", '""'],
  ['text', "'None'", '"None"'],
  ['text', "'null'", '"null"'],
  ['text', "E'a\\tb\\n\"c\\\\'", '"a\\tb\\n\\"c\\\\"'],
  ['text', "'%s %L $1 $body$ {x}'", '"%s %L $1 $body$ {x}"'],
  ['text', "U&'\\+01F600\\FFFE\\FFFF'", '"😀\ufffe\uffff"'],
  ['varchar(5)', "'abc'", '"abc"'],
  ['char(5)', "'ab'", '"ab   "'],
  ['"char"', "'x'", '"x"'],
  ['name', "'a name'", '"a name"'],
  ['bytea', "'\\x00ff'", '"\\\\x00ff"'],
  ['bytea', "''", '"\\\\x"'],
  ['date', "'infinity'", '"infinity"'],
  ['date', "'-infinity'", '"-infinity"'],
  ['date', "'0044-03-15 BC'", '"0044-03-15 BC"'],
  ['date', "'5874897-12-31'", '"5874897-12-31"'],
  ['time', "'24:00:00'", '"24:00:00"'],
  ['timetz', "'12:00:00+05:30'", '"12:00:00+05:30"'],
  ['timestamp', "'infinity'", '"infinity"'],
  ['timestamp', "'2024-02-29 12:34:56.789'", '"2024-02-29T12:34:56.789"'],
  ['timestamptz', "'2024-02-29 12:00:00+02'", '"2024-02-29T10:00:00+00:00"'],
  ['timestamptz', "'-infinity'", '"-infinity"'],
  ['timestamptz', "'4713-01-01 00:00:00+00 BC'", '"4713-01-01T00:00:00+00:00 BC"'],
  ['interval', "'1 day'", '"P1D"'],
  ['interval', "'24 hours'", '"PT24H"'],
  ['interval', "'-1 year 2 mons -3 days 4:05:06.7'", '"P-10M-3DT4H5M6.7S"'],
  ['uuid', "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'],
  ['inet', "'10.0.0.1/8'", '"10.0.0.1/8"'],
  ['inet', "'::1'", '"::1"'],
  ['cidr', "'10.0.0.0/8'", '"10.0.0.0/8"'],
  ['macaddr', "'08:00:2b:01:02:03'", '"08:00:2b:01:02:03"'],
  ['macaddr8', "'08:00:2b:01:02:03:04:05'", '"08:00:2b:01:02:03:04:05"'],
  ['bit(3)', "B'101'", '"101"'],
  ['bit varying', "B''", '""'],
  ['oid', '4294967295', '"4294967295"'],
  ['regclass', "'daybook.entry'::regclass", '"daybook.entry"'],
  ['regtype', "'int4'::regtype", '"integer"'],
  ['tid', "'(0,1)'", '"(0,1)"'],
  ['pg_lsn', "'16/B374D848'", '"16/B374D848"'],
  ['point', "'(1,2)'", '"(1,2)"'],
  ['line', "'{1,2,3}'", '"{1,2,3}"'],
  ['lseg', "'[(1,2),(3,4)]'", '"[(1,2),(3,4)]"'],
  ['box', "'(3,4),(1,2)'", '"(3,4),(1,2)"'],
  ['path', "'[(1,2),(3,4)]'", '"[(1,2),(3,4)]"'],
  ['polygon', "'((1,2),(3,4))'", '"((1,2),(3,4))"'],
  ['circle', "'<(1,2),3>'", '"<(1,2),3>"'],
  ['tsvector', "'a:1 b:2A'", `"'a':1 'b':2A"`],
  ['tsquery', "'a & !b'", `"'a' & !'b'"`],
  ['jsonpath', "'$.a'", '"$.\\"a\\""'],
  ['int4range', "'[1,5)'", '"[1,5)"'],
  ['int4range', "'empty'", '"empty"'],
  ['tstzrange', "'[2024-01-01 00:00+02,infinity)'", '"[\\"2023-12-31 22:00:00+00\\",infinity)"'],
  ['int4multirange', "'{[1,3),[5,7)}'", '"{[1,3),[5,7)}"'],
  ['datemultirange', "'{}'", '"{}"'],
  ['float_range', "'[0.1,NaN]'", '"[0.1,NaN]"'],
  ['json', '\'{"b": 1,  "a": [1.0, 1e400000], "a": 2}\'', '{"b": 1,  "a": [1.0, 1e400000], "a": 2}'],
  ['json', '\'"\\u0000"\'', '"\\u0000"'],
  ['json', '\'"\\ud800"\'', '"\\ud800"'],
  ['json', "'null'", 'null'],
  ['jsonb', '\'{"b": 1, "a": [1.0, null]}\'', '{"a": [1.0, null], "b": 1}'],
  ['jsonb', "'null'", 'null'],
  ['int[]', "'{}'", '[]'],
  ['int[]', "'{1,null,3}'", '[1,null,3]'],
  ['int[]', "'{{1,2},{3,4}}'", '[[1,2],[3,4]]'],
  ['text[]', `array['a"b', null, 'NULL', '']`, '["a\\"b",null,"NULL",""]'],
  ['float8[]', "'{NaN,Infinity,-0}'", '["NaN","Infinity",-0]'],
  ['bytea[]', "array['\\x00'::bytea]", '"{\\"\\\\\\\\x00\\"}"'],
  ['timestamptz[]', "array['2024-01-01 00:00:00+02'::timestamptz]", '["2023-12-31T22:00:00+00:00"]'],
  ['json[]', `array['{"a": 1}'::json]`, '[{"a": 1}]'],
  ['interval[]', "array['1 day'::interval]", '"{P1D}"'],
  ['int2vector', "'1 2'", '[1,2]'],
  ['mood', `'it''s "great"'`, '"it\'s \\"great\\""'],
  ['mood[]', "'{sad,ok}'", '"{sad,ok}"'],
  ['pair', "row(1, 'x')", '"(1,x)"'],
  ['pair', 'row(null, null)', '"(,)"'],
  ['pair[]', "array[row(1, 'x y')::pair]", '"{\\"(1,\\\\\\"x y\\\\\\")\\"}"'],
  ['nested', "row(row(1, 'a'), array[1, 2])", '"(\\"(1,a)\\",\\"{1,2}\\")"'],
  ['positive', '5', '5'],
  ['deep', '6', '6'],
  ['code', "'ab'", '"ab "'],
  ['codes', "array['ab', 'c']", '["ab ","c  "]'],
  ['name_text', "'abc'", '"abc"'],
  ['own_mood', "'ok'", '"ok"'],
  ['amount', '1', '1.00'],
  ['pair_domain', 'row(null, null)', '"(,)"'],
  ['json_domain', '\'{"b":1, "a":2}\'', '{"b":1, "a":2}'],
]

/** The fields of a change with the text that they have there: JSON.parse would lose digits, spaces and doubled keys. */
export function fieldTexts(changes: string): Map<string, string> {
  const found = new Map<string, string>()
  let depth = 0
  let inString = false
  let start = 1
  for (let place = 0; place < changes.length; place++) {
    const character = changes[place]
    if (inString) {
      if (character === '\\') place++
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    if (!inString && (depth === 0 || (depth === 1 && character === ','))) {
      const field = changes.slice(start, place)
      const colon = field.indexOf(':')
      found.set(JSON.parse(field.slice(0, colon)), field.slice(colon + 1))
      start = place + 1
    }
  }
  return found
}
