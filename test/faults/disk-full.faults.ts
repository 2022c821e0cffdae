import { execFile } from 'node:child_process'
import { chown, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureMonths, install, track } from '../../src/capture/postgres/index.ts'
import { fromPgPool } from '../../src/connection/pg.ts'
import { type Cluster, createCluster, postgresPrograms } from '../postgres-cluster.ts'

const run = promisify(execFile)

/** Where the log is: a file system of its own, with room for the empty log and little more. */
let disk: string
let cluster: Cluster
let pool: pg.Pool

beforeAll(async () => {
  cluster = await createCluster(await postgresPrograms(), { autovacuum: 'off' })
  disk = join(cluster.folder, 'disk')
  await mkdir(disk)
  await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', disk]).catch((cause: Error) => {
    throw new Error('A small disk could not be made: this test mounts one, which takes root.', { cause })
  })
  const { uid, gid } = await stat(cluster.folder)
  await chown(disk, uid, gid)
  await cluster.start()
  pool = new pg.Pool({ connectionString: `${cluster.url}/postgres`, max: 3 })
  pool.on('error', () => {})
  await pool.query(`create tablespace audit location '${disk}'`)
  await install(fromPgPool(pool))
  await pool.query(`grant create on tablespace audit to daybook_owner;
    alter table all in tablespace pg_default owned by daybook_owner set tablespace audit;
    alter index all in tablespace pg_default owned by daybook_owner set tablespace audit;
    create table thing (id int primary key, v text); create table untracked (id int)`)
  await track(fromPgPool(pool), 'thing')
})
afterAll(async () => {
  await pool?.end()
  await cluster?.stop('immediate')
  if (disk) await run('umount', [disk]).catch(() => {})
  await cluster?.remove()
})

async function numbers(): Promise<{ rows: number; creates: number; updates: number; months: number }> {
  const { rows } = await pool.query(`select (select count(*)::int from thing) as rows,
    (select count(*)::int from daybook.entries where action = 'create' and table_name is not null) as creates,
    (select count(*)::int from daybook.entries where action = 'update' and table_name is not null) as updates,
    (select count(*)::int from pg_inherits where inhparent = 'daybook.entry'::regclass) as months`)
  return rows[0]
}

/** Texts that can't be made smaller. */
const insertThings = (first: number, last: number) =>
  `insert into thing select n, string_agg(md5(random()::text), '') from generate_series(${first}, ${last}) n, generate_series(1, 10) group by n`

describe('a full disk under the log', () => {
  it('B57 refuses the write with SQLSTATE 53100 and nothing half done, lets the log be read, and is over once there is room', async () => {
    let written = 0
    const fill = async () => {
      for (;;) {
        await pool.query(insertThings(written + 1, written + 500))
        written += 500
      }
    }
    await expect(fill()).rejects.toMatchObject({ code: '53100' })
    expect(written).toBeGreaterThan(500)
    const full = await numbers()
    expect(full).toMatchObject({ rows: written, creates: written, updates: 0 })

    const refusals = {
      'a bulk update': () => pool.query("update thing set v = v || 'x'"),
      'a bulk delete': () => pool.query('delete from thing'),
      'months made ahead': () => ensureMonths(fromPgPool(pool), 24),
    }
    for (const [what, refused] of Object.entries(refusals)) {
      await expect(refused(), what).rejects.toMatchObject({ code: '53100' })
      expect(await numbers(), what).toEqual(full)
    }

    // What is not recorded goes on, also in a transaction of which a part was refused.
    const client = await pool.connect()
    await client.query('begin; insert into untracked values (1); savepoint part')
    await expect(client.query("update thing set v = v || 'x'")).rejects.toMatchObject({ code: '53100' })
    await client.query('rollback to part; insert into untracked values (2); commit')
    client.release()
    expect((await pool.query('select id from untracked order by id')).rows).toEqual([{ id: 1 }, { id: 2 }])

    // Recovery repeats what was refused, so it wants room too.
    await cluster.stop('immediate')
    await run('mount', ['-o', 'remount,size=256m', disk])
    await cluster.start()
    expect(await numbers()).toEqual(full)

    await pool.query("update thing set v = v || 'x'")
    expect(await ensureMonths(fromPgPool(pool), 24)).toHaveLength(21)
    await pool.query(insertThings(written + 1, written + 500))
    expect(await numbers()).toEqual({
      rows: written + 500,
      creates: written + 500,
      updates: written,
      months: full.months + 21,
    })
    const { rows: differing } = await pool.query(`select t.id from thing t
      join (select distinct on (object_id) object_id, changes from daybook.entries where table_name is not null order by object_id, id desc) e on e.object_id = t.id::text
      where e.changes -> 'v' ->> 1 is distinct from t.v`)
    expect(differing).toEqual([])
  }, 90_000)
})
