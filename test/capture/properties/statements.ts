import pg from 'pg'
import fc from '../../fast-check.ts'
import type { Column, Table } from './tables.ts'

/** A statement that writes to a table of which it is told the name. */
export interface Statement {
  /** With `returning`, it gives what it wrote, where it can. */
  sql(table: string, returning: boolean): string
}

/** What is done one after the other: statements, and parts that can be undone alone. */
export type Step =
  | { readonly step: 'statement'; readonly statement: Statement; readonly returning: boolean }
  | { readonly step: 'savepoint'; readonly steps: readonly Step[]; readonly undone: boolean }
  | {
      readonly step: 'block'
      readonly statements: readonly Statement[]
      readonly raises: boolean
      readonly otherwise: Statement
    }
  | { readonly step: 'plain'; readonly text: string }

export interface Transaction {
  readonly isolation: string
  readonly steps: readonly Step[]
  readonly end: 'commit' | 'rollback' | 'prepare'
}

const quoted = pg.escapeIdentifier
const returned = (returning: boolean) => (returning ? ' returning *' : '')
const list = (columns: readonly Column[]) => columns.map(({ name }) => quoted(name)).join(', ')

function anyValue({ kind, clause }: Column, isKey: boolean): fc.Arbitrary<string> {
  const values = kind.keys
    ? fc.oneof(
        { weight: isKey ? 20 : 1, arbitrary: fc.constantFrom(...kind.keys) },
        { weight: 1, arbitrary: kind.value },
      )
    : kind.value
  const nothing = clause === 'not null' || isKey ? 1 : 3
  return fc.oneof({ weight: 20, arbitrary: values }, { weight: nothing, arbitrary: fc.constant(`null::${kind.type}`) })
}

const writableOf = ({ columns }: Table) => columns.filter(({ made }) => made === 'no')

function anyRow(table: Table, place?: number): fc.Arbitrary<string> {
  return fc
    .tuple(
      ...writableOf(table).map((column) => {
        const isKey = table.key.includes(column)
        const { keys = [] } = column.kind
        // Keys of their own, so that rows find room beside each other.
        return isKey && place !== undefined ? fc.constant(keys[place % keys.length] ?? '') : anyValue(column, isKey)
      }),
    )
    .map((values) => values.join(', '))
}

function firstInserts(table: Table): fc.Arbitrary<readonly Statement[]> {
  return fc.tuple(
    ...Array.from({ length: 6 }, (_, place) =>
      anyRow(table, place).map((values) => ({
        sql: (name: string) => `insert into ${name} (${list(writableOf(table))}) values (${values})`,
      })),
    ),
  )
}

