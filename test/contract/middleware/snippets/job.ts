import { daybook, pool } from './audit.ts'

/** A queue's worker, a script, a migration: each job as itself, and for whom it was asked. */
export async function work(job: {
  id: string
  name: string
  data: { invoice: string; askedBy: string }
}): Promise<void> {
  const actor = { type: 'job', id: job.name, onBehalfOf: { id: job.data.askedBy } } as const
  await daybook.runAs(actor, () =>
    daybook.run({ requestId: `job-${job.id}` }, () =>
      pool.query("update invoice set status = 'paid' where id = $1", [job.data.invoice]),
    ),
  )
}
