import { nextContext, nextDashboard } from 'daybook/middleware/next'
import { daybook, pool } from './audit.ts'
import { signedIn } from './sessions.ts'

// audited.ts
export const audited = nextContext(daybook, { actor: ({ headers }) => signedIn(headers.get('cookie')) })

// app/invoices/[id]/pay/route.ts
export const POST = audited(async (_request, { params }: { params: Promise<{ id: string }> }) => {
  await pool.query("update invoice set status = 'paid' where id = $1", [(await params).id])
  return new Response(null, { status: 204 })
})

// app/audit/[[...path]]/route.ts
export const GET = nextDashboard(daybook, { basePath: '/audit' })
