import type { z } from 'zod'
import { parseCursor } from '../core/cursor.ts'
import type { Entry } from '../core/entry.ts'
import { entryColumns } from '../core/entry-json.ts'
import { DaybookError } from '../core/errors.ts'
import type { Filter } from '../core/filter.ts'
import { printQuery } from '../core/query.ts'
import { describeEntry, sentenceText } from '../core/sentence.ts'
import { CSV_COLUMNS } from '../export/csv.ts'
import { Document, EntryPage, ExportDescription, type JsonSchema, OneEntry, Timeline } from './api-schemas.ts'
import { findEntry } from './entry-page.tsx'
import { parseFilter } from './list-state.ts'
import { createOpenApi } from './openapi.ts'
import { isDeleted, labelOf, parseObject } from './timeline-page.tsx'
import type { Visit } from './visit.ts'

/** A parameter of the query, or of the path where `in` says so. */
export interface ApiParameter {
  readonly name: string
  readonly description: string
  readonly in?: 'path'
  readonly required?: true
  /** One value; an array of them can be given several times. */
  readonly schema: JsonSchema
}

/** One address of the JSON API: the twin of a page. */
export interface ApiRoute {
  readonly path: string
  /** What generated clients call it. */
  readonly operation: string
  readonly summary: string
  readonly parameters: readonly ApiParameter[]
  readonly answer: z.ZodType
  /** The answer, before it is written. */
  readonly read: (visit: Visit, params: Readonly<Record<string, string>>) => Promise<unknown>
}

const PAGE_SIZE = 50
const MAX_PAGE_SIZE = 200

const ID: JsonSchema = { type: 'string', pattern: '^[1-9][0-9]*$' }

const QUERY: ApiParameter = {
  name: 'q',
  description: 'which entries, as the box of the list takes it: actor:ada -action:login at:-24h..',
  schema: { type: 'string' },
}

const PAGING: readonly ApiParameter[] = [
  { name: 'before', description: 'only entries older than this one', schema: ID },
  { name: 'after', description: 'only entries newer than this one', schema: ID },
  {
    name: 'limit',
    description: 'entries at most',
    schema: { type: 'integer', minimum: 1, maximum: MAX_PAGE_SIZE, default: PAGE_SIZE },
  },
]

const COUNT: ApiParameter = {
  name: 'count',
  description: 'count the entries of the filter: up to 10,000, or all of them, which can take seconds',
  schema: { type: 'string', enum: ['bounded', 'exactly'] },
}

/** Every address, as the OpenAPI document has it. All of them only read. */
export const API_ROUTES: readonly ApiRoute[] = [
  {
    path: '/entries.json',
    operation: 'listEntries',
    summary: 'The entries of a filter, newest first',
    parameters: [QUERY, ...PAGING, COUNT],
    answer: EntryPage,
    read: readList,
  },
  {
    path: '/entries/{id}.json',
    operation: 'getEntry',
    summary: 'One entry',
    parameters: [{ name: 'id', description: 'its number', in: 'path', required: true, schema: ID }],
    answer: OneEntry,
    read: readEntry,
  },
  {
    path: '/objects.json',
    operation: 'getTimeline',
    summary: 'Everything that happened to one object, newest first',
    parameters: [
      { name: 'model', description: 'its model', required: true, schema: { type: 'string', minLength: 1 } },
      { name: 'id', description: 'its key', required: true, schema: { type: 'string' } },
      ...PAGING,
    ],
    answer: Timeline,
    read: readTimeline,
  },
  {
    path: '/export.json',
    operation: 'describeExport',
    summary: 'What an export of a filter would hold',
    parameters: [QUERY, { ...COUNT, schema: { type: 'string', enum: ['exactly'] } }],
    answer: ExportDescription,
    read: describeExport,
  },
  {
    path: '/openapi.json',
    operation: 'getDocument',
    summary: 'This document',
    parameters: [],
    answer: Document,
    read: async ({ api }) => createOpenApi(API_ROUTES, api.prefix),
  },
]

/** Whether a path below the prefix is one of the API's, or would be if there were such: errors there are for programs. */
export function isApiPath(path: string): boolean {
  return /^\/(entries\/)?[^/]*\.json$/.test(path)
}

