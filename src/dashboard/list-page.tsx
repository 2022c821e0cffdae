import { byStatement, FOLDED_FROM, type StatementRun } from '../core/by-statement.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { KNOWN_ACTIONS } from '../core/event.ts'
import {
  type Filter,
  type FilterTerm,
  isEmptyFilter,
  needsSearch,
  termsOf,
  withoutTerm,
  writeActor,
} from '../core/filter.ts'
import { printQuery, printTerm } from '../core/query.ts'
import { actorName } from '../core/sentence.ts'
import type { Count, Page, TrackedName, Unattributed } from '../store/index.ts'
import { createCells } from './cells.ts'
import { ChoiceLists, type Choices } from './choices.tsx'
import { EntryDetail } from './entry-detail.tsx'
import { EntryList, type WholeStatement } from './entry-list.tsx'
import { Layout } from './layout.tsx'
import { type ListState, parseListState, queryOfDays } from './list-state.ts'
import { ForPrograms } from './programs.tsx'
import { Chips, type NameOf, QueryBox, QuickRanges } from './query-box.tsx'
import { clockTime, dayName } from './time.ts'
import type { Visit } from './visit.ts'

const PAGE_SIZE = 50

/** A page of fewer lines than this, as most of it was folded, goes on with what is older; so often at most. */
const ENOUGH_LINES = 20
const MORE_READS = 4

/** The list: newest first, filtered, with an entry beside it where the URL names one. */
export async function listPage(visit: Visit) {
  const { store, links, url } = visit
  const asked = queryOfDays(url.searchParams)
  if (asked !== undefined) return redirect(links.query(asked))
  const state = parseListState(url.searchParams)
  // The address that is kept and shared has the query in its one form.
  if (url.searchParams.has('q') && url.searchParams.get('q') !== printQuery(state.filter)) {
    return redirect(links.list(state))
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
  const culprits = isNothing(state, page) ? await culpritsOf(visit, state.filter) : []
  const display = await visit.displayOf([...page.entries.filter(tellsValues), ...(open ? [open] : [])])
  return (
    <Layout links={links} heading="Entries" title={visit.title} viewer={visit.viewer} filter={state.filter} script>
      {!isFirstRun && (
        <section class="find" aria-label="Search">
          <QueryBox text={printQuery(state.filter)} links={links} />
          <QuickRanges filter={state.filter} links={links} now={visit.now} />
          <Chips filter={state.filter} links={links} nameOf={namesIn(state.filter, page.entries, choices)} />
        </section>
      )}
      <main class={`body${isFirstRun ? ' first' : ''}${state.entry === undefined ? '' : ' open'}`} id="main">
        <h1 class="hidden">Entries</h1>
        {!isFirstRun && (
          <details class="side">
            <summary>Filters</summary>
            <ChoiceLists filter={state.filter} choices={choices} links={links} />
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
            <NothingFound culprits={culprits} visit={visit} />
          ) : (
            <EntryList
              entries={page.entries}
              display={display}
              now={visit.now}
              selected={state.entry}
              statements={statements}
              cellOf={createCells(state.filter, links)}
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

/** How people and objects are called on a page, by what a query asks for them. */
function namesIn({ model = [] }: Filter, entries: readonly Entry[], { actors }: Choices): NameOf {
  const names = new Map<string, string>()
  for (const actor of [...entries, ...actors].reverse()) names.set(`actor ${writeActor(actor)}`, actorName(actor))
  // Of other models, another object can have the same key; and what was tried in vain may name it as a stranger typed it.
  const objects = entries.filter(({ outcome }) => model.length === 1 && outcome === 'success').reverse()
  for (const { objectId, objectLabel } of objects) if (objectLabel) names.set(`objectId ${objectId}`, objectLabel)
  return ({ key, value }) => names.get(`${key} ${value}`)
}

/** The sentence of what came or went only counts its values. */
function tellsValues({ action }: Entry): boolean {
  return action !== 'create' && action !== 'delete'
}

function redirect(location: string): Response {
  return new Response(null, { status: 303, headers: { location } })
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
          <kbd>j</kbd> <kbd>k</kbd> move · <kbd>Enter</kbd> open · <kbd>Esc</kbd> close · <kbd>/</kbd> query ·{' '}
          <kbd>f</kbd> value: <kbd>Enter</kbd> filters, <kbd>Shift</kbd>+<kbd>Enter</kbd> excludes
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
        <EntryDetail entry={entry} display={display} links={links} level={2} cellOf={createCells(state.filter, links)}>
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

/** A part of a query without which there are entries, or were it not for others. */
interface Culprit {
  readonly terms: readonly FilterTerm[]
  readonly rest: Filter
  readonly count: Count
}

/** So many parts are looked at, and so many entries without one are counted. */
const MAX_CULPRITS = 8
const MAX_WITHOUT = 1000

function isNothing({ filter, before, after }: ListState, { entries, searchedTo }: Page): boolean {
  return entries.length === 0 && !searchedTo && before === undefined && after === undefined && !isEmptyFilter(filter)
}

/** How many entries there are without each part of a query. What is asked for by one key goes together: each value of it only adds. */
async function culpritsOf({ store }: Visit, filter: Filter): Promise<readonly Culprit[]> {
  const terms = termsOf(filter)
  const parts = terms.filter(
    (term, index) =>
      term.excluded || term.key === 'text' || terms.findIndex((other) => isAsked(other, term.key)) === index,
  )
  const culprits: Culprit[] = []
  for (const term of parts.slice(0, MAX_CULPRITS)) {
    const isWhole = !term.excluded && term.key !== 'text'
    const together = isWhole ? terms.filter((other) => isAsked(other, term.key)) : [term]
    const rest = together.reduce(withoutTerm, filter)
    culprits.push({ terms: together, rest, count: await store.count(rest, { atMost: MAX_WITHOUT }) })
  }
  return culprits
}

function isAsked({ key, excluded }: FilterTerm, of: FilterTerm['key']): boolean {
  return key === of && !excluded
}

function wordsOf(parts: number, telling: number): string {
  if (parts === 1) return 'No entry of the log has this.'
  return telling === 1 ? 'Without this part there are entries:' : 'There are entries without any one of these parts:'
}

function NothingFound({ culprits, visit }: Pick<PartProps, 'visit'> & { readonly culprits: readonly Culprit[] }) {
  const { links } = visit
  const telling = culprits.filter(({ count }) => count.count > 0)
  return (
    <div class="blank">
      <h2>No entry matches</h2>
      {telling.length > 0 && (
        <>
          <p>{wordsOf(culprits.length, telling.length)}</p>
          <ul class="culprits">
            {telling.map(({ terms, rest, count }) => (
              <li>
                <code>{terms.map(printTerm).join(' ')}</code>
                <a class="btn" href={links.list({ filter: rest })}>
                  Drop it: {count.count.toLocaleString('en-US')}
                  {count.orMore && '+'} {count.count === 1 && !count.orMore ? 'entry' : 'entries'}
                </a>
              </li>
            ))}
          </ul>
        </>
      )}
      {telling.length === 0 && (
        <p>
          {culprits.length === 0
            ? 'There is nothing older.'
            : 'No single part is the reason: also without one of them nothing is left. Drop several, or look at a longer time.'}
        </p>
      )}
      <p>
        <a class="btn" href={links.list({ filter: {} })}>
          Show all entries
        </a>
      </p>
    </div>
  )
}
