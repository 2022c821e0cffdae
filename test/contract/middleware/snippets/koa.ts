import Router from '@koa/router'
import { koaContext, koaDashboard } from 'daybook/middleware/koa'
import Koa from 'koa'
import { daybook, pool } from './audit.ts'
import { signedIn } from './sessions.ts'

export const app = new Koa()
app.use(koaContext(daybook, { actor: ({ headers }) => signedIn(headers.cookie) }))
app.use(koaDashboard(daybook, { basePath: '/audit' }))

const router = new Router()
router.post('/invoices/:id/pay', async (ctx) => {
  await pool.query("update invoice set status = 'paid' where id = $1", [ctx.params.id])
  ctx.status = 204
})
app.use(router.routes())
