import type { Response } from 'express'
import type { Person } from './access.ts'
import { RefusalPage } from './pages/refusal.tsx'
import { CrossOrigin, Forbidden, NotFound } from './refusal.ts'
import { render } from './render.ts'
import type { Services } from './services.ts'

/** Answers a request that failed with a page that says why, and with the status that fits. */
export async function refuse(error: unknown, res: Response, { daybook }: Services): Promise<void> {
  const person = res.locals.person as Person | undefined
  const page = (status: number, title: string, explanation: string) =>
    render(res, <RefusalPage person={person} title={title} explanation={explanation} />, status)

  if (error instanceof Forbidden) {
    // Being refused is worth knowing, too.
    await daybook.record({ action: 'access.denied', outcome: 'denied', extra: { right: error.right } })
    return page(
      403,
      'Your account may not do this',
      'Your roles don’t include this. A superuser can grant you one that does.',
    )
  }
  if (error instanceof NotFound) {
    return page(404, 'Not found', 'There is nothing at this address. It may have been deleted.')
  }
  if (error instanceof CrossOrigin) {
    return page(403, 'Sent from elsewhere', 'This form was sent by another site, so nothing was done.')
  }
  const status = (error as { status?: unknown } | null)?.status
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return page(status, 'That can’t be read', 'The browser sent something that this page does not understand.')
  }
  console.error(error)
  return page(500, 'Something went wrong', 'Nothing was saved. Try once more; if it stays so, tell whoever runs this.')
}
