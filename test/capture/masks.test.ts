import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { track, trackedTables } from '../../src/capture/postgres/index.ts'
import { type CaptureLog, createCaptureLog } from './log.ts'

let log: CaptureLog

beforeAll(async () => {
  log = await createCaptureLog()
})
afterAll(() => log?.close())

const MASKED = { $daybook: 'masked' }

/** Everything that is kept in the log's schema, row by row, as text; and what describes it. */
async function everything(): Promise<string> {
  const { rows } = await log.run(
    "select oid::regclass::text as name from pg_class where relnamespace = 'daybook'::regnamespace and relkind = 'r'",
  )
  const texts = await Promise.all(
    rows.map(async ({ name }) =>
      (await log.run(`select t::text as row from ${name} t`)).rows.map(({ row }) => row).join('\n'),
    ),
  )
  const { rows: described } = await log.run(
    "select string_agg(concat(p.prosrc, obj_description(p.oid)), '') as text from pg_proc p where pronamespace = 'daybook'::regnamespace",
  )
  return [...texts, described[0].text].join('\n')
}

describe('masks', () => {
  it('B24 a masked value, of whatever type, stands nowhere in the log, but that it changed does', async () => {
    await log.table(
      `create table patient (id int primary key, name text, diagnosis text, weight numeric, visits int, tags text[], record json, blob jsonb,
         born date, photo bytea, place point, constraint no_secrets check (diagnosis <> 'refused-91524'))`,
      'patient',
      { label: 'name', mask: ['diagnosis', 'weight', 'visits', 'tags', 'record', 'blob', 'born', 'photo', 'place'] },
    )
    await log.run(`insert into patient values (1, 'Ada', 'secret-83417', 77.83418, 83419, array['secret-83420'], '{"a": "secret-83421"}',
      '{"a": 83422}', '1834-02-03', 'secret-83423', '(83424,1)'), (2, 'Bob', null, null, null, null, null, null, null, null, null)`)
    await log.run(`update patient set diagnosis = 'secret-83425', weight = 83.83426, visits = 83427, tags = tags || array['secret-83428'],
      record = '{"a": "secret-83429"}', blob = '[83430]', born = '1834-02-04', photo = 'secret-83431', place = '(83432,1)' where id = 1`)
    await log.run(
      "update patient set diagnosis = 'secret-83433' where id = 2; update patient set diagnosis = null where id = 1",
    )
    await log.run('update patient set name = name || diagnosis, id = id where id = 99')
    await log.run('delete from patient')
    const entries = await log.entries()
    expect(entries.map(({ action, changes }) => [action, changes])).toEqual([
      [
        'create',
        {
          id: [null, 1],
          name: [null, 'Ada'],
          ...Object.fromEntries(
            ['diagnosis', 'weight', 'visits', 'tags', 'record', 'blob', 'born', 'photo', 'place'].map((name) => [
              name,
              [null, MASKED],
            ]),
          ),
        },
      ],
      ['create', expect.objectContaining({ name: [null, 'Bob'], diagnosis: [null, null], tags: [null, null] })],
      [
        'update',
        Object.fromEntries(
          ['diagnosis', 'weight', 'visits', 'tags', 'record', 'blob', 'born', 'photo', 'place'].map((name) => [
            name,
            [MASKED, MASKED],
          ]),
        ),
      ],
      ['update', { diagnosis: [null, MASKED] }],
      ['update', { diagnosis: [MASKED, null] }],
      ['delete', expect.objectContaining({ name: ['Bob', null], diagnosis: [MASKED, null] })],
      ['delete', expect.objectContaining({ name: ['Ada', null], diagnosis: [null, null], weight: [MASKED, null] })],
    ])
    const text = await everything()
    expect(text).toContain('Ada')
    expect(text).not.toMatch(/secret-|834[123]\d|1834|7365637265742d/)
  })

  it('B24 a refused write tells nothing of a masked value beyond what PostgreSQL itself tells', async () => {
    const refused = async () => {
      try {
        await log.run("insert into patient (id, diagnosis) values (5, 'refused-91524')")
      } catch (error) {
        const { message, detail, hint, where, internalQuery } = error as Record<string, string>
        return { message, detail, hint, where, internalQuery }
      }
      throw new Error('it was not refused')
    }
    const withDaybook = await refused()
    await log.run('alter table patient disable trigger all')
    expect(withDaybook).toEqual(await refused())
    await log.run('alter table patient enable trigger all')
    // Also where it is the log that fails.
    await log.run("alter table daybook.entry add constraint broken check (action <> 'delete') not valid")
    await log.run("insert into patient (id, diagnosis) values (6, 'secret-83440')")
    const error = await log.run('delete from patient where id = 6').then(
      () => undefined,
      (failure) => failure,
    )
    await log.run('alter table daybook.entry drop constraint broken')
    expect(JSON.stringify({ ...error, message: error.message })).not.toMatch(/secret-83440/)
    await log.entries()
  })

  it('B24 a masked column is refused as a label, and a masked key gives no object id', async () => {
    await expect(track(log.database, 'patient', { label: 'diagnosis', mask: ['diagnosis'] })).rejects.toMatchObject({
      code: 'not_trackable',
      message: expect.stringContaining('diagnosis'),
    })
    await log.table('create table session (token text primary key, user_id int)', 'session')
    await log.table('create table seat (room text, pin int, primary key (room, pin))', 'seat')
    await log.run(
      "insert into session values ('secret-83450', 1); update session set token = 'secret-83451'; delete from session",
    )
    await log.run("insert into seat values ('a', 83452)")
    const entries = await log.entries()
    expect(entries.map(({ object_id, previous_object_id }) => [object_id, previous_object_id])).toEqual(
      Array.from({ length: 4 }, () => [null, null]),
    )
    expect(entries[1]?.changes).toEqual({ token: [MASKED, MASKED] })
    expect(await everything()).not.toMatch(/8345\d/)
  })

  it('B24 a masked column that is renamed stays masked, and so does one that was masked for its name', async () => {
    await log.table(
      'create table person (id int primary key, ssn text, api_token text, nick text, shown_token text)',
      'person',
      {
        label: 'nick',
        mask: ['ssn'],
        unmask: ['shown_token'],
      },
    )
    await log.run(`alter table person rename ssn to number; alter table person rename api_token to handle;
      alter table person rename nick to password; alter table person rename shown_token to counted`)
    await log.run("insert into person values (1, 'secret-83460', 'secret-83461', 'secret-83462', 'shown')")
    const [entry] = await log.entries()
    expect(entry?.changes).toEqual({
      id: [null, 1],
      number: [null, MASKED],
      handle: [null, MASKED],
      password: [null, MASKED],
      counted: [null, 'shown'],
    })
    expect(entry?.object_label).toBeNull()
    // Back and forth: a new column with the old name is masked as well.
    await log.run('alter table person drop column number; alter table person add column ssn text')
    await log.run("update person set ssn = 'secret-83463'")
    expect((await log.entries())[0]?.changes).toEqual({ ssn: [null, MASKED] })
    expect(await everything()).not.toMatch(/8346\d/)
  })
})

