import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { createLoginRole } from '../database.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog
let owner: pg.Client

beforeAll(async () => {
  log = await createCaptureLog()
  await createLoginRole(log.pool, 'hostile_owner')
  await log.run(`create schema own authorization hostile_owner; create table ran_as (who text, what text); grant all on ran_as to public;
    create function note(what text) returns void language plpgsql as $$ begin
      if current_user not in ('hostile_owner', 'postgres') then insert into public.ran_as values (current_user, what); end if; end $$`)
  owner = await connect(log.urlAs('hostile_owner'))
})
afterAll(async () => {
  await owner?.end()
  await log?.close()
})

/** Runs each statement as the tables' owner in a session of its own, in which nothing is planned yet. */
async function inFreshSessions(...statements: string[]): Promise<void> {
  for (const statement of statements) {
    const client = await connect(log.urlAs('hostile_owner'))
    await client.query(statement).finally(() => client.end())
  }
}

/** What was run as another role than the one that wrote, since this was last asked. */
async function ranAs(): Promise<string[]> {
  const { rows } = await log.run(
    'with gone as (delete from ran_as returning *) select distinct who from gone order by 1',
  )
  return rows.map(({ who }) => who)
}

/** A function that PostgreSQL runs when it plans a query: it says of itself that it is immutable. */
const immutable = (name: string, args: string, returns: string, result: string) =>
  `create or replace function own.${name}(${args}) returns ${returns} language plpgsql immutable as $$ begin perform public.note('${name}'); return ${result}; end $$;`

