import { z } from 'zod'
import { ACTOR_TYPES } from '../core/context.ts'
import { OUTCOMES } from '../core/event.ts'

/** What answers consist of; each is a component of the OpenAPI document under its name. */
const COMPONENTS = z.registry<{ id: string; description: string }>()

const id = z.string().regex(/^\d+$/)
const text = z.string().nullable()
const time = z.iso.datetime({ precision: 3 })
const link = z.string().nullable()

const Party = z.object({ type: z.string().optional(), id: z.string().optional(), label: z.string().optional() })

const EntryContext = z.object({
  user_agent: z.string().optional(),
  route: z.string().optional(),
  reason: z.string().optional(),
  on_behalf_of: Party.optional().describe('In whose name the actor acted.'),
  extra: z.unknown().optional().describe('What the application added.'),
  database: z
    .object({ address: z.string().optional(), application: z.string().optional(), role: z.string().optional() })
    .optional()
    .describe('What the database saw for itself.'),
  rows: z.number().optional(),
  rows_estimated: z.boolean().optional(),
  duration_ms: z.number().optional(),
})

const Entry = z
  .object({
    id: id.describe('Later entries have higher numbers. A 64-bit number, as text.'),
    recorded_at: time.describe('UTC.'),
    transaction_id: text,
    statement_id: id.describe('The first entry of the same statement.'),
    action: z.string(),
    outcome: z.enum(OUTCOMES),
    actor_type: z.enum([...ACTOR_TYPES, 'unknown']),
    actor_id: text,
    actor_label: text.describe('As the actor was called then.'),
    ip_address: text,
    request_id: text,
    tenant_id: text,
    model: text,
    table_name: text,
    object_id: text.describe('The key as text; a JSON array of texts for a key of several columns.'),
    object_label: text,
    previous_object_id: text.describe('The key before, where the change moved the object to another one.'),
    related_model: text,
    related_id: text,
    related_label: text,
    changes: z
      .record(z.string(), z.tuple([z.unknown(), z.unknown()]))
      .describe('Field to old and new value. Numbers have the digits that were recorded.'),
    changed_fields: z.array(z.string()),
    database_user: z.string().describe('Who was signed in at the database, as the database saw it.'),
    context: EntryContext,
    sentence: z
      .string()
      .describe('What happened in words, with the names of then. For people: the wording may change.'),
  })
  .register(COMPONENTS, {
    id: 'Entry',
    description: 'One line of the log, with the columns of the view daybook.entries.',
  })

const Count = z
  .object({
    count: z.int().min(0),
    or_more: z.boolean().describe('The counting stopped at its bound: there are that many, and maybe more.'),
  })
  .register(COMPONENTS, { id: 'Count', description: 'How many entries a filter has.' })

const page = {
  entries: z.array(Entry).describe('Newest first.'),
  newer: link.describe('The address of the page of newer entries; null where this is the newest.'),
  older: link.describe('The address of the page of older entries; null where there are none.'),
}

export const EntryPage = z
  .object({
    ...page,
    searched_to: time
      .nullable()
      .describe('A filter without index was searched to this time and gave up for now: "older" (or "newer") goes on.'),
    count: Count.nullable().describe('Null where it was not asked for.'),
  })
  .register(COMPONENTS, { id: 'EntryPage', description: 'One page of the entries of a filter.' })

export const OneEntry = z
  .object({
    entry: Entry,
    newer: link.describe('The address of the entry after it.'),
    older: link.describe('The address of the entry before it.'),
  })
  .register(COMPONENTS, { id: 'OneEntry', description: 'One entry, and the way to those beside it.' })

export const Timeline = z
  .object({ model: z.string(), object_id: z.string(), object_label: text, deleted: z.boolean(), ...page })
  .register(COMPONENTS, {
    id: 'Timeline',
    description:
      'One page of what happened to one object, under its earlier keys too. Empty where nothing is on record.',
  })

export const ExportDescription = z
  .object({
    href: z.string().describe('Where the file is.'),
    format: z.literal('csv'),
    columns: z.array(z.string()),
    time_zone: z.literal('UTC'),
    filter: z.string().describe('The query in its one form.'),
    count: Count,
    allowed: z.boolean().describe('False where nothing can be recorded, and so nothing exported.'),
  })
  .register(COMPONENTS, { id: 'ExportDescription', description: 'What an export of a filter would hold.' })

export const Problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string().describe('What the status says.'),
    status: z.int(),
    code: z.string().describe('Stable, such as invalid_filter, not_found, unauthenticated, forbidden: test for this.'),
    detail: z.string(),
    parameter: z.string().optional().describe('The parameter that is wrong, where it is one.'),
    start: z.int().min(0).optional().describe('Where the query is wrong, where it is: its first UTF-16 unit that is.'),
    end: z.int().min(0).optional().describe('The unit after the last one that is wrong.'),
  })
  .register(COMPONENTS, { id: 'Problem', description: 'Why there is no answer (RFC 9457).' })

export const Document = z
  .looseObject({ openapi: z.literal('3.1.0'), info: z.looseObject({}), paths: z.looseObject({}) })
  .register(COMPONENTS, { id: 'Document', description: 'An OpenAPI document.' })

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** The components as JSON Schemas, by their names. What is there may get company later, so that nothing is said of other members. */
export function componentSchemas(): Readonly<Record<string, JsonSchema>> {
  const { schemas } = z.toJSONSchema(COMPONENTS, {
    uri: referenceTo,
    override: ({ jsonSchema }) => {
      if (jsonSchema.properties && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
    },
  })
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema, $id, id, ...schema }]) => [name, schema as JsonSchema]),
  )
}

/** The component of an answer, as the document refers to it. */
export function referenceOf(schema: z.ZodType): JsonSchema {
  const { id = '' } = COMPONENTS.get(schema) ?? {}
  return { $ref: referenceTo(id) }
}

function referenceTo(id: string): string {
  return `#/components/schemas/${id}`
}
