import { CALLBACKS, COPY_ROUND_TRIPS, COPY_STREAMS, CURSORS, NAMED, PROMISES, QUERY_STREAMS } from './plain-pg.ts'
import { describeSubject } from './suite.ts'

describeSubject('pg with promises', PROMISES)
describeSubject('pg with callbacks', CALLBACKS)
describeSubject('pg with named statements', NAMED)
describeSubject('pg with cursors', CURSORS)
describeSubject('pg with query streams', QUERY_STREAMS)
describeSubject('pg with copy streams', COPY_STREAMS, { moreRoundTrips: COPY_ROUND_TRIPS })
