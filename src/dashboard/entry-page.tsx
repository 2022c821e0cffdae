import { isEntryId } from '../core/cursor.ts'
import { DaybookError } from '../core/errors.ts'
import { describeEntry, sentenceText } from '../core/sentence.ts'
import { EntryDetail } from './entry-detail.tsx'
import { Layout } from './layout.tsx'
import type { Visit } from './visit.ts'

/** One entry as a page of its own. */
export async function entryPage(visit: Visit, params: Readonly<Record<string, string>>) {
  const id = parseEntryId(params.id ?? '')
  const entry = await visit.store.entry(id)
  if (!entry) {
    throw new DaybookError('not_found', 'There is no entry with this number.', { details: { entry: id } })
  }
  const [neighbours, display] = await Promise.all([visit.store.neighbours(id), visit.displayOf([entry])])
  const heading = sentenceText(describeEntry(entry, display))
  const { links } = visit
  return (
    <Layout links={links} heading={heading} title={visit.title} viewer={visit.viewer} script>
      <main class="single" id="main">
        <p class="crumbs">
          <a href={links.list({ filter: {} })}>Entries</a>
        </p>
        <EntryDetail entry={entry} display={display} links={links} level={1}>
          <nav class="foot" aria-label="Next to it">
            {neighbours.newer && <a href={links.entry(neighbours.newer)}>← Newer entry</a>}
            {neighbours.older && (
              <a class="end" href={links.entry(neighbours.older)}>
                Older entry →
              </a>
            )}
          </nav>
        </EntryDetail>
      </main>
    </Layout>
  )
}

/** @throws DaybookError `invalid_filter` for what is no id of an entry. */
export function parseEntryId(text: string): string {
  if (isEntryId(text)) return text
  const reason = 'must be the number of an entry, such as 48213'
  throw new DaybookError('invalid_filter', `The entry can't be shown: its number ${reason}.`, {
    details: { parameter: 'entry', reason },
  })
}
