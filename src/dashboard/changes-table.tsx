import {
  cutText,
  elideSegments,
  type FieldChange,
  fieldChanges,
  type PathChange,
  type Segment,
  type ShownValue,
} from '../core/changes.ts'
import type { Entry } from '../core/entry.ts'
import { isWord } from './sentence.tsx'

/** Longest value that is shown at once; the recorded JSON holds the whole. */
const MAX_VALUE_LENGTH = 2000

/** What changed, field by field: before and after side by side, or one column where the object came or went. */
export function ChangesTable({ entry }: { readonly entry: Entry }) {
  const changes = fieldChanges(entry)
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
          <Rows change={change} came={came} went={went} />
        ))}
      </tbody>
    </table>
  )
}

interface RowsProps {
  readonly change: FieldChange
  readonly came: boolean
  readonly went: boolean
}

function Rows({ change, came, went }: RowsProps) {
  if (change.kind === 'json') return <PathRows field={change.field} paths={change.paths} more={change.more} />
  if (change.kind === 'value' && change.before.kind === 'masked' && change.after.kind === 'masked') {
    return (
      <tr>
        <th scope="row">{change.field}</th>
        <td colspan={2}>
          <span class="v nil">masked: it changed, the value is not kept</span>
        </td>
      </tr>
    )
  }
  return (
    <tr>
      <th scope="row">{change.field}</th>
      {!came && (
        <td>
          <Sign of="−" />
          {change.kind === 'text' ? (
            <Segments of={change.before} side="old" />
          ) : (
            <Value value={change.before} side="old" />
          )}
        </td>
      )}
      {!went && (
        <td>
          <Sign of="+" />
          {change.kind === 'text' ? (
            <Segments of={change.after} side="new" />
          ) : (
            <Value value={change.after} side="new" />
          )}
        </td>
      )}
    </tr>
  )
}

function PathRows({ field, paths, more }: { field: string; paths: readonly PathChange[]; more: number }) {
  return (
    <>
      {paths.map(({ path, before, after }) => (
        <tr>
          <th scope="row">
            {field}
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
          <th scope="row">{field}</th>
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

/** One recorded value. What it is not a text of, it says in a word that looks like none. */
export function Value({ value, side }: { readonly value: ShownValue; readonly side: 'old' | 'new' }) {
  if (isWord(value.kind)) return <span class="v nil">{value.text}</span>
  const shown = cutText(value.text, MAX_VALUE_LENGTH)
  return side === 'old' ? <del class={value.kind}>{shown}</del> : <ins class={value.kind}>{shown}</ins>
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
