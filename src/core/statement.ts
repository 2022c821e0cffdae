/**
 * What may travel with a statement. `carries`: it may write rows and runs inside a transaction, so the context goes ahead of it.
 * `control`: it writes no row, so it needs no context; a SELECT that calls nothing, having no parenthesis, is one too. `bare`: it may write rows, but may have to run outside a transaction.
 */
type StatementKind = 'carries' | 'control' | 'bare'

/** One statement of a SQL text. */
export interface Statement {
  /** The first word in upper case, `''` for none, as in a text of comments alone. */
  readonly keyword: string
  readonly kind: StatementKind
  /** It begins, ends or shapes a transaction, so that nothing may be put around or ahead of it. */
  readonly shapesTransaction: boolean
  /** A setting that was local to the transaction may have another value after it. */
  readonly forgetsSettings: boolean
}

const CARRIES = new Set(
  'SELECT WITH INSERT UPDATE DELETE MERGE VALUES TABLE TRUNCATE COPY CALL DO EXECUTE EXPLAIN FETCH MOVE'.split(' '),
)
const SHAPES_TRANSACTION = new Set(
  'BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE LOCK PREPARE SET TRANSACTION'.split(' '),
)
const KEEPS_SETTINGS = new Set('SAVEPOINT RELEASE LOCK'.split(' '))
const CONTROL = new Set([
  ...SHAPES_TRANSACTION,
  ...'SET RESET SHOW DEALLOCATE DECLARE CLOSE DISCARD LISTEN UNLISTEN NOTIFY CHECKPOINT LOAD'.split(' '),
])

/** The statements of a SQL text in their order; empty ones between semicolons are left out, but there is always one. */
export function readStatements(text: string): readonly Statement[] {
  const statements: Statement[] = []
  let at = 0
  do {
    const [words, end] = readWords(text, at)
    if (words.length > 0) statements.push(describe(words, text))
    at = end
  } while (at < text.length)
  return statements.length > 0 ? statements : [describe([], text)]
}

function describe(words: readonly string[], text: string): Statement {
  const keyword = words[0] ?? ''
  const setsTransaction = keyword === 'SET' && words.includes('TRANSACTION')
  return {
    keyword,
    kind: kindOf(keyword, words, text),
    shapesTransaction: keyword === 'SET' ? setsTransaction : SHAPES_TRANSACTION.has(keyword),
    forgetsSettings: !CARRIES.has(keyword) && !KEEPS_SETTINGS.has(keyword),
  }
}

function kindOf(keyword: string, words: readonly string[], text: string): StatementKind {
  if (keyword === '' || CONTROL.has(keyword)) return 'control'
  if (keyword === 'SELECT' && !text.includes('(')) return 'control'
  if (!CARRIES.has(keyword)) return 'bare'
  // In the extended protocol the server reads past the Sync that follows and waits for data for ever.
  return keyword === 'COPY' && words.includes('STDIN') ? 'bare' : 'carries'
}

const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y
const NUMBER_OR_PARAMETER = /\$?\d[\w.]*/y
const LINE_COMMENT = /--[^\r\n]*/y
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y

/** Bounds what is kept of one statement: its kind shows in its first words, for `COPY` behind the columns. */
const MAX_WORDS = 64

/** Reads on to the end of one statement: its bare words in upper case, and where the next statement starts. */
function readWords(text: string, from: number): [words: string[], end: number] {
  const words: string[] = []
  let depth = 0
  let at = from
  if (!text.includes(';', from)) {
    // One statement is left, so its end needs no looking for. Only COPY says what it is behind its first word.
    const first = readFirstWord(text, from)
    if (first !== 'COPY' && first !== 'SET') return [first === '' ? [] : [first], text.length]
  }
  while (at < text.length) {
    const skipped = skipBlank(text, at)
    if (skipped > at) {
      at = skipped
      continue
    }
    const character = text[at]
    if (character === ';' && depth === 0) return [words, at + 1]
    if (character === '(') depth += 1
    if (character === ')') depth = Math.max(0, depth - 1)
    if (character === "'" || character === '"') {
      at = skipQuoted(text, at, character, false)
      continue
    }
    const word = match(WORD, text, at)
    if (word) {
      at += word.length
      if (text[at] === "'" && word.toUpperCase() === 'E') at = skipQuoted(text, at, "'", true)
      else if (words.length < MAX_WORDS) words.push(word.toUpperCase())
      continue
    }
    const tag = match(DOLLAR_TAG, text, at)
    if (tag) {
      const close = text.indexOf(tag, at + tag.length)
      at = close < 0 ? text.length : close + tag.length
      continue
    }
    at += match(NUMBER_OR_PARAMETER, text, at)?.length ?? 1
  }
  return [words, text.length]
}

function readFirstWord(text: string, from: number): string {
  let at = from
  for (;;) {
    const next = skipBlank(text, at)
    if (next === at && text[at] !== '(') return match(WORD, text, at)?.toUpperCase() ?? ''
    at = next === at ? at + 1 : next
  }
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

function search(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.exec(text)?.index ?? -1
}

/** Behind white space or one comment that starts at `at`; `at` itself where there is none. */
function skipBlank(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code === 32 || (code >= 9 && code <= 13)) return at + 1
  if (text.startsWith('--', at)) return at + (match(LINE_COMMENT, text, at)?.length ?? 0)
  return text.startsWith('/*', at) ? skipComment(text, at) : at
}

/** Block comments nest in PostgreSQL. */
function skipComment(text: string, from: number): number {
  let depth = 0
  let at = from
  while (at < text.length) {
    if (text.startsWith('/*', at)) {
      depth += 1
      at += 2
    } else if (text.startsWith('*/', at)) {
      depth -= 1
      at += 2
      if (depth === 0) return at
    } else {
      at += 1
    }
  }
  return text.length
}

/** Behind the quote that closes the one at `from`; a doubled quote is part of the text. */
function skipQuoted(text: string, from: number, quote: string, backslashEscapes: boolean): number {
  const special = backslashEscapes ? /['\\]/g : undefined
  for (let at = from + 1; ; at += 2) {
    at = special ? search(special, text, at) : text.indexOf(quote, at)
    if (at < 0) return text.length
    if (text[at] === quote && text[at + 1] !== quote) return at + 1
  }
}