/** All that may be done to a table. `version` is the server's. */
export function anyStatement(table: Table, version: number): fc.Arbitrary<Statement> {
  const { columns, key, keysMeet } = table
  const writable = writableOf(table)
  const others = writable.filter((column) => !key.includes(column))
  const keyNames = list(key)
  const keyValue = fc.tuple(...key.map((column) => anyValue(column, true))).map((values) => values.join(', '))
  const row = anyRow(table)
  const rows = fc
    .array(row, { minLength: 1, maxLength: 4 })
    .map((values) => values.map((text) => `(${text})`).join(', '))

  /** Which rows; `as` is what the table is called in the statement. */
  const where = fc.oneof(
    { weight: 3, arbitrary: fc.constant(() => 'true') },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...columns).map(
        ({ name }) =>
          (as: string) =>
            `${as}.${quoted(name)} is null`,
      ),
    },
    ...(key.length > 0
      ? [
          {
            weight: 5,
            arbitrary: fc
              .array(keyValue, { minLength: 1, maxLength: 3 })
              .map(
                (values) => (as: string) =>
                  `(${key.map(({ name }) => `${as}.${quoted(name)}`).join(', ')}) in (${values.map((text) => `(${text})`).join(', ')})`,
              ),
          },
        ]
      : []),
  )
  const assignment = (column: Column) =>
    fc
      .oneof(
        { weight: 6, arbitrary: anyValue(column, key.includes(column)) },
        { weight: 1, arbitrary: fc.constant('default') },
      )
      .map((text) => `${quoted(column.name)} = ${text}`)
  const assignments = (from: readonly Column[]) =>
    fc
      .subarray([...from], { minLength: 1, maxLength: Math.min(3, from.length) })
      .chain((chosen) => fc.tuple(...chosen.map(assignment)).map((texts) => texts.join(', ')))
  const set =
    others.length > 0
      ? fc.oneof({ weight: 6, arbitrary: assignments(others) }, { weight: 1, arbitrary: assignments(writable) })
      : assignments(writable)
  // A foreign key to the table itself makes PostgreSQL fire the triggers of several changes in one statement in another order than they
  // were made in, and a deferrable key lets two rows have it: such tables are spared a key that is freed and taken in one statement.
  const keeping = keysMeet && others.length > 0 ? assignments(others) : set
  const same = writable.map(({ name }) => `${quoted(name)} = t.${quoted(name)}`).join(', ')

  const statements: fc.WeightedArbitrary<Statement>[] = [
    {
      weight: 6,
      arbitrary: rows.map((values) => ({
        sql: (name, returning) => `insert into ${name} (${list(writable)}) values ${values}${returned(returning)}`,
      })),
    },
    {
      weight: 2,
      arbitrary: rows.map((values) => ({
        sql: (name, returning) =>
          `insert into ${name} (${list(writable)}) values ${values} on conflict do nothing${returned(returning)}`,
      })),
    },
    {
      weight: 6,
      arbitrary: fc.tuple(set, where).map(([changes, rows]) => ({
        sql: (name, returning) => `update ${name} t set ${changes} where ${rows('t')}${returned(returning)}`,
      })),
    },
    {
      weight: 1,
      arbitrary: where.map((rows) => ({
        sql: (name, returning) => `update ${name} t set ${same} where ${rows('t')}${returned(returning)}`,
      })),
    },
    {
      weight: 3,
      arbitrary: where.map((rows) => ({
        sql: (name, returning) => `delete from ${name} t where ${rows('t')}${returned(returning)}`,
      })),
    },
    {
      // Each row is matched more than once: one of them counts.
      weight: 1,
      arbitrary: set.map((changes) => ({
        sql: (name) => `update ${name} t set ${changes} from (values (1), (2), (3)) twice (n)`,
      })),
    },
    {
      weight: keysMeet ? 0 : 1,
      arbitrary: fc.tuple(set, where, where, rows).map(([changes, some, gone, values]) => ({
        sql: (name, returning) => `with changed as (update ${name} t set ${changes} where ${some('t')} returning *),
          removed as (delete from ${name} t where ${gone('t')} returning *)
          insert into ${name} (${list(writable)}) values ${values}${returned(returning)}`,
      })),
    },
    {
      weight: keysMeet ? 0 : 1,
      arbitrary: where.map((rows) => ({
        sql: (name, returning) => `with removed as (delete from ${name} t where ${rows('t')} returning *)
          insert into ${name} (${list(writable)}) select ${list(writable)} from removed${returned(returning)}`,
      })),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(set, where).map(([changes, rows]) => ({
        sql: (
          name,
        ) => `do $daybook_cursor$ declare a_row cursor for select * from ${name} t where ${rows('t')} for update; a_record record; begin
          for a_record in a_row loop update ${name} set ${changes} where current of a_row; end loop; end $daybook_cursor$`,
      })),
    },
    {
      weight: 1,
      arbitrary: fc.constant({
        sql: (name: string) =>
          `do $daybook_lock$ begin perform from ${name} for update; lock table ${name} in share mode; end $daybook_lock$`,
      }),
    },
    { weight: 1, arbitrary: fc.constant({ sql: (name: string) => `truncate ${name}` }) },
  ]
  if (key.length > 0) {
    statements.push(
      {
        weight: 4,
        arbitrary: fc.tuple(rows, keeping, where).map(([values, changes, some]) => ({
          sql: (name, returning) => `insert into ${name} as t (${list(writable)}) values ${values}
            on conflict (${keyNames}) do update set ${changes} where ${some('t')}${returned(returning)}`,
        })),
      },
      {
        weight: 2,
        arbitrary: fc
          .tuple(rows, keeping, where, where, fc.boolean())
          .map(([values, changes, some, gone, bySource]) => ({
            sql: (name, returning) => `merge into ${name} t using (values ${values}) s (${list(writable)})
            on ${key.map((column) => `t.${quoted(column.name)} = s.${quoted(column.name)}`).join(' and ')}
            when matched and ${gone('t')} then delete when matched and ${some('t')} then update set ${changes} when matched then do nothing
            when not matched then insert (${list(writable)}) values (${writable.map(({ name: own }) => `s.${quoted(own)}`).join(', ')})
            ${bySource && version >= 170000 ? `when not matched by source and ${some('t')} then update set ${changes} when not matched by source and ${gone('t')} then delete` : ''}
            ${returning && version >= 170000 ? ' returning merge_action(), t.*' : ''}`,
          })),
      },
    )
    const [first] = key
    if (first?.kind.type === 'integer') {
      statements.push(
        {
          // Keys that move on together.
          weight: 2,
          arbitrary: fc.tuple(where, fc.constantFrom('+ 100', '+ 1', '- 1', '- 100')).map(([rows, by]) => ({
            sql: (name, returning) =>
              `update ${name} t set ${quoted(first.name)} = t.${quoted(first.name)} ${by} where ${rows('t')}${returned(returning)}`,
          })),
        },
        {
          weight: 1,
          arbitrary: where.map((rows) => ({
            sql: (
              name,
              returning,
            ) => `insert into ${name} (${list(writable)}) select ${writable.map((column) => (column === first ? `t.${quoted(first.name)} + 50` : `t.${quoted(column.name)}`)).join(', ')}
              from ${name} t where ${rows('t')}${returned(returning)}`,
          })),
        },
      )
    }
  }
  return fc.oneof(...statements)
}

