import type { Child } from 'hono/jsx'
import {
  cutText,
  elideSegments,
  type FieldChange,
  fieldChanges,
  type PathChange,
  type Segment,
} from '../core/changes.ts'
import type { Display } from '../core/display.ts'
import type { Entry } from '../core/entry.ts'
import { NOT_IN_THE_LOG } from '../core/sentence.ts'
import type { ShownValue } from '../core/shown-value.ts'
import type { Links } from './links.ts'
import { isWord } from './sentence.tsx'

/** Longest value that is shown at once; the recorded JSON holds the whole. */
const MAX_VALUE_LENGTH = 2000

export interface ChangesTableProps {
  readonly entry: Entry
  readonly display: Display
  readonly links: Links
}

/** What changed, field by field: before and after side by side, or one column where the object came or went. */
export function ChangesTable({ entry, display, links }: ChangesTableProps) {
  const changes = fieldChanges(entry, display)
  if (changes.length === 0) return null
  const came = changes.every((change) => change.kind === 'value' && change.before.kind === 'absent')
  const went = changes.every((change) => change.kind === 'value' && change.after.kind === 'absent')
  const heading = came ? 'Recorded values' : went ? 'Last values' : 'What changed'
  return (
    <table class={came || went ? 'diff one' : 'diff'}>
      <caption>{heading}</caption>
      <thead>
        <tr>
          <th scope="col">Field</th>
          {!came && <th scope="col">{went ? 'Last value' : 'Before'}</th>}
          {!went && <th scope="col">{came ? 'Value' : 'After'}</th>}
        </tr>
      </thead>
      <tbody>
        {changes.map((change) => (
          <Rows change={change} name={display.field(entry, change.field)} came={came} went={went} links={links} />
        ))}
      </tbody>
    </table>
  )
}

interface RowsProps {
  readonly change: FieldChange
  /** What people call the field. */
  readonly name: string
  readonly links: Links
  readonly came: boolean
  readonly went: boolean
}

function Rows({ change, name, came, went, links }: RowsProps) {
  const heading = <FieldName field={change.field} name={name} />
  if (change.kind === 'json') return <PathRows heading={heading} paths={change.paths} more={change.more} />
  if (change.kind === 'value' && change.before.kind === 'masked' && change.after.kind === 'masked') {
    return (
      <tr>
        <th scope="row">{heading}</th>
        <td colspan={2}>
          <span class="v nil">masked: it changed, the value is not kept</span>
        </td>
      </tr>
    )
  }
  return (
    <tr>
      <th scope="row">{heading}</th>
      {!came && (
        <td>
          <Sign of="−" />
          {change.kind === 'text' ? (
            <Segments of={change.before} side="old" />
          ) : (
            <Value value={change.before} side="old" links={links} />
          )}
        </td>
      )}
      {!went && (
        <td>
          <Sign of="+" />
          {change.kind === 'text' ? (
            <Segments of={change.after} side="new" />
          ) : (
            <Value value={change.after} side="new" links={links} />
          )}
        </td>
      )}
    </tr>
  )
}

/** What people call a field, and quietly beside it what the log calls it. */
function FieldName({ field, name }: { readonly field: string; readonly name: string }) {
  if (name === field) return <>{field}</>
  return (
    <>
      <span class="named">{name}</span> <span class="code">{field}</span>
    </>
  )
}

function PathRows({ heading, paths, more }: { heading: Child; paths: readonly PathChange[]; more: number }) {
  return (
    <>
      {paths.map(({ path, before, after }) => (
        <tr>
          <th scope="row">
            {heading}
            <wbr />
            <span class="path">{path.startsWith('[') ? path : `.${path}`}</span>
          </th>
          <td>
            <Sign of="−" />
            <Value value={before} side="old" />
          </td>
          <td>
            <Sign of="+" />
            <Value value={after} side="new" />
          </td>
        </tr>
      ))}
      {more > 0 && (
        <tr>
          <th scope="row">{heading}</th>
          <td colspan={2}>and {more.toLocaleString('en-US')} more places: see the recorded JSON</td>
        </tr>
      )}
    </>
  )
}

function Sign({ of }: { readonly of: string }) {
  return (
    <span class="sign" aria-hidden="true">
      {of}
    </span>
  )
}

interface ValueProps {
  readonly value: ShownValue
  readonly side: 'old' | 'new'
  /** Absent where a reference is not to lead to its object. */
  readonly links?: Links
}

/**
 * One recorded value. What it is not a text of, it says in a word that looks like none; where people call it otherwise, what is recorded
 * stands quietly beside.
 */
export function Value({ value, side, links }: ValueProps) {
  if (isWord(value.kind)) return <span class="v nil">{value.text}</span>
  const { reference, recorded, isMissing } = value
  const shown = cutText(value.text, MAX_VALUE_LENGTH)
  const text =
    links && reference && !isMissing ? <a href={links.object(reference.model, reference.id)}>{shown}</a> : shown
  return (
    <>
      {side === 'old' ? <del class={value.kind}>{text}</del> : <ins class={value.kind}>{text}</ins>}
      {recorded !== undefined && recorded !== value.text && (
        <>
          {' '}
          <span class="code">{cutText(recorded, MAX_VALUE_LENGTH)}</span>
        </>
      )}
      {isMissing && (
        <>
          {' '}
          <span class="missing">{NOT_IN_THE_LOG}</span>
        </>
      )}
    </>
  )
}

function Segments({ of, side }: { readonly of: readonly Segment[]; readonly side: 'old' | 'new' }) {
  return (
    <span class="prose">
      {elideSegments(of).map(({ text, changed }) =>
        !changed ? text : side === 'old' ? <del>{text}</del> : <ins>{text}</ins>,
      )}
    </span>
  )
}
