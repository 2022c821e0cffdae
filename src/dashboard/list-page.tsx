import { byStatement, FOLDED_FROM, type StatementRun } from '../core/by-statement.ts'
import { parseCursor } from '../core/cursor.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { KNOWN_ACTIONS } from '../core/event.ts'
import { type Filter, isEmptyFilter, needsSearch, parseFilter } from '../core/filter.ts'
import type { Count, Page, TrackedName, Unattributed } from '../store/index.ts'
import { EntryDetail } from './entry-detail.tsx'
import { EntryList, type WholeStatement } from './entry-list.tsx'
import { parseEntryId } from './entry-page.tsx'
import { Chips, type Choices, FilterForm, QuickRanges, SearchField } from './filter-form.tsx'
import { Layout } from './layout.tsx'
import type { ListState } from './links.ts'
import { ForPrograms } from './programs.tsx'
import { clockTime, dayName } from './time.ts'
import type { Visit } from './visit.ts'

const PAGE_SIZE = 50

/** A page of fewer lines than this, as most of it was folded, goes on with what is older; so often at most. */
const ENOUGH_LINES = 20
const MORE_READS = 4

/** Parameters of the list that are no part of its filter. */
const STATE = ['before', 'after', 'entry', 'count']

/** The list: newest first, filtered, with an entry beside it where the URL names one. */
export async function listPage(visit: Visit) {
  const { store, links, url } = visit
  const state = parseState(url.searchParams)
  // A form sends its empty fields too: the address that is kept and shared is the short one.
  if ([...url.searchParams.values()].includes('')) {
    return new Response(null, { status: 303, headers: { location: links.list(state) } })
  }

  // Who asks for one statement wants to see its entries.
  const folds = state.filter.statement === undefined
  const [{ page, ends }, counted, unattributed, choices, open] = await Promise.all([
    folds ? readFolded(visit, state) : store.page({ ...state, limit: PAGE_SIZE }).then((page) => ({ page, ends: [] })),
    countOf(visit, state),
    unattributedOf(visit, state),
    readChoices(visit),
    state.entry === undefined ? undefined : store.entry(state.entry),
  ])
  const isFirstRun = page.entries.length === 0 && isEmptyFilter(state.filter) && !page.newer && !page.older
  const tracked = isFirstRun ? await store.tracked() : []
  const statements = folds ? await cutStatements(visit, state, page.entries, ends) : undefined
  const neighbours = open && (await store.neighbours(open.id, state.filter))
  const display = await visit.displayOf([...page.entries.filter(tellsValues), ...(open ? [open] : [])])
  return (
    <Layout links={links} heading="Entries" title={visit.title} viewer={visit.viewer} filter={state.filter} script>
      {!isFirstRun && (
        <section class="find" aria-label="Search">
          <div class="query">
            <SearchField filter={state.filter} />
          </div>
          <QuickRanges filter={state.filter} links={links} now={visit.now} />
          <Chips filter={state.filter} links={links} />
        </section>
      )}
      <main class={`body${isFirstRun ? ' first' : ''}${state.entry === undefined ? '' : ' open'}`} id="main">
        <h1 class="hidden">Entries</h1>
        {!isFirstRun && (
          <details class="side">
            <summary>Filters</summary>
            <FilterForm filter={state.filter} choices={choices} links={links} />
          </details>
        )}
        <div class="list">
          <Summary
            state={state}
            count={counted ?? countOnPage(page)}
            unattributed={unattributed}
            page={page}
            visit={visit}
          />
          {asksForNobody(state.filter) && <NamesNobody />}
          {isFirstRun ? (
            <FirstRun tracked={tracked} />
          ) : page.entries.length === 0 && !page.searchedTo ? (
            <NothingFound state={state} visit={visit} />
          ) : (
            <EntryList
              entries={page.entries}
              display={display}
              now={visit.now}
              selected={state.entry}
              statements={statements}
              linkTo={(entry) => links.list({ ...state, entry: entry.id })}
            />
          )}
          <Pager page={page} state={state} visit={visit} />
          <ForPrograms visit={visit} href={visit.api.list(state.filter, state)} />
        </div>
        {state.entry !== undefined && (
          <Beside entry={open} display={display} state={state} neighbours={neighbours} visit={visit} />
        )}
      </main>
    </Layout>
  )
}

/** The sentence of what came or went only counts its values. */
function tellsValues({ action }: Entry): boolean {
  return action !== 'create' && action !== 'delete'
}