describe('secret-looking names', () => {
  it('B25 columns whose names look like secrets are masked without being named, and others are not', async () => {
    const secret = [
      ...[
        'password',
        'password_hash',
        'passwd',
        'encrypted_password',
        'Passphrase',
        'token',
        'reset_token',
        'accessToken',
        'refresh-token',
      ],
      ...[
        'secret',
        'client_secret',
        'api_key',
        'apiKey',
        'private_key',
        'credential',
        'otp',
        'totp_seed',
        'pin',
        'card_pin',
        'cvv',
        'salt',
      ],
      ...['recovery_codes', 'backup_code', 'PWD'],
    ]
    const plain = [
      'name',
      'key',
      'shipping',
      'spinner',
      'mapping',
      'passenger',
      'foreign_key',
      'cotp',
      'saltwater',
      'opinion',
      'public_note',
    ]
    await log.table(
      `create table named (id int primary key, ${[...secret, ...plain].map((name) => `"${name}" text`).join(', ')})`,
      'named',
    )
    expect((await trackedTables(log.database)).find(({ table }) => table === 'public.named')?.masked).toEqual(secret)
    await log.run(`insert into named values (1, ${[...secret, ...plain].map(() => "'value-83470'").join(', ')})`)
    const [entry] = await log.entries()
    expect(
      Object.entries(entry?.changes ?? {})
        .filter(([, [, value]]) => JSON.stringify(value) === JSON.stringify(MASKED))
        .map(([name]) => name),
    ).toEqual(secret)
  })

  it('B25 the configuration may say otherwise', async () => {
    await log.table('create table counter (id int primary key, token_count int, token text)', 'counter', {
      unmask: ['token_count'],
    })
    await log.run("insert into counter values (1, 5, 'x')")
    expect((await log.entries())[0]?.changes).toEqual({ id: [null, 1], token_count: [null, 5], token: [null, MASKED] })
  })
})
