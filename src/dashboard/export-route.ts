import { type Context, currentContext, runInContext } from '../core/context.ts'
import type { Entry } from '../core/entry.ts'
import { DaybookError } from '../core/errors.ts'
import { type Filter, pinTimes } from '../core/filter.ts'
import { printQuery } from '../core/query.ts'
import { exportCsv } from '../export/csv.ts'
import { parseFilter } from './list-state.ts'
import { dateOf } from './time.ts'
import type { RecordAs, Visit } from './visit.ts'

/** The current filter as a CSV file. The export itself goes on record when it ends, with how many entries left. */
export async function exportRoute(visit: Visit): Promise<Response> {
  const { recordAs } = visit
  if (!recordAs) throw exportUnrecorded()
  const filter = pinTimes(parseFilter(visit.url.searchParams), visit.now)
  const headers = {
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': `attachment; filename="daybook-${dateOf(visit.now)}.csv"`,
  }
  if (visit.request.method === 'HEAD') return new Response(null, { headers })
  // After the first byte an error can only cut the file short: whether the log can be read at all is found out before.
  await visit.store.page({ filter, limit: 1 })
  // The request's own context is over by the time the last entry leaves.
  const context = currentContext() ?? {}
  return new Response(exportCsv(onRecord(visit, recordAs, filter, context)), { headers })
}

/** Entries leave only where it goes on record that they did. */
export function exportUnrecorded(): DaybookError {
  return new DaybookError(
    'export_unrecorded',
    'An export is itself an entry of the log, and here nothing can be recorded: so nothing is exported. Ask for it where the log can be written.',
  )
}

async function* onRecord(
  visit: Visit,
  recordAs: RecordAs,
  filter: Filter,
  context: Context,
): AsyncGenerator<Entry, void, void> {
  let count = 0
  let outcome: 'success' | 'failure' = 'failure'
  let finish = () => {}
  visit.waitUntil(
    new Promise<void>((resolve) => {
      finish = resolve
    }),
  )
  try {
    for await (const entry of visit.store.stream(filter)) {
      yield entry
      count += 1
    }
    outcome = 'success'
  } finally {
    const extra = { filter: printQuery(filter), format: 'csv', count }
    await runInContext(context, () => recordAs(visit.viewer, { action: 'export', outcome, extra })).finally(finish)
  }
}
