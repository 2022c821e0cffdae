import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { track, trackedTables } from '../../src/capture/postgres/index.ts'
import { type CapturedEntry, type CaptureLog, connect, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
  await log.run(`
    create table account (id int primary key, name text, is_staff boolean not null default false, level int, note text);
    create table role (code text primary key, title text);
    create table account_role (account_id int references account on delete cascade on update cascade, role_code text references role, given_on date,
      primary key (account_id, role_code));
    create table tag (id bigint primary key, word text);
    create table account_tag (id serial primary key, account_id int references account on delete cascade, tag_id bigint references tag);
    insert into account values (1, 'Ada'), (2, 'Bob'), (3, 'Cy');
    insert into role values ('admin', 'Administrator'), ('clerk', 'Clerk'), ('boss', null);
    insert into tag select n, 'tag ' || n from generate_series(1, 500) n`)
  await track(log.database, 'account', { label: 'name', permissionColumns: ['is_staff', 'level'] })
  await track(log.database, 'role', { label: 'title' })
  await track(log.database, 'account_role', { permission: { to: 'account_id', grants: 'role_code' } })
  await track(log.database, 'tag', { label: 'word' })
  await track(log.database, 'account_tag', { link: { from: 'account_id', to: 'tag_id' } })
})
afterAll(() => log?.close())
beforeEach(async () => {
  await log.run(
    'delete from account_role; delete from account_tag; update account set is_staff = false, level = null, note = null',
  )
  await log.entries()
})

const link = ({ action, model, object_id, object_label, related_model, related_id, related_label }: CapturedEntry) =>
  `${action} ${model} ${object_id} (${object_label}) ${related_model} ${related_id} (${related_label})`

describe('links', () => {
  it('B27 adding and removing a link names the exact keys and labels of both sides', async () => {
    await log.run('insert into account_tag (account_id, tag_id) values (1, 7)')
    await log.run('delete from account_tag')
    expect((await log.entries()).map(link)).toEqual([
      'linked Account 1 (Ada) Tag 7 (tag 7)',
      'unlinked Account 1 (Ada) Tag 7 (tag 7)',
    ])
  })

  it('B27 adding a link that is there already gives no entry', async () => {
    await log.run("insert into account_role values (1, 'admin')")
    await log.entries()
    await log.run("insert into account_role values (1, 'admin') on conflict do nothing")
    await log.run(
      "insert into account_role values (1, 'admin') on conflict (account_id, role_code) do update set role_code = excluded.role_code",
    )
    expect(await log.entries()).toEqual([])
  })

  it('B27 clearing n links costs a number of statements that does not grow with n', async () => {
    const cost = async (links: number) => {
      await log.run('insert into account_tag (account_id, tag_id) select 1, n from generate_series(1, $1::int) n', [
        links,
      ])
      await log.entries()
      const client = await connect(log.url)
      const lookups = async () => {
        await client.query('select pg_stat_force_next_flush()')
        const { rows } = await client.query(
          "select coalesce(sum(calls), 0)::int as calls from pg_stat_user_functions where schemaname = 'daybook'",
        )
        return rows[0].calls as number
      }
      await client.query("set track_functions = 'all'")
      const before = await lookups()
      await client.query('delete from account_tag where account_id = 1')
      const calls = (await lookups()) - before
      await client.end()
      const entries = await log.entries()
      expect(entries.map(link).sort()).toEqual(
        Array.from(
          { length: links },
          (_, place) => `unlinked Account 1 (Ada) Tag ${place + 1} (tag ${place + 1})`,
        ).sort(),
      )
      expect(new Set(entries.map(({ statement_id }) => statement_id)).size).toBe(1)
      return calls
    }
    const few = await cost(5)
    expect(few).toBeGreaterThan(0)
    expect(await cost(400)).toBe(few)
  })

  it('B27 a link that is led elsewhere is one taken and one given; its other columns are an update', async () => {
    await log.run("insert into account_role values (1, 'clerk', '2024-01-01')")
    await log.entries()
    await log.run("update account_role set role_code = 'boss'")
    await log.run("update account_role set given_on = '2024-02-02'")
    const entries = await log.entries()
    expect(entries.map(link)).toEqual([
      'permission_revoked Account 1 (Ada) Role clerk (Clerk)',
      'permission_granted Account 1 (Ada) Role boss (null)',
      expect.stringContaining('update AccountRole ["1", "boss"]'),
    ])
    expect(entries[2]?.changes).toEqual({ given_on: ['2024-01-01', '2024-02-02'] })
  })

  it('B27 many links that move in one statement are each told', async () => {
    await log.run('insert into account_tag (account_id, tag_id) select 1, n from generate_series(1, 20) n')
    await log.entries()
    await log.run('update account_tag set account_id = 2 where tag_id <= 10')
    expect((await log.entries()).map(link).sort()).toEqual(
      Array.from({ length: 10 }, (_, place) => [
        `linked Account 2 (Bob) Tag ${place + 1} (tag ${place + 1})`,
        `unlinked Account 1 (Ada) Tag ${place + 1} (tag ${place + 1})`,
      ])
        .flat()
        .sort(),
    )
  })

  it('B27 a link that leads nowhere is recorded without the other side', async () => {
    await log.run('insert into account_tag (account_id, tag_id) values (null, 3), (1, null)')
    expect((await log.entries()).map(link).sort()).toEqual([
      'linked Account 1 (Ada) Tag null (null)',
      'linked Account null (null) Tag 3 (tag 3)',
    ])
  })
})

