import { fastifyContext, fastifyDashboard } from 'daybook/middleware/fastify'
import fastify from 'fastify'
import { daybook, pool } from './audit.ts'
import { signedIn } from './sessions.ts'

export const app = fastify()
await app.register(fastifyContext(daybook, { actor: ({ headers }) => signedIn(headers.cookie) }))
await app.register(fastifyDashboard(daybook), { prefix: '/audit' })

app.post<{ Params: { id: string } }>('/invoices/:id/pay', async (request, reply) => {
  await pool.query("update invoice set status = 'paid' where id = $1", [request.params.id])
  return reply.code(204).send()
})
