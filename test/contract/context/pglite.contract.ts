import { openPglite } from './pglite.ts'
import { CALLBACKS, CURSORS, NAMED, PROMISES, QUERY_STREAMS } from './plain-pg.ts'
import { describeSubject } from './suite.ts'

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
