import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { track } from '../../../src/capture/postgres/index.ts'
import fc from '../../fast-check.ts'
import { type CaptureLog, connect, createCaptureLog } from '../log.ts'
import { runsTimeoutMs, tries } from './runs.ts'

let log: CaptureLog
let client: pg.Client

beforeAll(async () => {
  log = await createCaptureLog()
  await log.run(`create table account (id int primary key, name text); create table role (id text primary key, title text);
    create table account_role (account_id int references account on delete cascade on update cascade,
      role_id text references role on delete set null on update cascade, note text, place serial primary key);
    insert into account select g, 'account ' || g from generate_series(1, 4) g; insert into role values ('a', 'A'), ('b"', 'B'), ('', 'none')`)
  await track(log.database, 'account', { label: 'name' })
  await track(log.database, 'role', { label: 'title' })
  await track(log.database, 'account_role', { permission: { to: 'account_id', grants: 'role_id' } })
  client = await connect(log.url)
})
afterAll(async () => {
  await client?.end()
  await log?.close()
})

const account = fc.constantFrom('null', '1', '2', '3', '4')
const role = fc.constantFrom('null', "'a'", `'b"'`, "''")
const note = fc.constantFrom('null', "''", "'x'")
const links = fc
  .array(fc.tuple(account, role, note), { minLength: 1, maxLength: 4 })
  .map((rows) => rows.map((row) => `(${row.join(', ')})`).join(', '))
const where = fc.oneof(
  fc.constant('true'),
  account.map((id) => `account_id = ${id}`),
  role.map((id) => `role_id is not distinct from ${id}`),
  fc.nat(9).map((n) => `place % 10 = ${n}`),
)
const set = fc.oneof(
  account.map((id) => `account_id = ${id}`),
  role.map((id) => `role_id = ${id}`),
  note.map((text) => `note = ${text}`),
  fc.tuple(account, role, note).map(([id, other, text]) => `account_id = ${id}, role_id = ${other}, note = ${text}`),
)
const statement = fc.oneof(
  {
    weight: 5,
    arbitrary: links.map((rows) => `insert into account_role values ${rows.replaceAll(')', ', default)')}`),
  },
  {
    weight: 2,
    arbitrary: links
      .map((rows) => `insert into account_role select v.*, 1 from (values ${rows}) v on conflict do nothing`)
      .map((text) => text.replace('v.*', 'v.column1::int, v.column2, v.column3')),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(set, where).map(([changes, rows]) => `update account_role set ${changes} where ${rows}`),
  },
  { weight: 2, arbitrary: where.map((rows) => `delete from account_role where ${rows}`) },
  {
    weight: 1,
    arbitrary: account.map(
      (id) =>
        `delete from account where id = ${id}; insert into account values (coalesce(${id}, 9), 'again') on conflict do nothing`,
    ),
  },
  {
    weight: 1,
    arbitrary: role.map((id) => `update role set id = id || '!' where id = ${id}; update role set id = rtrim(id, '!')`),
  },
  { weight: 1, arbitrary: fc.constant('truncate account_role') },
  {
    weight: 1,
    arbitrary: fc.tuple(set, where).map(
      ([
        changes,
        rows,
      ]) => `merge into account_role t using (select place from account_role where ${rows}) s on s.place = t.place
        when matched and t.place % 2 = 0 then delete when matched then update set ${changes}`,
    ),
  },
)

const USUAL_RUNS = 60

it(
  'B27 B28 links that are given, led elsewhere and taken in any way are told so that what the log says is given is what the table holds',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(statement, { minLength: 1, maxLength: 15 }), async (statements) => {
        await client.query('delete from account_role')
        await log.entries()
        for (const text of statements) {
          await client.query('begin')
          await client.query(text).catch(() => client.query('rollback'))
          await client.query('commit')
        }
        const given = new Map<string, number>()
        for (const { action, model, object_id, related_model, related_id, changes } of await log.entries()) {
          if (action === 'truncate') given.clear()
          if (action !== 'permission_granted' && action !== 'permission_revoked') continue
          expect([model, related_model]).toEqual(['Account', 'Role'])
          // The keys are those of the link's own columns, and stand in its values.
          const side = action === 'permission_granted' ? 1 : 0
          expect(
            [changes.account_id?.[side] ?? null, changes.role_id?.[side] ?? null].map((key) => key?.toString() ?? null),
          ).toEqual([object_id, related_id])
          const link = JSON.stringify([object_id, related_id])
          const count = (given.get(link) ?? 0) + (action === 'permission_granted' ? 1 : -1)
          if (count === 0) given.delete(link)
          else given.set(link, count)
        }
        const { rows } = await client.query(
          'select account_id::text, role_id, count(*)::int from account_role group by account_id, role_id',
        )
        expect(given).toEqual(
          new Map(rows.map(({ account_id, role_id, count }) => [JSON.stringify([account_id, role_id]), count])),
        )
      }),
      tries(USUAL_RUNS),
    )
  },
  runsTimeoutMs(USUAL_RUNS),
)
