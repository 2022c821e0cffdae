import { cutAroundDifference, cutText, fieldChanges } from './changes.ts'
import { type Display, PLAIN_DISPLAY } from './display.ts'
import { type Entry, isValueMarker, type JsonValue } from './entry.ts'
import { isExactNumber } from './exact-json.ts'
import type { ShownValue } from './shown-value.ts'

/** What an action is, for its colour. */
export type Tone = 'create' | 'update' | 'delete' | 'auth' | 'permission' | 'neutral'

/** One part of a sentence. All of it is text: nothing in it is markup. `recorded` is what the log holds where people call it otherwise. */
export type SentencePart =
  | { readonly kind: 'text' | 'actor' | 'object' | 'note'; readonly text: string }
  | { readonly kind: 'verb'; readonly text: string; readonly tone: Tone }
  | { readonly kind: 'field'; readonly text: string; readonly recorded?: string }
  | {
      readonly kind: 'old' | 'new'
      readonly text: string
      readonly value: ShownValue['kind']
      readonly recorded?: string
    }

/** Stands behind a key by which the log knows no object. */
export const NOT_IN_THE_LOG = 'not in the log'

/** Longest value that a sentence shows; a longer one is cut around the first difference. */
const MAX_VALUE_LENGTH = 40
const MAX_NAME_LENGTH = 120

interface Verb {
  readonly past: string
  readonly infinitive: string
  readonly tone: Tone
  /** What the action is called in a list, where that is not `past`. */
  readonly name?: string
}

const VERBS: Readonly<Record<string, Verb>> = {
  create: { past: 'created', infinitive: 'create', tone: 'create' },
  update: { past: 'changed', infinitive: 'change', tone: 'update' },
  delete: { past: 'deleted', infinitive: 'delete', tone: 'delete' },
  truncate: { past: 'emptied', infinitive: 'empty', tone: 'delete' },
  purge: { past: 'purged', infinitive: 'purge', tone: 'delete' },
  login: { past: 'signed in', infinitive: 'sign in', tone: 'auth' },
  logout: { past: 'signed out', infinitive: 'sign out', tone: 'auth' },
  password_changed: { past: 'changed the password', infinitive: 'change the password', tone: 'auth' },
  impersonation_started: { past: 'began to act as', infinitive: 'act as', tone: 'auth', name: 'Impersonation began' },
  impersonation_ended: {
    past: 'ceased to act as',
    infinitive: 'cease to act as',
    tone: 'auth',
    name: 'Impersonation ended',
  },
  'user.banned': { past: 'banned', infinitive: 'ban', tone: 'permission' },
  'user.unbanned': { past: 'lifted the ban of', infinitive: 'lift the ban of', tone: 'permission', name: 'Ban lifted' },
  linked: { past: 'linked', infinitive: 'link', tone: 'permission' },
  unlinked: { past: 'unlinked', infinitive: 'unlink', tone: 'permission' },
  permission_granted: { past: 'granted', infinitive: 'grant', tone: 'permission' },
  permission_revoked: { past: 'revoked', infinitive: 'revoke', tone: 'permission' },
  export: { past: 'exported', infinitive: 'export', tone: 'neutral' },
  view: { past: 'viewed', infinitive: 'view', tone: 'neutral' },
  'capture.tracked': { past: 'started', infinitive: 'start', tone: 'neutral', name: 'Tracking started' },
  'capture.changed': { past: 'changed', infinitive: 'change', tone: 'neutral', name: 'Tracking changed' },
  'capture.untracked': { past: 'stopped', infinitive: 'stop', tone: 'delete', name: 'Tracking ended' },
  'capture.paused': { past: 'paused', infinitive: 'pause', tone: 'delete', name: 'Tracking paused' },
  'capture.resumed': { past: 'resumed', infinitive: 'resume', tone: 'neutral', name: 'Tracking resumed' },
  baseline: { past: 'was there when tracking began', infinitive: 'be there', tone: 'create', name: 'Was there before' },
}

/** What an action is, for its colour. */
export function toneOf(action: string): Tone {
  return Object.hasOwn(VERBS, action) ? (VERBS[action]?.tone ?? 'neutral') : 'neutral'
}