describe("what a table's owner can write into its tables", () => {
  it("B45 is never run as the log's owner when labels are read or a TRUNCATE is counted", async () => {
    await owner.query(`${immutable('in_index', 'int', 'boolean', 'true')} ${immutable('in_check', 'int', 'boolean', 'true')}
      ${immutable('in_statistics', 'int', 'int', '$1')} ${immutable('in_policy', 'int', 'boolean', 'true')}
      create table own.person (id int primary key, name text, check (own.in_check(1)), c int generated always as (own.in_statistics(1)) stored);
      create table own.team (like own.person including all);
      create table own.member (person int references own.person, team int references own.team, check (own.in_check(2)), primary key (person, team));
      create index on own.person (name) where own.in_index(1);
      create index on own.team ((own.in_statistics(3)));
      create index on own.member (person) where own.in_index(2);
      create statistics own.s on (own.in_statistics(1) + id), name from own.person;
      grant usage on schema own to public; grant select on all tables in schema own to public`)
    await track(log.database, 'own.person', { label: 'name' })
    await track(log.database, 'own.team', { label: 'name' })
    await track(log.database, 'own.member', { link: { from: 'person', to: 'team' } })
    await ranAs()
    await log.entries()
    await inFreshSessions(
      "insert into own.person values (1, 'Ada'), (2, 'Grace'); insert into own.team values (1, 'Engines'), (2, 'Compilers')",
      'insert into own.member values (1, 1)',
      'insert into own.member values (1, 2), (2, 2)',
      'update own.member set team = 1 where person = 2',
      'delete from own.member where person = 1',
      'truncate own.member',
    )
    expect(await ranAs()).not.toContain('daybook_owner')
    const entries = await log.entries()
    expect(entries.filter(({ action }) => action === 'linked')).toMatchObject([
      { object_label: 'Ada', related_label: 'Engines' },
      { object_label: 'Ada', related_label: 'Compilers' },
      { object_label: 'Grace', related_label: 'Compilers' },
      { object_label: 'Grace', related_label: 'Engines' },
    ])
    expect(entries.at(-1)).toMatchObject({ action: 'truncate', context: { rows: 1 } })
  })

  it('B45 policies of a table are run by nothing that reads it for a label', async () => {
    await owner.query(`alter table own.person enable row level security; create policy p on own.person using (own.in_policy(id));
      alter table own.person force row level security`)
    await ranAs()
    await inFreshSessions('insert into own.member values (2, 2)', 'truncate own.member')
    const { rows } = await log.run("select who from ran_as where what = 'in_policy'")
    expect(rows).toEqual([])
    // Nor by a lookup that was begun before the policy was there.
    await expect(
      log.run("select * from daybook.look_up('select concat(id), name from own.person', null)"),
    ).rejects.toMatchObject({ code: '42501' })
    expect(await ranAs()).not.toContain('daybook_owner')
    await owner.query(
      'alter table own.person no force row level security; alter table own.person disable row level security',
    )
  })

  it("B45 casts, operators, checks and ranges of its own types are never run as the log's owner, in values, keys, labels and links alike", async () => {
    const cast = (type: string) => {
      const name = type.replace(/\W/g, '_')
      return `create function own.${name}_json(own.${type}) returns json language plpgsql as $$ begin perform public.note('json'); return '"forged"'; end $$;
        create function own.${name}_text(own.${type}) returns text language plpgsql as $$ begin perform public.note('text'); return 'forged'; end $$;
        create cast (own.${type} as json) with function own.${name}_json(own.${type}) as assignment;
        create cast (own.${type} as text) with function own.${name}_text(own.${type}) as assignment;
        create function own.${name}_same(own.${type}, own.${type}) returns boolean language plpgsql as $$ begin perform public.note('same'); return true; end $$;
        create operator own.= (leftarg = own.${type}, rightarg = own.${type}, function = own.${name}_same);
        create operator own.<> (leftarg = own.${type}, rightarg = own.${type}, function = own.${name}_same);
        create operator own.*<> (leftarg = own.${type}, rightarg = own.${type}, function = own.${name}_same);`
    }
    await owner.query(`create type own.mood as enum ('sad', 'ok'); create type own.pair as (m own.mood, n int);
      create function own.checked(text) returns boolean language plpgsql as $$ begin perform public.note('check'); return true; end $$;
      create domain own.name as text check (own.checked(value)); create domain own.moods as own.mood[]; create domain own.deep as own.name;
      create type own.span as range (subtype = int); create type own.both as (p own.pair, ms own.mood[], d own.deep);
      ${cast('mood')} ${cast('pair')} ${cast('both')} ${cast('span')}`)
    await owner.query(`
      create table own.kept (k own.mood, d own.deep, primary key (k, d), ms own.mood[], p own.pair, ps own.pair[], m2 own.moods, b own.both, bs own.both[], r own.span, names own.name[]);
      create table own.by_mood (id own.mood primary key, label own.pair); create table own.by_name (id own.deep primary key, label own.deep);
      create table own.joined (mood own.mood references own.by_mood, name own.deep references own.by_name);
      grant select on all tables in schema own to public`)
    await track(log.database, 'own.kept', { label: ['k', 'd', 'p', 'b'], permissionColumns: ['p', 'ms'] })
    await track(log.database, 'own.by_mood', { label: 'label' })
    await track(log.database, 'own.by_name', { label: 'label' })
    await track(log.database, 'own.joined', { link: { from: 'mood', to: 'name' } })
    await ranAs()
    await log.entries()
    await inFreshSessions(
      `insert into own.kept values ('ok', 'x', '{sad,ok}', '(ok,1)', '{"(sad,2)"}', '{ok}', '("(ok,1)",{sad},x)', '{}', '[1,3)', '{a,b}');
        insert into own.kept values ('sad', 'y')`,
      `update own.kept set ms = '{ok}', p = '(sad,2)', b = '("(sad,1)",{ok},y)', r = '[1,5)', names = '{c}', m2 = null`,
      "update own.kept set k = 'sad', d = 'z' where d = 'x'",
      'delete from own.kept',
      `insert into own.by_mood values ('ok', '(ok,1)'), ('sad', null); insert into own.by_name values ('a', 'A'), ('b', 'B')`,
      `insert into own.joined values ('ok', 'a')`,
      `insert into own.joined values ('ok', 'b'), ('sad', 'a')`,
      `update own.joined set mood = 'ok'`,
      'truncate own.joined',
    )
    expect(await ranAs()).toEqual([])
    const entries = await log.entries()
    expect(JSON.stringify(entries)).not.toContain('forged')
    expect(entries.find(({ action, related_id }) => action === 'linked' && related_id === 'a')).toMatchObject({
      object_id: 'ok',
      object_label: '(ok,1)',
      related_label: 'A',
    })
  })
})

