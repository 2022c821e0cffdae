import { createDaybook } from 'daybook'
import { createPool } from 'daybook/connection/pg'
import { expressContext, expressDashboard } from 'daybook/middleware/express'
import express from 'express'
import { authorize, signedIn } from './sessions.ts'

const pool = createPool({ connectionString: process.env.DATABASE_URL })
pool.on('error', (error) => console.error(error.message))
const daybook = createDaybook({ pool, authorize, home: '/' })

const app = express()
app.use(expressContext(daybook, { actor: (request) => signedIn(request.headers.cookie) }))
app.use('/audit', expressDashboard(daybook))

app.post('/invoices/:id/pay', async (request, response) => {
  await pool.query("update invoice set status = 'paid' where id = $1", [request.params.id])
  response.sendStatus(204)
})

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
