import { z } from 'zod'
import { DaybookError } from './errors.ts'
import type { Tables } from './table.ts'

/** What `daybook.config.ts` exports by default. Every part may be left out and given on the command line. */
export interface DaybookConfig {
  /** `postgres://…`, or `pglite:FOLDER` for an embedded database. The environment's `DATABASE_URL` comes before it. */
  readonly databaseUrl?: string
  /** What is captured. `daybook sync` makes the database follow it. */
  readonly tables?: Tables
  /** Roles of the application: `daybook init` lets them record events. They must exist. */
  readonly applicationRoles?: readonly string[]
  /** Roles that may read the log. They must exist. */
  readonly readerRoles?: readonly string[]
}

/** Gives the configuration back as it is; for the editor, which then knows its shape. */
export function defineConfig(config: DaybookConfig): DaybookConfig {
  return config
}

const strings = z.array(z.string().min(1))

const permission = z.strictObject({ to: z.string().min(1), grants: z.string().min(1) })
const link = z.strictObject({ from: z.string().min(1), to: z.string().min(1) })
const fieldOptions = z.strictObject({
  label: z.string().min(1).optional(),
  choices: z.record(z.string(), z.string().min(1)).optional(),
  references: z.string().min(1).optional(),
})

const tableOptions = z.strictObject({
  model: z.string().min(1).optional(),
  label: z.union([z.string().min(1), strings], { error: 'expected a column, or an array of columns' }).optional(),
  include: strings.optional(),
  exclude: strings.optional(),
  mask: strings.optional(),
  unmask: strings.optional(),
  truncate: z.enum(['record', 'refuse']).optional(),
  permission: permission.optional(),
  link: link.optional(),
  permissionColumns: strings.optional(),
  fields: z.record(z.string().min(1), fieldOptions).optional(),
})

const config = z.strictObject({
  databaseUrl: z.string().min(1).optional(),
  tables: z.record(z.string().min(1), tableOptions).optional(),
  applicationRoles: strings.optional(),
  readerRoles: strings.optional(),
})

/**
 * Checks what a configuration file exports.
 * @throws DaybookError `invalid_option`, naming the part and what it must be; never a value.
 */
export function checkConfig(given: unknown, file: string): DaybookConfig {
  const checked = config.safeParse(given)
  if (checked.success) return checked.data as DaybookConfig
  const [issue] = checked.error.issues
  throw new DaybookError('invalid_option', `${file}: ${issue ? describe(issue) : 'it is malformed'}.`, {
    details: { file, part: issue?.path.map(String) ?? [] },
  })
}

/** The objects of a configuration: by their name inside of a table's options, else by how deep they stand. */
const SHAPES: Readonly<Record<string, { readonly shape: object }>> = {
  0: config,
  2: tableOptions,
  permission,
  link,
  fields: fieldOptions,
}

function describe(issue: z.core.$ZodIssue): string {
  const part = issue.path.length === 0 ? '' : `${partName(issue.path)}: `
  if (issue.code !== 'unrecognized_keys') return `${part}${issue.message.replace(/^Invalid input: /, '')}`
  const known = SHAPES[String(issue.path[2] ?? issue.path.length)]?.shape ?? {}
  return `${part}there is no option "${issue.keys[0]}". The options are ${Object.keys(known).join(', ')}`
}

/** `tables["public.invoice"].label`, as one would write it. */
function partName(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`
      const name = String(part)
      if (!/^\w+$/.test(name)) return `[${JSON.stringify(name)}]`
      return index === 0 ? name : `.${name}`
    })
    .join('')
}
