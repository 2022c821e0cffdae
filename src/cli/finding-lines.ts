import type { ComparedTable, Diagnosis, Finding, Severity } from '../capture/postgres/index.ts'
import { type Paint, printable } from './entry-lines.ts'

const HEADINGS: Readonly<Record<Severity, string>> = {
  error: 'Errors',
  warning: 'Warnings',
  info: 'For your information',
}
const COLOURS = { error: 'red', warning: 'yellow', info: 'cyan' } as const
/** Lines of one kind of information, before they are counted instead of told. */
const MAX_LINES = 12
const WIDTH = 100

/** A diagnosis as a person reads it: the verdict first, then what was found, most important first, and how far it was looked. */
export function diagnosisLines(diagnosis: Diagnosis, paint: Paint): string[] {
  const { findings, fixed, notFixed, reconciliation } = diagnosis
  const lines = [verdict(diagnosis, paint)]
  if (fixed.length > 0)
    lines.push('', paint('bold', 'Set right'), ...fixed.flatMap((found) => block(found.message, '')))
  if (notFixed.length > 0)
    lines.push('', paint('bold', 'Could not be set right'), ...notFixed.flatMap((why) => block(why, '')))
  for (const severity of ['error', 'warning', 'info'] as const) {
    const its = findings.filter((found) => found.severity === severity)
    if (its.length === 0) continue
    lines.push('', paint('bold', paint(COLOURS[severity], HEADINGS[severity])))
    lines.push(
      ...(severity === 'info' ? information(its) : its.flatMap(({ message, advice }) => block(message, advice))),
    )
  }
  if (reconciliation) {
    const { tables, entries, backTo, complete } = reconciliation
    const log =
      backTo === null
        ? 'the log has no entries'
        : `${complete ? 'all' : 'the newest'} ${count(entries)} entries of the log, back to ${backTo.slice(0, 10)}`
    const rows = tables.length === 0 ? 'no table can be compared' : tables.map(comparison).join(', ')
    lines.push('', paint('bold', 'Compared with the log'), ...block(`${rows}; ${log}.`, ''))
    if (!complete || tables.some((table) => !table.complete)) {
      lines.push(...block('For all rows and entries: daybook doctor --reconcile', ''))
    }
  }
  return lines.map((line) => line.trimEnd())
}

function verdict({ findings, trackedTables, healthy, followsChanges }: Diagnosis, paint: Paint): string {
  const number = (severity: Severity) => findings.filter((found) => found.severity === severity).length
  const errors = number('error')
  const warnings = number('warning')
  const counts = [
    ...(errors > 0 ? [`${errors} error${errors === 1 ? '' : 's'}`] : []),
    ...(warnings > 0 ? [`${warnings} warning${warnings === 1 ? '' : 's'}`] : []),
  ].join(', ')
  if (!healthy) {
    return paint('bold', paint('red', `${counts}: the log may miss changes, or be open to somebody it should not be.`))
  }
  const tracked =
    trackedTables === 0
      ? 'no table is tracked yet: daybook track SCHEMA.TABLE'
      : `the changes of ${trackedTables === 1 ? '1 table' : `${trackedTables} tables`} are recorded${followsChanges ? ', and ALTER TABLE is followed' : ''}.`
  return paint(
    'bold',
    paint(
      warnings > 0 || trackedTables === 0 ? 'yellow' : 'green',
      `No error${warnings > 0 ? `, ${counts}` : ''}: ${tracked}`,
    ),
  )
}

/** Tables that are not tracked are many: one line a schema. */
function information(findings: readonly Finding[]): string[] {
  const lines: string[] = []
  const untracked = new Map<string, string[]>()
  for (const { code, subject, message, advice } of findings) {
    if (code === 'untracked_table' && subject.table !== undefined) {
      const [, schema = '', name = ''] = /^("(?:[^"]|"")*"|[^.]*)\.(.*)$/s.exec(subject.table) ?? []
      untracked.set(schema, [...(untracked.get(schema) ?? []), name])
    } else lines.push(...block(message, advice))
  }
  for (const [schema, names] of untracked) {
    const more = names.length - MAX_LINES
    const told = more > 1 ? `${names.slice(0, MAX_LINES).join(', ')} and ${more} more` : names.join(', ')
    lines.push(...block(`Not tracked in ${schema}: ${told}.`, ''))
  }
  return lines
}

function comparison({ table, rows, ofAbout, complete }: ComparedTable): string {
  const of = complete && rows > 1 ? 'all ' : ''
  const about = !complete && ofAbout > rows ? ` of about ${count(ofAbout)}` : ''
  return `${of}${count(rows)}${about} ${rows === 1 && about === '' ? 'row' : 'rows'} of ${table}`
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** A sentence and below it what to do, each broken at words. */
function block(message: string, advice: string): string[] {
  return [
    ...broken(printable(message), '  ', '    '),
    ...(advice === '' ? [] : broken(printable(advice), '    → ', '      ')),
  ]
}

function broken(text: string, first: string, others: string): string[] {
  const lines: string[] = []
  let line = first
  for (const word of text.split(' ')) {
    if (line.trim() !== '' && line !== first && line.length + word.length + 1 > WIDTH) {
      lines.push(line)
      line = `${others}${word}`
    } else line = line === first ? `${first}${word}` : `${line} ${word}`
  }
  return [...lines, line]
}
