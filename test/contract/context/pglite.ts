import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { openPglite as openFolder } from 'daybook/connection/pglite'
import { PgliteSession } from 'daybook/connection/pglite-session'
import { PgliteStream } from 'daybook/connection/pglite-stream'
import pg from 'pg'
import { APPLICATION, type Place, prepare } from './place.ts'
import { countRoundTrips, tap } from './wire-tap.ts'

/** An embedded database, in memory. Its pools are pools of `pg` on a stream, so that one without Daybook can be made as well. */
export async function openPglite(): Promise<Place> {
  const session = new PgliteSession(await PGlite.create(), 30_000)
  const own = { database: 'postgres', password: '', ssl: false, connectionString: '' }
  const admin = new pg.Pool({ ...own, user: 'postgres', stream: () => new PgliteStream(session) })
  await prepare(admin)
  let roundTrips = 0
  const stream = () => {
    const opened = new PgliteStream(session)
    const count = countRoundTrips(() => {
      roundTrips += 1
    })
    const write = opened.write.bind(opened)
    opened.write = ((chunk: Buffer, ...others: []) => {
      count(chunk)
      return write(chunk, ...others)
    }) as typeof write
    return opened
  }
  return {
    admin,
    options: { ...own, user: APPLICATION, stream },
    sessions: 1,
    takeRoundTrips() {
      const taken = roundTrips
      roundTrips = 0
      return taken
    },
    async close() {
      await admin.end()
      await session.close()
    },
  }
}

/** An embedded database in a folder, by the socket that is in it: for libraries that make their connections themselves. */
export async function openPgliteSocket(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'daybook-pglite-'))
  const pglite = await openFolder({ folder })
  const admin = pglite.createPool()
  await prepare(admin)
  const wire = await tap(`postgres://${APPLICATION}@127.0.0.1/postgres`, join(folder, '.s.PGSQL.5432'))
  return {
    admin,
    options: { connectionString: wire.url },
    sessions: 1,
    takeRoundTrips: wire.takeRoundTrips,
    async close() {
      await wire.close()
      await pglite.close()
      await rm(folder, { recursive: true })
    },
  }
}