function parseState(params: URLSearchParams): ListState {
  const filter = parseFilter(params, STATE)
  const entry = params.get('entry')
  return {
    filter,
    ...parseCursor(params),
    ...(entry && { entry: parseEntryId(entry) }),
    ...(params.get('count') === 'exactly' && { countExactly: true }),
  }
}

/** How many entries there are; undefined where that would be a second search beside the page's own. */
async function countOf({ store }: Visit, { filter, countExactly }: ListState): Promise<Count | undefined> {
  if (countExactly) return { count: await store.countExactly(filter), orMore: false }
  return needsSearch(filter) ? undefined : store.count(filter)
}

const UNATTRIBUTED_HOURS = 24

/** How many of the newest entries name nobody; asked for where the log is seen as a whole. */
function unattributedOf(
  { store, now }: Visit,
  { filter, before, after }: ListState,
): Promise<Unattributed> | undefined {
  const isWhole = isEmptyFilter(filter) && before === undefined && after === undefined
  return isWhole ? store.unattributed(new Date(now.getTime() - UNATTRIBUTED_HOURS * 3_600_000)) : undefined
}

/** Whether a filter asks for the database's own users alone. */
function asksForNobody({ actor = [] }: Filter): boolean {
  return actor.length > 0 && actor.every((value) => value.startsWith('database:'))
}

function countOnPage(page: Page): Count {
  return { count: page.entries.length, orMore: page.older !== undefined || page.newer !== undefined }
}

async function readChoices({ store }: Visit): Promise<Choices> {
  const [actions, models, actors] = await Promise.all([
    store.values('action').then(inKnownOrder),
    store.values('model'),
    store.recentActors(),
  ])
  return { actions, models, actors }
}

/** Entries for a page of lines, and the statements that a read of them ended in: of these there may be more. */
async function readFolded({ store }: Visit, state: ListState) {
  const query = { filter: state.filter, limit: PAGE_SIZE, passStatementsFrom: FOLDED_FROM }
  let page = await store.page({ ...state, ...query })
  const ends = [page.entries.at(-1)?.statementId]
  for (
    let read = 0;
    read < MORE_READS && page.older && !page.searchedTo && lines(page.entries) < ENOUGH_LINES;
    read += 1
  ) {
    const { entries, older, searchedTo } = await store.page({ ...query, ...page.older })
    const { older: _, ...before } = page
    page = {
      ...before,
      entries: [...page.entries, ...entries],
      ...(older && { older }),
      ...(searchedTo && { searchedTo }),
    }
    ends.push(entries.at(-1)?.statementId)
  }
  return { page, ends }
}

function lines(entries: readonly Entry[]): number {
  return byStatement(entries).reduce((sum, run) => sum + (run.length >= FOLDED_FROM ? 1 : run.length), 0)
}

/** The statements with which a read begins and ends, where they are more than the page has of them. */
async function cutStatements(
  { store, links }: Visit,
  { filter }: ListState,
  entries: readonly Entry[],
  ends: readonly (string | undefined)[],
) {
  const runs = byStatement(entries)
  const isEdge = (run: StatementRun) => run === runs[0] || ends.includes(run[0].statementId)
  const edges = runs.filter((run) => run.length >= FOLDED_FROM && isEdge(run))
  const cut = new Map<string, WholeStatement>()
  for (const run of edges) {
    const statement = run[0].statementId
    const within = { ...filter, statement: [statement] }
    const { count, orMore } = await store.count(within)
    if (count === run.length) continue
    cut.set(statement, {
      count: `${count.toLocaleString('en-US')}${orMore ? '+' : ''}`,
      href: links.list({ filter: within }),
    })
  }
  return cut
}

/** The actions that everybody knows first, in the order of a row's life; the application's own after them. */
function inKnownOrder(actions: readonly string[]): readonly string[] {
  const known: readonly string[] = KNOWN_ACTIONS
  return [...known.filter((action) => actions.includes(action)), ...actions.filter((action) => !known.includes(action))]
}

interface PartProps {
  readonly state: ListState
  readonly visit: Visit
}

interface SummaryProps extends PartProps {
  readonly count: Count
  readonly unattributed: Unattributed | undefined
  readonly page: Page
}