/** Changes of the table itself, as migrations make them. What was there by its old name is written to no more, or refused. */
export function anyAlteration({ columns, key }: Table): fc.Arbitrary<Statement> {
  const column = fc.constantFrom(...columns).map(({ name }) => quoted(name))
  const place = fc.nat(3)
  return fc
    .oneof(
      column.map((name) => `drop column ${name} cascade`),
      fc.tuple(column, place).map(([name, number]) => `rename column ${name} to ${quoted(`renamed "${number}`)}`),
      fc.tuple(column, place).map(([name, number]) => `rename column ${quoted(`renamed "${number}`)} to ${name}`),
      fc
        .tuple(
          place,
          fc.constantFrom(
            'int',
            "text default 'x'",
            'json not null default \'{"a":1}\'',
            'kinds.mood',
            'numeric generated always as (1.50) stored',
          ),
        )
        .map(([number, type]) => `add column if not exists ${quoted(`added ${number}`)} ${type}`),
      column.map((name) => `alter column ${name} type text using ${name}::text`),
      column.map((name) => `alter column ${name} set not null`),
      column.map((name) => `alter column ${name} drop default`),
      fc.constantFrom(
        'set unlogged',
        'set logged',
        'replica identity full',
        ...(key[0] ? [`add constraint other unique (${quoted(key[0].name)})`] : []),
      ),
    )
    .map((change) => ({ sql: (name) => `alter table ${name} ${change}` }))
}

export function anyTransactions(
  table: Table,
  version: number,
  statement = anyStatement(table, version),
): fc.Arbitrary<readonly Transaction[]> {
  const { step } = fc.letrec<{ step: Step }>((tie) => ({
    step: fc.oneof(
      { maxDepth: 2, depthIdentifier: 'steps' },
      {
        weight: 10,
        arbitrary: fc.record({ step: fc.constant('statement' as const), statement, returning: fc.boolean() }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          step: fc.constant('savepoint' as const),
          steps: fc.array(tie('step'), { maxLength: 4 }),
          undone: fc.boolean(),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          step: fc.constant('block' as const),
          statements: fc.array(statement, { maxLength: 3 }),
          raises: fc.boolean(),
          otherwise: statement,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          step: fc.constant('plain' as const),
          text: fc.constant('set constraints all immediate'),
        }),
      },
    ),
  }))
  // Without rows there is little to do.
  const first = firstInserts(table).map(
    (statements): Transaction => ({
      isolation: 'read committed',
      steps: statements.map((insert) => ({ step: 'statement', statement: insert, returning: false })),
      end: 'commit',
    }),
  )
  const later = fc.record<Transaction>({
    isolation: fc.constantFrom('read committed', 'read committed', 'repeatable read', 'serializable'),
    steps: fc.array(step, { minLength: 1, maxLength: 6 }),
    end: fc.constantFrom('commit', 'commit', 'commit', 'rollback', 'prepare'),
  })
  return fc.tuple(first, fc.array(later, { minLength: 1, maxLength: 4 })).map(([one, others]) => [one, ...others])
}
