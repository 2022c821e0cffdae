import { createPool } from '../../../src/connection/pg.ts'
import { createDaybook } from '../../../src/daybook.ts'
import { nextContext } from '../../../src/middleware/next.ts'

/** What a route handler of an application that `next start` runs is made of: see next.middleware.ts. */
const pool = createPool({ connectionString: process.env.DATABASE_URL })
const audited = nextContext(createDaybook({ pool }))

export const pay = audited(async () => {
  await pool.query("insert into invoice values ('7')")
  return Response.json({})
})