/**
 * Refuses a parameter that an address doesn't have.
 * @throws DaybookError `invalid_filter`
 */
export function checkParameters(route: ApiRoute, given: URLSearchParams): void {
  const known = route.parameters.filter((parameter) => parameter.in !== 'path')
  const names = known.map(({ name }) => name)
  for (const name of given.keys()) {
    if (!names.includes(name)) throw invalid(name, `is not known here. There are: ${names.join(', ') || 'none'}`)
  }
  for (const { name, schema } of known) {
    if (schema.type !== 'array' && given.getAll(name).length > 1) throw invalid(name, 'can be given once')
  }
}

async function readList(visit: Visit) {
  const { store, url, api } = visit
  const { searchParams: params } = url
  const filter = parseFilter(params, ['before', 'after', 'limit', 'count'])
  const limit = readLimit(params)
  const [page, count] = await Promise.all([
    store.page({ filter, ...parseCursor(params), limit }),
    countFor(visit, filter, readCount(params, ['bounded', 'exactly'])),
  ])
  return {
    entries: await entriesOf(visit, page.entries),
    newer: page.newer ? api.entries(url, page.newer) : null,
    older: page.older ? api.entries(url, page.older) : null,
    searched_to: page.searchedTo?.toISOString() ?? null,
    count: count ?? null,
  }
}

async function readEntry(visit: Visit, params: Readonly<Record<string, string>>) {
  const { store, api } = visit
  const entry = await findEntry(visit, params.id ?? '')
  const [{ newer, older }, [shown]] = await Promise.all([store.neighbours(entry.id), entriesOf(visit, [entry])])
  return { entry: shown, newer: newer ? api.entry(newer) : null, older: older ? api.entry(older) : null }
}

async function readTimeline(visit: Visit) {
  const { store, url, api } = visit
  const { searchParams: params } = url
  const { model, objectId } = parseObject({}, params)
  const page = await store.timeline({ model, objectId, ...parseCursor(params), limit: readLimit(params) })
  return {
    model,
    object_id: objectId,
    object_label: labelOf(page.entries, model),
    deleted: isDeleted(page, objectId),
    entries: await entriesOf(visit, page.entries),
    newer: page.newer ? api.objects(url, page.newer) : null,
    older: page.older ? api.objects(url, page.older) : null,
  }
}

async function describeExport(visit: Visit) {
  const { url, links, recordAs } = visit
  const filter = parseFilter(url.searchParams, ['count'])
  return {
    href: links.exportCsv(filter),
    format: 'csv',
    columns: CSV_COLUMNS,
    time_zone: 'UTC',
    filter: printQuery(filter),
    count: await countFor(visit, filter, readCount(url.searchParams, ['exactly']) ?? 'bounded'),
    allowed: recordAs !== null,
  }
}

async function countFor({ store }: Visit, filter: Filter, how: string | undefined) {
  if (how === undefined) return undefined
  const { count, orMore } =
    how === 'exactly' ? { count: await store.countExactly(filter), orMore: false } : await store.count(filter)
  return { count, or_more: orMore }
}

/** Entries with the columns of the view, and each with its sentence. */
async function entriesOf(visit: Visit, entries: readonly Entry[]) {
  const display = await visit.displayOf(entries)
  return entries.map((entry) => ({ ...entryColumns(entry), sentence: sentenceText(describeEntry(entry, display)) }))
}

function readLimit(params: URLSearchParams): number {
  const given = params.get('limit')
  if (given === null) return PAGE_SIZE
  if (/^[1-9]\d{0,2}$/.test(given) && Number(given) <= MAX_PAGE_SIZE) return Number(given)
  throw invalid('limit', `must be a whole number from 1 to ${MAX_PAGE_SIZE}`)
}

function readCount(params: URLSearchParams, ways: readonly string[]): string | undefined {
  const given = params.get('count') ?? undefined
  if (given === undefined || ways.includes(given)) return given
  throw invalid('count', `must be ${ways.join(' or ')}, or be left out`)
}

function invalid(parameter: string, reason: string): DaybookError {
  return new DaybookError('invalid_filter', `"${printable(parameter)}" ${reason}.`, { details: { parameter, reason } })
}

/** A name comes from outside: for a message it is cut, and what is not printable replaced. */
function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 40)
}