function Summary({ state, count, unattributed, page, visit }: SummaryProps) {
  const number = count.count.toLocaleString('en-US')
  return (
    <div class="sum">
      <p>
        <b>
          {number}
          {count.orMore && '+'}
        </b>{' '}
        {count.count === 1 && !count.orMore ? 'entry' : 'entries'}
      </p>
      {count.orMore && (
        <a class="link" href={visit.links.list({ ...state, countExactly: true })}>
          count exactly
        </a>
      )}
      {unattributed && unattributed.count > 0 && (
        <a class="nobody" href={visit.links.list({ filter: unattributed.filter })}>
          {unattributed.count.toLocaleString('en-US')}
          {unattributed.orMore && '+'} of the last {UNATTRIBUTED_HOURS} hours{' '}
          {unattributed.count === 1 ? 'names' : 'name'} nobody
        </a>
      )}
      <span class="zone">times in UTC</span>
      {page.entries.length > 0 && visit.recordAs && (
        <a class="btn" href={visit.links.exportCsv(state.filter)}>
          Export CSV
        </a>
      )}
    </div>
  )
}

function NamesNobody() {
  return (
    <p class="note">
      These entries name nobody: a database user made them, without the context of a request or a job. It may have been
      a script, a job outside of <code>runAs()</code>, somebody with <code>psql</code>, or a connection that does not
      carry the context. <code>npx daybook doctor</code> tells from which programs they came.
    </p>
  )
}

function Pager({ page, state, visit }: PartProps & { readonly page: Page }) {
  const { before, after, entry, ...kept } = state
  const { newer, older, searchedTo } = page
  if (!newer && !older) return null
  const to = (cursor: { before?: string; after?: string }) => visit.links.list({ ...kept, ...cursor })
  return (
    <>
      {searchedTo && (
        <p class="note">
          Searched {after === undefined ? 'back' : 'up'} to {dayName(searchedTo)}, {clockTime(searchedTo)}.{' '}
          {older && after === undefined && <a href={to(older)}>Search further back</a>}
        </p>
      )}
      <nav class="pager" aria-label="Pages">
        {newer ? (
          <a class="btn" rel="prev" href={to(newer)}>
            ← Newer
          </a>
        ) : (
          <span />
        )}
        <p class="keys" hidden>
          <kbd>j</kbd> <kbd>k</kbd> move · <kbd>Enter</kbd> open · <kbd>Esc</kbd> close · <kbd>/</kbd> search
          <button class="link" type="button">
            switch keys off
          </button>
        </p>
        {older ? (
          <a class="btn" rel="next" href={to(older)}>
            Older →
          </a>
        ) : (
          <span />
        )}
      </nav>
    </>
  )
}

interface BesideProps extends PartProps {
  readonly entry: Entry | undefined
  readonly display: Display
  readonly neighbours: { readonly newer?: string; readonly older?: string } | undefined
}

function Beside({ entry, display, state, neighbours, visit }: BesideProps) {
  const { links } = visit
  const { entry: _, ...closed } = state
  const close = (
    <a class="close" href={links.list(closed)}>
      <span aria-hidden="true">×</span>
      <span class="label">Close</span>
    </a>
  )
  return (
    <aside class="beside" aria-label="Open entry">
      {close}
      {entry ? (
        <EntryDetail entry={entry} display={display} links={links} level={2}>
          <nav class="foot" aria-label="Next to it">
            {neighbours?.newer && <a href={links.list({ ...state, entry: neighbours.newer })}>← Newer entry</a>}
            {neighbours?.older && (
              <a class="end" href={links.list({ ...state, entry: neighbours.older })}>
                Older entry →
              </a>
            )}
          </nav>
        </EntryDetail>
      ) : (
        <div class="detail">
          <p class="note">There is no entry with this number.</p>
        </div>
      )}
    </aside>
  )
}

function FirstRun({ tracked }: { readonly tracked: readonly TrackedName[] }) {
  return (
    <div class="blank">
      <h2>Nothing has been recorded yet</h2>
      {tracked.length === 0 ? (
        <p>
          No table is tracked. Name one with <code>npx daybook track SCHEMA.TABLE</code>, or in{' '}
          <code>daybook.config.ts</code> and run <code>npx daybook sync</code>.
        </p>
      ) : (
        <>
          <p>
            The first change of a tracked table appears here as soon as it is committed.{' '}
            {tracked.length === 1 ? 'One table is tracked:' : `${tracked.length} tables are tracked:`}
          </p>
          <ul class="tracked">
            {tracked.map(({ model, table }) => (
              <li>
                <b>{model}</b> <span>{table}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  )
}

function NothingFound({ state, visit }: PartProps) {
  const { links } = visit
  return (
    <div class="blank">
      <h2>No entry matches</h2>
      <p>
        {isEmptyFilter(state.filter)
          ? 'There is nothing older.'
          : 'Every filter above must hold at once. Drop one of them with its ×, or look at a longer time.'}
      </p>
      <p>
        <a class="btn" href={links.list({ filter: {} })}>
          Show all entries
        </a>
      </p>
    </div>
  )
}
