import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { install, track } from '../../src/capture/postgres/index.ts'
import { createLoginRole } from '../database.ts'
import { type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog
let application: pg.Client

beforeAll(async () => {
  log = await createCaptureLog()
  await createLoginRole(log.pool, 'rights_app')
  // What a careless or hostile administrator may have left behind before Daybook came.
  await log.run(`drop schema daybook cascade;
    alter default privileges for role daybook_owner grant all on tables to rights_app, public;
    alter default privileges for role daybook_owner grant all on functions to rights_app, public;
    alter default privileges for role daybook_owner grant all on sequences to rights_app, public;
    alter default privileges for role daybook_owner grant all on schemas to rights_app, public`)
  await install(log.database, { applicationRoles: ['rights_app'] })
  await log.run(`create table thing (id int primary key, v text); create schema own authorization rights_app;
    grant all on thing to rights_app; grant create on schema public to rights_app`)
  await track(log.database, 'thing')
  application = await connect(log.urlAs('rights_app'))
  await application.query("insert into thing values (1, 'a')")
})
afterAll(async () => {
  await application?.end()
  await log?.close()
})
beforeEach(() => log.entries())

/** Tries a statement and gives the SQLSTATE of its refusal; it must leave the log as it was. */
async function refusal(statement: string): Promise<string | undefined> {
  const count = async () =>
    (
      await log.run(
        'select count(*)::int as n, max(id) as last, (select last_value from daybook.entry_id) as sequence from daybook.entries',
      )
    ).rows[0]
  const before = await count()
  const error = await application.query(statement).then(
    () => undefined,
    (failure: pg.DatabaseError) => failure,
  )
  await application.query('rollback')
  expect(await count(), statement).toEqual(before)
  return error?.code
}

describe("the application's role", () => {
  it('B45 may write to tracked tables, and that is recorded', async () => {
    await application.query("update thing set v = v || '!'")
    expect(await log.entries()).toMatchObject([{ action: 'update', database_user: 'rights_app' }])
  })

  it('B45 can not read, change, remove or drop an entry, in the log or in any partition, also in one made later', async () => {
    const { rows: made } = await application.query('select daybook.ensure_months(7) as name')
    expect(made).toHaveLength(4)
    const { rows } = await log.run(
      "select oid::regclass::text as name, relkind::text as kind from pg_class where relnamespace = 'daybook'::regnamespace and relkind in ('r', 'p', 'v')",
    )
    const names = rows.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(made.map(({ name }) => `daybook.${name}`)))
    for (const { name, kind } of rows) {
      for (const statement of [
        `select * from ${name}`,
        `select count(*) from ${name}`,
        `delete from ${name}`,
        `truncate ${name}`,
        `insert into ${name} default values`,
        `copy ${name} to stdout`,
        `drop ${kind === 'v' ? 'view' : 'table'} ${name}`,
        `alter ${kind === 'v' ? 'view' : 'table'} ${name} rename to gone`,
        `grant all on ${name} to public`,
        ...(kind === 'v'
          ? []
          : [
              `alter table ${name} disable trigger all`,
              `alter table ${name} owner to rights_app`,
              `create trigger t before insert on ${name} for each row execute function suppress_redundant_updates_trigger()`,
              `create index on ${name} ((1))`,
              `begin; lock table ${name}`,
              `comment on table ${name} is 'mine'`,
              `create policy p on ${name}`,
              `create rule r as on insert to ${name} do instead nothing`,
            ]),
      ]) {
        expect(await refusal(statement), statement).toMatch(kind === 'v' ? /^(42501|42809|55000)$/ : /^42501$/)
      }
      const { rows: columns } = await log.run(
        'select attname from pg_attribute where attrelid = $1::regclass and attnum > 0',
        [name],
      )
      expect(await refusal(`update ${name} set ${columns[0].attname} = default`), name).toMatch(
        kind === 'v' ? /^55000$/ : /^42501$/,
      )
    }
  })

  it('B45 can not reach the sequence, the functions or the schema', async () => {
    const { rows: functions } = await log.run(
      `select p.oid::regprocedure::text as name, has_function_privilege('rights_app', p.oid, 'execute') as may from pg_proc p
        where pronamespace = 'daybook'::regnamespace order by 1`,
    )
    expect(functions.filter(({ may }) => may).map(({ name }) => name.replace(/\(.*/, ''))).toEqual([
      'daybook.ensure_months',
      'daybook.probe',
      'daybook.record',
      'daybook.wiring',
    ])
    for (const statement of [
      "select nextval('daybook.entry_id')",
      "select setval('daybook.entry_id', 1)",
      "select currval('daybook.entry_id')",
      'select * from daybook.entry_id',
      'alter sequence daybook.entry_id restart',
      'select daybook.compile_capture(1)',
      'select daybook.set_triggers(1)',
      "select daybook.track('public.thing')",
      "select daybook.untrack('public.thing')",
      'select daybook.drop_triggers(1)',
      'select daybook.drop_capture(1)',
      'select daybook.follow_changes()',
      "select daybook.make_month('1999-01-01')",
      'select * from daybook.current_origin()',
      "select daybook.configure_table('public.thing')",
      'create table daybook.mine (id int)',
      'create function daybook.mine() returns int language sql as $$ select 1 $$',
      'create or replace function daybook.current_origin() returns int language sql as $$ select 1 $$',
      'drop schema daybook cascade',
      'alter schema daybook rename to gone',
      'drop function daybook.record',
      'alter function daybook.ensure_months reset all',
      'set role daybook_owner',
      'set role daybook_follower',
      'grant daybook_owner to rights_app',
      'drop trigger daybook_insert on thing',
      'alter table thing disable trigger daybook_insert',
      'alter table thing disable trigger all',
      'set session_replication_role = replica',
      'drop event trigger daybook_follow_tables',
    ]) {
      expect(await refusal(statement), statement).toMatch(/^(42501|0LP01)$/)
    }
  })

  it("B45 can not hang the capture's trigger on a table of its own", async () => {
    await application.query(
      'create table own.thing (id int, v text); create temp table thing (id int primary key, v text)',
    )
    const { rows } = await log.run(
      "select p.oid::regproc::text as name from pg_proc p where pronamespace = 'daybook'::regnamespace and prorettype = 'trigger'::regtype",
    )
    expect(rows.length).toBeGreaterThan(0)
    for (const { name } of rows) {
      for (const table of ['own.thing', 'pg_temp.thing']) {
        expect(
          await refusal(
            `create trigger daybook_insert after insert on ${table} referencing new table as new_rows for each statement execute function ${name}()`,
          ),
        ).toBe('42501')
        expect(
          await refusal(`begin; create function own.call() returns trigger language plpgsql as $$ begin return ${name}(); end $$;
          create trigger c after insert on ${table} for each statement execute function own.call(); insert into ${table} values (1, 'x')`),
        ).toBeDefined()
      }
    }
    await application.query('drop table own.thing, pg_temp.thing')
  })

  it('B45 can not forge an entry through record()', async () => {
    for (const action of ['create', 'update', 'delete', 'truncate', 'purge', 'linked', 'unlinked']) {
      expect(await refusal(`select daybook.record('${action}', object_id => '1', model => 'Thing')`)).toBe('YD005')
    }
    for (const call of [
      'null',
      "''",
      "'Create'",
      "'create '",
      "E'create\\n'",
      "'a b'",
      `'${'x'.repeat(65)}'`,
      "'invoicexapproved!'",
      "'invoice.'",
      "'invoice..approved'",
      "'invoice.[approved'",
      "'invoice.1'",
      "'ok', outcome => 'fine'",
      "'ok', outcome => null",
      "'ok', changes => '[]'",
      "'ok', changes => '{\"a\": 1}'",
      "'ok', changes => '{\"a\": [1]}'",
    ]) {
      expect(await refusal(`select daybook.record(${call})`), call).toBe('YD005')
    }
    await application.query('set standard_conforming_strings = off')
    expect(await refusal("select daybook.record('invoice-approved')")).toBe('YD005')
    await application.query('reset standard_conforming_strings')
  })

  it('B45 record() tells who it was, whatever the caller says, and takes names of any length', async () => {
    await application.query(
      'begin; select set_config(\'daybook.context\', \'{"actor":{"id":"1"},"database_user":"x","database":{"role":"x"}}\', true)',
    )
    await application.query(
      'select daybook.record($1, model => $2, object_id => $2, object_label => $2, related_model => $2, related_id => $2, related_label => $2)',
      [
        'invoice.approved',
        Array.from({ length: 3000 }, (_, place) => String.fromCodePoint(0x4e00 + ((place * 7919) % 20000))).join(''),
      ],
    )
    await application.query('commit')
    const [entry] = await log.entries()
    expect(entry).toMatchObject({ action: 'invoice.approved', actor_id: '1', database_user: 'rights_app' })
    expect(entry?.object_id).toContain('...sha256:')
    expect(entry?.model).toHaveLength(256)
  })

  it('B45 its own functions, operators, tables and search_path change nothing in what is recorded', async () => {
    await application.query(`
      create function own.to_json(anyelement) returns json language sql as $$ select '"forged"'::json $$;
      create function own.concat(anyelement) returns text language sql as $$ select 'forged' $$;
      create function own.clock_timestamp() returns timestamptz language sql as $$ select '1999-01-01'::timestamptz $$;
      create function own.current_setting(text, boolean) returns text language sql as $$ select 'forged' $$;
      create function own.never(int, int) returns boolean language sql as $$ select false $$;
      create operator own.<> (leftarg = int, rightarg = int, function = own.never);
      create table own.entry (id int); create temp table entry (id int); create temp table tracked_table (id int); create temp table pg_class (oid oid);
      set search_path = own, pg_temp, public, pg_catalog`)

    await application.query('set search_path = own, pg_temp, public, pg_catalog')
    await application.query(
      "insert into public.thing values (50, 'true'); update public.thing set v = 'also' where id = 50; select daybook.record('own.event')",
    )
    await application.query('reset search_path')
    const entries = await log.entries()
    expect(entries.map(({ action, changes }) => [action, changes])).toEqual([
      ['create', { id: [null, 50], v: [null, 'true'] }],
      ['update', { v: ['true', 'also'] }],
      ['own.event', null],
    ])
    const { rows } = await log.run("select min(recorded_at) > now() - interval '1 hour' as now from daybook.entries")
    expect(rows[0].now).toBe(true)
  })

  it("B45 a cast, a type and a domain of its own are never run as the log's owner", async () => {
    await log.run('create table own_types_ran (who text); grant all on own_types_ran to public')
    await application.query(`
      create type own.mood as enum ('sad', 'ok');
      create type own.box as (m own.mood, n int);
      create function own.cast_mood(own.mood) returns json language plpgsql as $$ begin insert into public.own_types_ran values (current_user); return '1'; end $$;
      create function own.cast_box(own.box) returns json language plpgsql as $$ begin insert into public.own_types_ran values (current_user); return '1'; end $$;
      create function own.check_it(int) returns boolean language plpgsql as $$ begin insert into public.own_types_ran values (current_user); return true; end $$;
      create domain own.checked as int check (own.check_it(value));
      create cast (own.mood as json) with function own.cast_mood(own.mood);
      create cast (own.box as json) with function own.cast_box(own.box);
      create function own.eq_mood(own.mood, own.mood) returns boolean language plpgsql as $$ begin insert into public.own_types_ran values (current_user); return true; end $$;
      create operator own.= (leftarg = own.mood, rightarg = own.mood, function = own.eq_mood);
      create table own.typed (id own.checked primary key, m own.mood, ms own.mood[], b own.box, bs own.box[]);
      grant all on own.typed to daybook_owner; grant usage on schema own to daybook_owner`)
    await track(log.database, 'own.typed', { label: ['m', 'b'] })
    await application.query(`insert into own.typed values (1, 'sad', '{sad,ok}', row('ok', 1), array[row('ok', 1)::own.box]), (2, 'ok', null, null, null);
      update own.typed set m = 'ok', ms = null, b = row('sad', 2) where id = 1; update own.typed set id = id + 10; delete from own.typed`)
    const { rows } = await log.run('select distinct who from own_types_ran')
    expect(rows.map(({ who }) => who)).not.toContain('daybook_owner')
    expect((await log.entries()).map(({ action }) => action)).toEqual([
      'create',
      'create',
      'update',
      'update',
      'update',
      'delete',
      'delete',
    ])
  })

  it('B45 a second installation takes back what was given away since', async () => {
    await log.run(
      'grant all on daybook.entry, daybook.entries to rights_app; grant create on schema daybook to rights_app; grant execute on all functions in schema daybook to rights_app',
    )
    await install(log.database)
    for (const statement of [
      'select * from daybook.entries',
      'delete from daybook.entry',
      'create table daybook.mine ()',
      'select daybook.compile_capture(1)',
    ]) {
      expect(await refusal(statement), statement).toBe('42501')
    }
    await application.query("select daybook.record('still.works')")
  })
})

describe('members of daybook_owner who are no superusers', () => {
  it('B45 track their own tables, and what they put into the schema is never run by a superuser', async () => {
    await createLoginRole(log.pool, 'rights_migrator')
    await log.run(`grant daybook_owner to rights_migrator; create table migrated (id int primary key); alter table migrated owner to rights_migrator;
      create table ran_as (who text); grant all on ran_as to public`)
    const migrator = await connect(log.urlAs('rights_migrator'))
    await migrator.query("select daybook.track('public.migrated')")
    await migrator.query(`create or replace function daybook.follow_changes(changed oid[] default null) returns void language plpgsql security invoker
      as $$ begin insert into public.ran_as values (current_user); end $$`)
    await expect(
      migrator.query(
        'create or replace function daybook.follow_tables() returns event_trigger language plpgsql as $$ begin end $$',
      ),
    ).rejects.toMatchObject({ code: '42501' })
    await expect(
      migrator.query(
        'create or replace function daybook.follow_partitions() returns event_trigger language plpgsql as $$ begin end $$',
      ),
    ).rejects.toMatchObject({ code: '42501' })
    await migrator.end()
    await log.run('alter table migrated add column v text')
    const { rows } = await log.run('select who from ran_as')
    expect(rows).toEqual([{ who: 'daybook_follower' }])
    await install(log.database)
    await log.run("insert into migrated values (1, 'x')")
    expect((await log.entries())[0]?.changes).toEqual({ id: [null, 1], v: [null, 'x'] })
  })
})