const NAMES = [
  `"); drop table daybook.entry; --`,
  `'); delete from daybook.entry; --`,
  '$body$ end $body$',
  '$way$; $insert$',
  '%s %1$I %L %%',
  'a\nb\r\tc',
  '\\\'"; \\x27',
  '{"$daybook":"masked"}',
  '":[null,null],"forged',
  '/* */ -- \u2028',
]

describe('names that would be SQL if they were pasted', () => {
  it.each(NAMES)('B13 B45 %j is only ever a name: of a schema, table, column, type, model or label', async (name) => {
    const q = (text: string) => `"${text.replaceAll('"', '""')}"`
    const [schema, table] = [`s${name}`, `${q(`s${name}`)}.${q(name)}`]
    await log.run(`create schema ${q(schema)}; create type ${q(schema)}.${q(`t${name}`)} as enum ('x', ${literal(name)});
      create domain ${q(schema)}.${q(`d${name}`)} as text;
      create table ${table} (${q(name)} int primary key, ${q(`l${name}`)} ${q(schema)}.${q(`d${name}`)}, ${q(`m${name}`)} text, ${q(`t${name}`)} ${q(schema)}.${q(`t${name}`)}, ${q(`x${name}`)} text);
      create table ${q(schema)}.joined (${q(`f${name}`)} int references ${table}, ${q(`t${name}`)} int references ${table})`)
    await track(log.database, table, {
      model: name,
      label: [`l${name}`, `t${name}`],
      mask: [`m${name}`],
      exclude: [`x${name}`],
      permissionColumns: [`t${name}`],
    })
    await track(log.database, `${q(schema)}.joined`, { link: { from: `f${name}`, to: `t${name}` } })
    await log.entries()
    const before = (await log.run('select count(*)::int as n from daybook.entries')).rows[0].n
    await log.run(`insert into ${table} values (1, ${[1, 2, 3, 4].map(() => literal(name)).join(', ')})`)
    await log.run(`insert into ${table} values (2, 'b', 'b', 'x', 'b'), (3, 'c', 'c', 'x', 'c')`)
    await log.run(`update ${table} set ${q(`t${name}`)} = ${literal(name)}`)
    await log.run(
      `insert into ${q(schema)}.joined values (1, 2); insert into ${q(schema)}.joined values (2, 3), (1, 3)`,
    )
    await log.run(`truncate ${q(schema)}.joined`)
    const entries = await log.entries()
    expect((await log.run('select count(*)::int as n from daybook.entries')).rows[0].n).toBe(before + entries.length)
    expect(entries).toHaveLength(3 + 2 + 3 + 1)
    expect(entries[0]).toMatchObject({ action: 'create', model: name, object_id: '1', object_label: `${name} ${name}` })
    expect(entries[0]?.changes).toEqual({
      [name]: [null, 1],
      [`l${name}`]: [null, name],
      [`m${name}`]: [null, { $daybook: 'masked' }],
      [`t${name}`]: [null, name],
    })
    expect(entries[3]).toMatchObject({ action: 'permission_granted', changes: { [`t${name}`]: ['x', name] } })
    expect(entries[5]).toMatchObject({
      action: 'linked',
      model: name,
      object_label: `${name} ${name}`,
      related_id: '2',
    })
    await log.run(`drop schema ${q(schema)} cascade`)
  })
})

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
