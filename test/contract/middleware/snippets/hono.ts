import { honoContext, honoDashboard } from 'daybook/middleware/hono'
import { Hono } from 'hono'
import { daybook, pool } from './audit.ts'
import { signedIn } from './sessions.ts'

export const app = new Hono()
app.use(honoContext(daybook, { actor: ({ req }) => signedIn(req.header('cookie')) }))
app.all('/audit/*', honoDashboard(daybook, { basePath: '/audit' }))

app.post('/invoices/:id/pay', async (c) => {
  await pool.query("update invoice set status = 'paid' where id = $1", [c.req.param('id')])
  return c.body(null, 204)
})
