import type { Child } from 'hono/jsx'
import type { SentencePart, Tone } from '../core/sentence.ts'
import type { Cell } from './cells.ts'

/** The one-letter class that colours an action. */
export function toneClass(tone: Tone): string {
  return `t-${tone}`
}

export interface SentenceProps {
  readonly parts: readonly SentencePart[]
  /** Where a part leads; absent where none does. */
  readonly cellOf?: ((part: SentencePart) => Cell | undefined) | undefined
}

/** A sentence with its parts told apart by more than colour. */
export function Sentence({ parts, cellOf }: SentenceProps) {
  return (
    <>
      {parts.map((part) => (
        <CellLink cell={cellOf?.(part)}>
          <Part part={part} />
        </CellLink>
      ))}
    </>
  )
}

/** A value that leads to its like; with the script a click with Shift leads to the others. The keys reach it by `f`. */
export function CellLink({ cell, children }: { readonly cell: Cell | undefined; readonly children?: Child }) {
  if (!cell) return <>{children}</>
  return (
    <a class="cell" href={cell.href} data-without={cell.without} tabindex={-1}>
      {children}
    </a>
  )
}

function Part({ part }: { readonly part: SentencePart }) {
  switch (part.kind) {
    case 'text':
      return <>{part.text}</>
    case 'actor':
    case 'object':
      return <b>{part.text}</b>
    case 'verb':
      return <span class={`verb ${toneClass(part.tone)}`}>{part.text}</span>
    case 'note':
      return <span class="missing">{part.text}</span>
    case 'field':
      return (
        <span class={named('field', part.recorded)} title={part.recorded}>
          {part.text}
        </span>
      )
    default:
      return (
        <span class={named(`v ${isWord(part.value) ? 'nil' : part.kind}`, part.recorded)} title={part.recorded}>
          {part.text}
        </span>
      )
  }
}

/** What people call otherwise than the log does is set as their words are, not as a column or a code. */
function named(name: string, recorded: string | undefined): string {
  return recorded === undefined ? name : `${name} named`
}

/** Whether a value is shown by a word about it, which must not look like a recorded text. */
export function isWord(kind: string): boolean {
  return kind === 'null' || kind === 'empty' || kind === 'absent' || kind === 'masked' || kind === 'capped'
}