describe('permissions', () => {
  it('B28 granting and revoking a role is recorded as such: to whom, and which', async () => {
    await log.run("insert into account_role values (1, 'admin'), (2, 'clerk')")
    await log.run('delete from account_role where account_id = 2')
    await log.run('delete from account_role')
    expect((await log.entries()).map(link)).toEqual([
      'permission_granted Account 1 (Ada) Role admin (Administrator)',
      'permission_granted Account 2 (Bob) Role clerk (Clerk)',
      'permission_revoked Account 2 (Bob) Role clerk (Clerk)',
      'permission_revoked Account 1 (Ada) Role admin (Administrator)',
    ])
  })

  it('B28 roles that go with their account are recorded as revoked', async () => {
    await log.run("insert into account values (9, 'Zed'); insert into account_role values (9, 'admin'), (9, 'clerk')")
    await log.entries()
    await log.run('delete from account where id = 9')
    const entries = await log.entries()
    expect(entries.map(({ action, object_id, related_id }) => `${action} ${object_id} ${related_id}`).sort()).toEqual([
      'delete 9 null',
      'permission_revoked 9 admin',
      'permission_revoked 9 clerk',
    ])
  })

  it('B28 a flag that is set or cleared is a permission change, and any other change an update', async () => {
    await log.run("update account set is_staff = true, note = 'x' where id = 1")
    await log.run('update account set is_staff = false where id = 1')
    await log.run('update account set level = 3 where id = 1')
    await log.run('update account set level = 0 where id = 1')
    await log.run('update account set level = null where id = 1')
    await log.run("update account set note = 'y' where id = 1")
    expect((await log.entries()).map(({ action, changes }) => [action, changes])).toEqual([
      ['permission_granted', { is_staff: [false, true], note: [null, 'x'] }],
      ['permission_revoked', { is_staff: [true, false] }],
      ['permission_granted', { level: [null, 3] }],
      ['permission_revoked', { level: [3, 0] }],
      ['permission_revoked', { level: [0, null] }],
      ['update', { note: ['x', 'y'] }],
    ])
  })

  it('B28 one statement that grants to some, revokes from some and renames others is told apart row by row', async () => {
    await log.run('update account set is_staff = true where id = 2')
    await log.entries()
    await log.run("update account set is_staff = (id = 1), note = 'all'")
    expect((await log.entries()).map(({ action, object_id }) => `${action} ${object_id}`).sort()).toEqual([
      'permission_granted 1',
      'permission_revoked 2',
      'update 3',
    ])
  })
})

describe('labels', () => {
  const grant = async () => {
    await log.run("delete from account_role; insert into account_role values (1, 'admin')")
    return (await log.entries()).map(link).at(-1)
  }

  it('a label never makes a write fail: no column, policies, no rights, no table to look in', async () => {
    expect(await grant()).toContain('(Administrator)')
    await log.run('alter table role enable row level security')
    expect(await grant()).toContain('Role admin (null)')
    await log.run('alter table role disable row level security; revoke select on role from daybook_lookup')
    expect(await grant()).toContain('Role admin (null)')
    await log.run(
      'grant select on role to daybook_lookup; alter event trigger daybook_follow_tables disable; alter table role rename title to heading',
    )
    expect(await grant()).toContain('Role admin (null)')
    await log.run('alter table role rename heading to title; alter event trigger daybook_follow_tables enable')
    expect(await grant()).toContain('(Administrator)')
    await log.run('alter table role rename title to heading')
    expect(await grant()).toContain('(Administrator)')
    await log.run('alter table role drop column heading')
    expect(await grant()).toContain('Role admin (null)')
  })

  it("a label never runs the table owner's code with the log's rights", async () => {
    await log.run(`create table gained (who text);
      create function steal(anyelement) returns boolean language plpgsql as $$ begin insert into public.gained values (current_user); return true; end $$;
      create domain trap as int check (public.steal(value));
      create table trapped (id trap primary key, name text);
      create table trap_link (a int references account, b trap references trapped);
      create table guarded (id int primary key, name text);
      create policy steal on guarded using (public.steal(id)); alter table guarded enable row level security;
      create table guard_link (a int references account, b int references guarded);
      insert into trapped values (1, 'x'); insert into guarded values (1, 'x')`)
    for (const name of ['trapped', 'guarded']) await track(log.database, name, { label: 'name' })
    for (const name of ['trap_link', 'guard_link']) await track(log.database, name, { link: { from: 'a', to: 'b' } })
    await log.run(
      'grant insert on gained to public; insert into trap_link values (1, 1); insert into guard_link values (1, 1)',
    )
    await log.run('delete from trap_link; delete from guard_link; truncate trapped, guarded cascade')
    const { rows } = await log.run('select distinct who from gained')
    expect(rows.map(({ who }) => who)).not.toContain('daybook_owner')
    expect((await log.entries()).map(link).slice(0, 2)).toEqual([
      'linked Account 1 (Ada) Trapped 1 (x)',
      'linked Account 1 (Ada) Guarded 1 (null)',
    ])
  })

  it('a link whose columns lead nowhere, or are masked, is refused', async () => {
    await log.run('create table loose (a int, b int, token_id int references account)')
    for (const link of [
      { from: 'a', to: 'b' },
      { from: 'token_id', to: 'b' },
      { from: 'token_id', to: 'token_id' },
    ]) {
      await expect(track(log.database, 'loose', { link })).rejects.toMatchObject({ code: 'not_trackable' })
    }
    await expect(track(log.database, 'loose', { link: { from: 'a', to: 'none' } })).rejects.toMatchObject({
      code: 'unknown_column',
    })
    expect((await trackedTables(log.database)).map(({ table }) => table)).not.toContain('public.loose')
  })
})
