import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import type { Page } from '../../src/store/index.ts'
import { createTestLog, type TestLog } from './log.ts'

const ADA = { actor: { id: '9', label: 'ada@example.com' } }

let log: TestLog

beforeAll(async () => {
  log = await createTestLog()
  await log.pool.query(`
    create table account (id int primary key, email text);
    create table role (code text primary key, title text);
    create table account_role (account_id int references account on update cascade on delete cascade, role_code text references role,
      primary key (account_id, role_code));
    create table friend (one int references account, other int references account, primary key (one, other));
    create table tag (id int primary key, word text);
    create table account_tag (account_id int references account, tag_id int references tag on delete cascade, primary key (account_id, tag_id))`)
  const database = fromPgPool(log.pool)
  await track(database, 'account', { model: 'User', label: 'email' })
  await track(database, 'role', { label: 'title' })
  await track(database, 'tag', { label: 'word' })
  await track(database, 'account_role', { permission: { to: 'account_id', grants: 'role_code' } })
  await track(database, 'account_tag', { link: { from: 'account_id', to: 'tag_id' } })
  await track(database, 'friend', { link: { from: 'one', to: 'other' } })
  await log.as(
    ADA,
    "insert into account select n, 'user ' || n from generate_series(1, 9) n",
    "insert into role values ('a/b c', 'Auditor'), ('clerk', 'Clerk')",
    "insert into tag select n, 'tag ' || n from generate_series(1, 300) n",
  )
})
afterAll(() => log?.close())

const timeline = (model: string, objectId: string, query = {}) =>
  log.store.timeline({ model, objectId, limit: 200, ...query })

const told = ({ entries }: Page) =>
  entries.map(
    ({ action, actorLabel, objectLabel, relatedLabel }) => `${actorLabel} ${action} ${objectLabel} ${relatedLabel}`,
  )

describe('both sides of a link', () => {
  test('B28 a role that is granted and revoked is one entry each, the same in the timelines of person and role', async () => {
    await log.as(ADA, "insert into account_role values (1, 'a/b c')", 'delete from account_role')
    const [person, role] = [await timeline('User', '1'), await timeline('Role', 'a/b c')]
    const links = [
      'ada@example.com permission_revoked user 1 Auditor',
      'ada@example.com permission_granted user 1 Auditor',
    ]
    expect(told(person).slice(0, 2)).toEqual(links)
    expect(told(role).slice(0, 2)).toEqual(links)
    expect(person.entries.slice(0, 2).map(({ id }) => id)).toEqual(role.entries.slice(0, 2).map(({ id }) => id))
    expect(await timeline('Role', 'clerk').then(told)).toEqual(['ada@example.com create Clerk null'])
  })

  test('B27 hundreds of links of one statement stand page by page in the one timeline, and one in each of the others', async () => {
    await log.as(ADA, 'insert into account_tag select 2, n from generate_series(1, 300) n')
    const seen: string[] = []
    for (let cursor: object | undefined = {}; cursor; ) {
      const page = await timeline('User', '2', { limit: 70, ...cursor })
      seen.push(...page.entries.map(({ id }) => id))
      cursor = page.older
    }
    // The last is the account's own.
    expect(seen).toHaveLength(301)
    expect(new Set(seen).size).toBe(301)
    for (const tag of ['1', '150', '300']) {
      const page = await timeline('Tag', tag)
      expect(told(page)).toEqual([`ada@example.com linked user 2 tag ${tag}`, `ada@example.com create tag ${tag} null`])
    }
  })

  test('B27 what goes with one side stands in the other’s timeline, by the label that it had', async () => {
    await log.as(ADA, 'insert into account_tag values (3, 5)')
    await log.as(ADA, 'delete from tag where id = 5')
    expect((await timeline('User', '3').then(told)).slice(0, 2)).toEqual([
      expect.stringMatching(/^ada@example\.com unlinked user 3 /),
      'ada@example.com linked user 3 tag 5',
    ])
    const gone = await timeline('Tag', '5')
    expect(gone.entries.map(({ action }) => action).sort()).toEqual([
      'create',
      'delete',
      'linked',
      'linked',
      'unlinked',
      'unlinked',
    ])
  })

  test('B27 a link between two of one kind stands in both timelines once', async () => {
    await log.as(ADA, 'insert into friend values (4, 5), (4, 4)')
    const link = 'ada@example.com linked user 4 user 5'
    expect((await timeline('User', '5').then(told)).filter((line) => line.includes('linked'))).toEqual([link])
    expect((await timeline('User', '4').then(told)).filter((line) => line.includes('linked')).sort()).toEqual([
      'ada@example.com linked user 4 user 4',
      link,
    ])
  })

  test('B27 an object of another model with the same key has none of it', async () => {
    await log.as(ADA, "insert into tag values (4000, 'x')", "insert into account values (4000, 'namesake')")
    await log.as(ADA, 'insert into account_tag values (1, 4000)')
    expect(await timeline('User', '4000').then(told)).toEqual(['ada@example.com create namesake null'])
  })

  test('B28 a key that changes takes the links along, under the old key and the new', async () => {
    await log.as(ADA, "insert into account_role values (6, 'clerk')")
    await log.as(ADA, 'update account set id = 66 where id = 6')
    for (const key of ['6', '66']) {
      const actions = (await timeline('User', key)).entries.map(({ action }) => action)
      expect(actions.filter((action) => action === 'permission_granted').length).toBeGreaterThan(0)
      expect(actions).toContain('update')
      expect(actions).toContain('create')
    }
  })
})
