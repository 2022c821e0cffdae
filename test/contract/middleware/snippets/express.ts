import { expressContext, expressDashboard } from 'daybook/middleware/express'
import express from 'express'
import { daybook, pool } from './audit.ts'
import { signedIn } from './sessions.ts'

export const app = express()
app.use(expressContext(daybook, { actor: ({ headers }) => signedIn(headers.cookie) }))
app.use('/audit', expressDashboard(daybook))

app.post('/invoices/:id/pay', async (request, response) => {
  await pool.query("update invoice set status = 'paid' where id = $1", [request.params.id])
  response.sendStatus(204)
})
