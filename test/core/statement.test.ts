import { describe, expect, test } from 'vitest'
import { readStatements } from '../../src/core/statement.ts'
import fc from '../fast-check.ts'

function kinds(text: string): string[] {
  return readStatements(text).map(({ keyword, kind }) => `${keyword} ${kind}`)
}

describe('what may travel with a statement', () => {
  test.each([
    ['select 1', 'SELECT control'],
    ['/* by id */ select * from t where id = $1 for update', 'SELECT control'],
    ['select f(1)', 'SELECT carries'],
    ['select * from t where id in (select id from u)', 'SELECT carries'],
    ["select '('", 'SELECT carries'],
    ['  ( ( select 1 ) union select 2 )', 'SELECT carries'],
    ['-- a ; comment\n/* and /* one ; inside */ another */ Insert into t values (1);', 'INSERT carries'],
    ['with x as (select 1) update t set a = 1', 'WITH carries'],
    ['merge into t using s on true when matched then do nothing', 'MERGE carries'],
    ['call p()', 'CALL carries'],
    ['do $$ begin delete from t; end $$', 'DO carries'],
    ['truncate t', 'TRUNCATE carries'],
    ["copy t from '/tmp/rows'", 'COPY carries'],
    ['copy t (a, b) from stdin with (format csv)', 'COPY bare'],
    ['explain analyze insert into t values (1)', 'EXPLAIN carries'],
    ['begin isolation level serializable', 'BEGIN control'],
    ['set transaction isolation level serializable', 'SET control'],
    ['lock table t', 'LOCK control'],
    ["prepare transaction 'x'", 'PREPARE control'],
    ['show work_mem', 'SHOW control'],
    ['vacuum t', 'VACUUM bare'],
    ['create index concurrently on t (a)', 'CREATE bare'],
    ['reindex index concurrently i', 'REINDEX bare'],
    ['frobnicate t', 'FROBNICATE bare'],
    ['', ' control'],
    [' ; -- nothing\n ;', ' control'],
    ['42', ' control'],
  ])('%s', (text, expected) => {
    expect(kinds(text)).toEqual([expected])
  })

  test('a text is taken apart at the semicolons that end a statement, and at no others', () => {
    const text = `insert into "a;b" values (';', E'it\\'s; fine', $$;$$, $q$ ; $$ ; $q$, 'it''s;'); /* ; */ vacuum;;
      create rule r as on insert to t do also (delete from u; delete from v); SET LOCAL x = 1`
    expect(kinds(text)).toEqual(['INSERT carries', 'VACUUM bare', 'CREATE bare', 'SET control'])
  })

  test('statements that begin, end or shape a transaction are told from those that only set something', () => {
    const shaping = (text: string) => readStatements(text).map((statement) => statement.shapesTransaction)
    expect(shaping('begin; set local work_mem = 1; set transaction read only; lock t; select 1; commit')).toEqual([
      true,
      false,
      true,
      true,
      false,
      true,
    ])
  })

  test('a savepoint and its release keep the settings of the transaction; rolling back to it may not', () => {
    const forgets = (text: string) => readStatements(text)[0]?.forgetsSettings
    expect(['savepoint a', 'release a', 'lock t', 'update t set a = 1'].map(forgets)).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect(['rollback to a', 'commit and chain', 'reset all', 'set x = 1', 'discard all'].map(forgets)).toEqual([
      true,
      true,
      true,
      true,
      true,
    ])
  })
})

describe('laws', () => {
  const noise = fc.constantFrom(' ', '\n', '/* ; */', '/* a /* ; */ b */', '-- ; \n', '\t')
  const blank = fc.array(noise, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''))
  const text = fc.string({ maxLength: 12 })
  const operand = fc.oneof(
    text.map((inner) => `'${inner.replaceAll("'", "''")}'`),
    text.map((inner) => `"${inner.replaceAll('"', '""')}"`),
    text.map((inner) => `E'${inner.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
    text.filter((inner) => !inner.includes('$q$')).map((inner) => `$q$${inner} $q$`),
    fc.constantFrom('a', '$1', '42', '(1; 2)', 'e1', 'x$y'),
  )
  const statement = fc.record({
    keyword: fc.constantFrom('select', 'Insert', 'VACUUM', 'commit', 'call', 'values'),
    operands: fc.array(operand, { maxLength: 4 }),
  })

  test('whatever stands in quotes, comments and parentheses, the statements are found', () => {
    fc.assert(
      fc.property(
        fc.array(statement, { minLength: 1, maxLength: 4 }),
        blank,
        fc.boolean(),
        (statements, space, closed) => {
          const texts = statements.map(({ keyword, operands }) => [space, keyword, ...operands].join(space))
          const whole = texts.join(`${space};`) + (closed ? `${space};${space}` : '')
          expect(readStatements(whole).map(({ keyword }) => keyword)).toEqual(
            statements.map(({ keyword }) => keyword.toUpperCase()),
          )
        },
      ),
    )
  })

  test('any text at all is read to its end', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("'", '"', '$', 'a', '1', ';', '/', '*', '-', '\\', 'E', '(', ')', '\n') }),
        (any) => {
          expect(readStatements(any).length).toBeGreaterThan(0)
        },
      ),
    )
  })
})
