import { PGlite } from '@electric-sql/pglite'
import { PgliteSession } from 'daybook/connection/pglite-session'
import { PgliteStream } from 'daybook/connection/pglite-stream'
import pg from 'pg'
import { APPLICATION, type Place, prepare } from './place.ts'
import { CALLBACKS, CURSORS, NAMED, PROMISES, QUERY_STREAMS } from './plain-pg.ts'
import { describeSubject } from './suite.ts'
import { countRoundTrips } from './wire-tap.ts'

/** An embedded database, in memory. Its pools are pools of `pg` on a stream, so that one without Daybook can be made as well. */
async function openPglite(): Promise<Place> {
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

describeSubject('pg with promises, on PGlite', PROMISES, { openPlace: openPglite })
describeSubject('pg with callbacks, on PGlite', CALLBACKS, { openPlace: openPglite })
describeSubject('pg with named statements, on PGlite', NAMED, { openPlace: openPglite })
describeSubject('pg with cursors, on PGlite', CURSORS, { openPlace: openPglite })
describeSubject('pg with query streams, on PGlite', QUERY_STREAMS, { openPlace: openPglite })
describeSubject(
  'pg with a pipeline, on PGlite',
  ({ pg, options }) => PROMISES({ pg, options: { ...options, pipeline: true } }),
  { openPlace: openPglite },
)
