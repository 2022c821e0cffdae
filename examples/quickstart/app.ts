import { createDaybook } from 'daybook'
import { createPool } from 'daybook/connection/pg'
import { expressContext, expressDashboard } from 'daybook/middleware/express'
import express from 'express'
import { signedIn } from './sessions.ts'

const pool = createPool({ connectionString: process.env.DATABASE_URL })
const daybook = createDaybook({
  pool,
  authorize(request) {
    const viewer = signedIn(request.headers.get('cookie'))
    if (!viewer) return { allow: false, reason: 'unauthenticated' }
    return viewer.readsTheLog ? { allow: true, viewer } : { allow: false, reason: 'forbidden' }
  },
})

const app = express()
app.use(expressContext(daybook, { actor: (request) => signedIn(request.headers.cookie) }))
app.use('/audit', expressDashboard(daybook))

app.post('/invoices/:id/pay', async (request, response) => {
  await pool.query("update invoice set status = 'paid' where id = $1", [request.params.id])
  response.sendStatus(204)
})

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
