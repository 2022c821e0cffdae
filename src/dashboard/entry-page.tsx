import type { Entry } from '../core/entry.ts'
import { DaybookError } from '../core/errors.ts'
import { describeEntry, sentenceText } from '../core/sentence.ts'
import { EntryDetail } from './entry-detail.tsx'
import { Layout } from './layout.tsx'
import { parseEntryId } from './list-state.ts'
import { ForPrograms } from './programs.tsx'
import type { Visit } from './visit.ts'

/** One entry as a page of its own. */
export async function entryPage(visit: Visit, params: Readonly<Record<string, string>>) {
  const entry = await findEntry(visit, params.id ?? '')
  const [neighbours, display] = await Promise.all([visit.store.neighbours(entry.id), visit.displayOf([entry])])
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
        <ForPrograms visit={visit} href={visit.api.entry(entry.id)} />
      </main>
    </Layout>
  )
}

/** @throws DaybookError `invalid_filter` for what is no id of an entry; `not_found` where there is none with it. */
export async function findEntry({ store }: Visit, given: string): Promise<Entry> {
  const id = parseEntryId(given)
  const entry = await store.entry(id)
  if (entry) return entry
  throw new DaybookError('not_found', 'There is no entry with this number.', { details: { entry: id } })
}