/** An action in a word or two, as a choice in a list: `Changed`, `Signed in`, `Invoice approved`. */
export function actionName(action: string): string {
  const verb = Object.hasOwn(VERBS, action) ? VERBS[action] : undefined
  const words = verb?.name ?? verb?.past ?? action.replace(/[._]/g, ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** An entry as a sentence that needs no knowledge of databases, such as "ada@example.com changed status from open to paid on Invoice 2024-0117". */
export function describeEntry(entry: Entry, display: Display = PLAIN_DISPLAY): readonly SentencePart[] {
  if (entry.action === 'login' && entry.outcome !== 'success') return failedSignIn(entry)
  if (entry.action === 'baseline') return [...what(entry).slice(1), ...related(entry), text(' '), wasThere('was')]
  return [...actor(entry), text(' '), ...deed(entry, display)]
}

/**
 * What one statement did to many objects, as one sentence: "nightly-prices changed price on 1,204 Products".
 * `count` says how many there are where these are not all. Undefined where the entries are no creates, updates, deletes or baselines of one model, nor links of one object.
 */
export function describeStatement(
  entries: readonly [Entry, ...Entry[]],
  count = entries.length.toLocaleString('en-US'),
  display: Display = PLAIN_DISPLAY,
): readonly SentencePart[] | undefined {
  const [first] = entries
  if (LINK_ACTIONS.includes(first.action)) return describeLinks(entries, count)
  const verb = ROW_ACTIONS.includes(first.action) ? VERBS[first.action] : undefined
  if (!verb || first.model === null || first.outcome !== 'success') return undefined
  if (entries.some((entry) => entry.action !== first.action || entry.model !== first.model)) return undefined
  const fields = [...new Set(entries.flatMap((entry) => entry.changedFields))]
  const [field] = fields
  const changed: SentencePart[] =
    first.action === 'update' && field !== undefined
      ? [
          text(' '),
          fieldPart(first, field, display),
          text(`${fields.length > 1 ? ` and ${fields.length - 1} more` : ''} on`),
        ]
      : []
  const objects: SentencePart = { kind: 'object', text: `${count} ${pluralName(first.model)}` }
  if (first.action === 'baseline') return [objects, text(' '), wasThere('were')]
  return [
    ...actor(first),
    text(' '),
    { kind: 'verb', text: verb.past, tone: verb.tone },
    ...changed,
    text(' '),
    objects,
  ]
}

/** Links that one statement made or took, where they have one side in common: "ada@example.com unlinked 20 Tags from Invoice 2024-0117". */
function describeLinks(entries: readonly [Entry, ...Entry[]], count: string): readonly SentencePart[] | undefined {
  const [first] = entries
  const isSame = (part: (entry: Entry) => unknown) => entries.every((entry) => part(entry) === part(first))
  const { model, relatedModel } = first
  if (model === null || relatedModel === null || !VERBS[first.action] || first.outcome !== 'success') return undefined
  if (!isSame(({ action }) => action) || !isSame((entry) => entry.model) || !isSame((entry) => entry.relatedModel)) {
    return undefined
  }
  const isOneObject = first.objectId !== null && isSame(({ objectId }) => objectId)
  const isOneOther = first.relatedId !== null && isSame(({ relatedId }) => relatedId)
  if (!isOneObject && !isOneOther) return undefined
  const { past, tone } = VERBS[first.action] as Verb
  const given = isOneObject
    ? `${count} ${pluralName(relatedModel)}`
    : nameOf(relatedModel, first.relatedId, first.relatedLabel)
  const holder = isOneObject ? objectName(first) : `${count} ${pluralName(model)}`
  return [
    ...actor(first),
    text(' '),
    { kind: 'verb', text: past, tone },
    text(' '),
    { kind: 'object', text: given ?? relatedModel },
    text(TAKING.includes(first.action) ? ' from ' : ' to '),
    { kind: 'object', text: holder ?? model },
  ]
}

const LINK_ACTIONS = ['linked', 'unlinked', 'permission_granted', 'permission_revoked']
const TAKING = ['unlinked', 'permission_revoked']

const ROW_ACTIONS = ['create', 'update', 'delete', 'baseline']

/** Of a baseline: nobody did anything. */
function wasThere(form: 'was' | 'were'): SentencePart {
  return { kind: 'verb', text: `${form} there when tracking began`, tone: 'create' }
}

function pluralName(model: string): string {
  if (/[^aeiou]y$/i.test(model)) return `${model.slice(0, -1)}ies`
  return /(s|x|z|ch|sh)$/i.test(model) ? `${model}es` : `${model}s`
}

/** A sentence as plain text. */
export function sentenceText(parts: readonly SentencePart[]): string {
  return parts.map((part) => part.text).join('')
}

/** How an entry's object is called: its label, else its key; undefined where it has none. */
export function objectName(entry: Pick<Entry, 'model' | 'objectId' | 'objectLabel'>): string | undefined {
  return nameOf(entry.model, entry.objectId, entry.objectLabel)
}

/** How an entry's actor is called. */
export function actorName(entry: Pick<Entry, 'actorType' | 'actorId' | 'actorLabel'>): string {
  if (entry.actorLabel) return cutText(entry.actorLabel, MAX_NAME_LENGTH)
  if (entry.actorId) return cutText(`${entry.actorType} ${entry.actorId}`, MAX_NAME_LENGTH)
  return entry.actorType === 'anonymous'
    ? 'Somebody not signed in'
    : `Unknown ${entry.actorType === 'unknown' ? 'actor' : entry.actorType}`
}

function text(content: string): SentencePart {
  return { kind: 'text', text: content }
}

function actor(entry: Entry): SentencePart[] {
  const name: SentencePart = { kind: 'actor', text: actorName(entry) }
  const other = entry.context.onBehalfOf
  const otherName = other?.label ?? other?.id
  if (!otherName) return [name]
  return [name, text(' in the name of '), { kind: 'actor', text: cutText(String(otherName), MAX_NAME_LENGTH) }]
}

function failedSignIn(entry: Entry): SentencePart[] {
  const verb: SentencePart = {
    kind: 'verb',
    text: entry.outcome === 'denied' ? 'Sign-in refused' : 'Sign-in failed',
    tone: 'auth',
  }
  const name = entry.objectLabel ?? entry.objectId ?? entry.actorLabel
  return name ? [verb, text(' for '), { kind: 'object', text: cutText(name, MAX_NAME_LENGTH) }] : [verb]
}

function deed(entry: Entry, display: Display): SentencePart[] {
  const verb = Object.hasOwn(VERBS, entry.action) ? VERBS[entry.action] : undefined
  if (!verb) return [...ownEvent(entry), ...ending(entry)]
  const [lead, form] =
    entry.outcome === 'success'
      ? ['', verb.past]
      : entry.outcome === 'denied'
        ? ['was not allowed to ', verb.infinitive]
        : ['failed to ', verb.infinitive]
  const said: SentencePart = { kind: 'verb', text: form, tone: verb.tone }
  return [...(lead ? [text(lead)] : []), said, ...complement(entry, display)]
}

/** What follows the verb. */
function complement(entry: Entry, display: Display): SentencePart[] {
  switch (entry.action) {
    case 'create':
      return [...what(entry), ...withValues(entry)]
    case 'update':
      return update(entry, display)
    case 'truncate':
      return [text(' '), { kind: 'object', text: entry.model ?? entry.tableName ?? 'a table' }, ...rows(entry)]
    case 'login':
    case 'logout':
      return isSelf(entry) ? [] : [text(' as'), ...what(entry)]
    case 'password_changed':
      return isSelf(entry) ? [] : [text(' of'), ...what(entry)]
    case 'permission_granted':
      return permission(entry, ' to', display)
    case 'permission_revoked':
      return permission(entry, ' from', display)
    case 'linked':
      return link(entry, ' to')
    case 'unlinked':
      return link(entry, ' from')
    case 'export':
      return exported(entry)
    case 'capture.tracked':
    case 'capture.untracked':
    case 'capture.paused':
    case 'capture.resumed':
      return [text(' tracking '), trackedTable(entry), ...afterPause(entry)]
    case 'capture.changed':
      return [
        text(' what is recorded of '),
        trackedTable(entry),
        text(`: ${entry.changedFields.join(', ').replace(/_/g, ' ')}`),
      ]
    default:
      return [...what(entry), ...related(entry)]
  }
}

function what(entry: Entry): SentencePart[] {
  const name = objectName(entry)
  return name === undefined ? [] : [text(' '), { kind: 'object', text: name }]
}

function related(entry: Entry): SentencePart[] {
  const name = nameOf(entry.relatedModel, entry.relatedId, entry.relatedLabel)
  return name === undefined ? [] : [text(' with '), { kind: 'object', text: name }]
}

function withValues(entry: Entry): SentencePart[] {
  const count = Object.keys(entry.changes).length
  return count === 0 ? [] : [text(` with ${counted(count, 'value')}`)]
}

function rows(entry: Entry): SentencePart[] {
  const { rows, rowsEstimated } = entry.context
  return rows === undefined ? [] : [text(` of ${rowsEstimated ? 'about ' : ''}${counted(rows, 'row')}`)]
}

function permission(entry: Entry, preposition: string, display: Display): SentencePart[] {
  const holder = sideOf(entry.objectLabel ? null : entry.model, entry.objectId, entry.objectLabel) ?? entry.model
  return [
    text(' '),
    ...given(entry, display),
    ...(holder === null ? [] : [text(`${preposition} `), { kind: 'object', text: holder } as const]),
  ]
}

/** What was granted or revoked: the object on the other side, or the flag that changed. */
function given(entry: Entry, display: Display): SentencePart[] {
  const { relatedModel, relatedId, relatedLabel } = entry
  const other = sideOf(relatedLabel ? null : relatedModel, relatedId, relatedLabel) ?? relatedModel
  if (other !== null) return [{ kind: 'object', text: other }]
  const fields = Object.keys(entry.changes)
  const field = fields.find((name) => entry.changes[name]?.some((value) => typeof value === 'boolean')) ?? fields[0]
  if (field === undefined) return [{ kind: 'object', text: 'a permission' }]
  return [
    fieldPart(entry, field, display),
    ...level(entry, field, display),
    ...(fields.length > 1 ? [text(` and ${fields.length - 1} more`)] : []),
  ]
}

/** The level that a flag was raised to or taken back from; of a flag that is on or off, nothing. */
function level(entry: Entry, field: string, display: Display): SentencePart[] {
  const side = entry.action === 'permission_granted' ? 'new' : 'old'
  const value = entry.changes[field]?.[side === 'new' ? 1 : 0]
  if (value === undefined || typeof value === 'boolean' || !isScalar(value)) return []
  const shown = display.value(entry, field, value)
  return [text(' '), ...valuePart(side, { ...shown, text: cutText(shown.text, MAX_VALUE_LENGTH) })]
}

function link(entry: Entry, preposition: string): SentencePart[] {
  const one = sideOf(entry.relatedModel, entry.relatedId, entry.relatedLabel)
  const other = sideOf(entry.model, entry.objectId, entry.objectLabel)
  return [
    ...(one === undefined ? [] : [text(' '), { kind: 'object', text: one } as const]),
    ...(other === undefined ? [] : [text(`${preposition} `), { kind: 'object', text: other } as const]),
  ]
}

/** One side of a link; undefined where it leads nowhere. */
function sideOf(model: string | null, id: string | null, label: string | null): string | undefined {
  return id === null && label === null ? undefined : nameOf(model, id, label)
}

function trackedTable(entry: Entry): SentencePart {
  return { kind: 'object', text: cutText(entry.model ?? entry.tableName ?? 'a table', MAX_NAME_LENGTH) }
}

/** How long changes went unrecorded, and of how many rows. */
function afterPause({ context: { durationMs, rows } }: Entry): SentencePart[] {
  if (durationMs === undefined) return []
  const seconds = durationMs / 1000
  const time = `${seconds.toLocaleString('en-US', { maximumFractionDigits: seconds < 10 ? 1 : 0 })} s`
  return [text(` after ${time}${rows === undefined ? '' : ` and ${counted(rows, 'unrecorded change')}`}`)]
}

function exported(entry: Entry): SentencePart[] {
  const { extra } = entry.context
  const details = typeof extra === 'object' && extra !== null ? (extra as { readonly [key: string]: JsonValue }) : {}
  const count = typeof details.count === 'number' ? ` ${counted(details.count, 'entry', 'entries')}` : ''
  const format = typeof details.format === 'string' ? ` as ${cutText(details.format.toUpperCase(), 12)}` : ''
  const about = entry.objectId === null && entry.objectLabel === null ? [] : what(entry)
  const of: SentencePart[] =
    about.length > 0 || entry.model === null
      ? []
      : [text(' of '), { kind: 'object', text: cutText(entry.model, MAX_NAME_LENGTH) }]
  if (entry.outcome === 'success') return [...about, text(count), ...of, text(format)]
  return [...about, ...of, text(`${format}${count && ` after${count}`}`)]
}

function ownEvent(entry: Entry): SentencePart[] {
  const words = entry.action.split('.')
  const model = entry.model?.toLowerCase().replace(/[^a-z0-9]/g, '')
  // invoice.approved on an Invoice: "approved Invoice 117".
  const own = words.length > 1 && words[0]?.replace(/_/g, '') === model ? words.slice(1) : words
  const verb: SentencePart = { kind: 'verb', text: own.join(' ').replace(/_/g, ' '), tone: 'neutral' }
  const lead = own === words ? [text('recorded ')] : []
  const about = what(entry)
  return [...lead, verb, ...(about.length > 0 && own === words ? [text(' on')] : []), ...about, ...related(entry)]
}

function ending(entry: Entry): SentencePart[] {
  return entry.outcome === 'success'
    ? []
    : [text(entry.outcome === 'denied' ? ', which was refused' : ', which failed')]
}

function update(entry: Entry, display: Display): SentencePart[] {
  const changes = fieldChanges(entry)
  const count = Math.max(changes.length, entry.changedFields.length)
  const on = what(entry)
  if (count === 0) return on
  const field = tellingField(entry) ?? entry.changedFields[0] ?? ''
  const more = count > 1 ? [text(` and ${count - 1} more`)] : []
  return [
    text(' '),
    fieldPart(entry, field, display),
    ...fromTo(entry, field, display),
    ...more,
    ...(on.length > 0 ? [text(' on'), ...on] : []),
  ]
}

/** The field that says most: one whose values can be shown, and not the row's own time stamp. */
function tellingField(entry: Entry): string | undefined {
  const fields = Object.keys(entry.changes)
  const shown = fields.filter((field) => entry.changes[field]?.every(isScalar))
  return (
    shown.find((field) => !/^(updated|modified|changed)_?(at|on)?$|^version$/i.test(field)) ?? shown[0] ?? fields[0]
  )
}

function isScalar(value: JsonValue): boolean {
  return typeof value !== 'object' || value === null || isExactNumber(value)
}

function fromTo(entry: Entry, field: string, display: Display): SentencePart[] {
  const change = entry.changes[field]
  if (!change) return []
  const [before, after] = change
  if (isValueMarker(before) || isValueMarker(after)) return []
  if (!isScalar(before) && !isScalar(after)) return []
  const shown = [display.value(entry, field, before), display.value(entry, field, after)] as const
  const [old, current] = cutAroundDifference(shown[0].text, shown[1].text, MAX_VALUE_LENGTH)
  return [
    text(' from '),
    ...valuePart('old', { ...shown[0], text: old }),
    text(' to '),
    ...valuePart('new', { ...shown[1], text: current }),
  ]
}

function fieldPart(entry: Entry, field: string, display: Display): SentencePart {
  const name = display.field(entry, field)
  const shown = { kind: 'field', text: cutText(name, MAX_NAME_LENGTH) } as const
  return name === field ? shown : { ...shown, recorded: field }
}

function valuePart(side: 'old' | 'new', { kind, text: words, recorded, isMissing }: ShownValue): SentencePart[] {
  const part = { kind: side, text: words, value: kind }
  return [
    recorded === undefined ? part : { ...part, recorded },
    ...(isMissing ? [{ kind: 'note', text: ` (${NOT_IN_THE_LOG})` } as const] : []),
  ]
}

/** Whether the object of a sign-in is whoever signed in. */
function isSelf(entry: Entry): boolean {
  if (entry.objectId !== null && entry.actorId !== null) return entry.objectId === entry.actorId
  return entry.objectLabel === null || entry.objectLabel === entry.actorLabel
}

function nameOf(model: string | null, id: string | null, label: string | null): string | undefined {
  const own = label || keyText(id)
  if (model === null) return own === undefined ? undefined : cutText(own, MAX_NAME_LENGTH)
  if (own === undefined) return `a row of ${model}`
  // A label such as "Invoice 2024-0117" names its model already.
  return cutText(own.toLowerCase().startsWith(`${model.toLowerCase()} `) ? own : `${model} ${own}`, MAX_NAME_LENGTH)
}

/** A key as people read it: the parts of a composite one are written as a JSON array. */
function keyText(id: string | null): string | undefined {
  if (id === null) return undefined
  if (!id.startsWith('["')) return id
  try {
    const parts: unknown = JSON.parse(id)
    return Array.isArray(parts) ? parts.join(', ') : id
  } catch {
    return id
  }
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}
