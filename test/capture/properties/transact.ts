import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { Step, Transaction } from './statements.ts'

/** The server's own name of a transaction that is prepared: other tests run at the same time. */
const PREPARED = `daybook ${randomUUID()}`

/** What a statement came to: rows and their number, or the error as a program would tell it apart. */
export async function outcome(client: pg.Client, text: string): Promise<unknown> {
  try {
    const found = await client.query({
      text,
      rowMode: 'array',
      types: { getTypeParser: () => (value: unknown) => value },
    })
    if (Array.isArray(found)) return {}
    const { command, rowCount, rows } = found
    return { command, rowCount, rows: rows.map((row) => JSON.stringify(row)).sort() }
  } catch (error) {
    const { code, constraint, column } = error as pg.DatabaseError
    return { code, constraint, column }
  }
}

/** Does one transaction to a table, and gives what each of its steps and its end came to. A step that fails is undone alone. */
export async function transact(
  client: pg.Client,
  { isolation, steps, end }: Transaction,
  table: string,
): Promise<unknown[]> {
  await client.query(`begin isolation level ${isolation}`)
  const outcomes = await perform(client, steps, table)
  if (end === 'prepare') {
    outcomes.push(await outcome(client, `prepare transaction '${PREPARED}'`))
    outcomes.push(await outcome(client, `commit prepared '${PREPARED}'`))
  } else outcomes.push(await outcome(client, end))
  await client.query('rollback')
  return outcomes
}

async function perform(client: pg.Client, steps: readonly Step[], table: string): Promise<unknown[]> {
  const outcomes: unknown[] = []
  for (const step of steps) {
    await client.query('savepoint before')
    const found: unknown[] = []
    if (step.step === 'plain') found.push(await outcome(client, step.text))
    else if (step.step === 'statement') found.push(await outcome(client, step.statement.sql(table, step.returning)))
    else if (step.step === 'block') {
      const inner = step.statements.map((statement) => `${statement.sql(table, false)};`).join('\n')
      found.push(
        await outcome(
          client,
          `do $daybook_block$ begin
          begin ${inner} ${step.raises ? `raise exception 'on purpose';` : ''} exception when others then ${step.otherwise.sql(table, false)}; end;
        end $daybook_block$`,
        ),
      )
    } else {
      found.push(...(await perform(client, step.steps, table)))
      if (step.undone) await client.query('rollback to before')
    }
    if (found.some((one) => (one as { code?: string }).code) && step.step !== 'savepoint')
      await client.query('rollback to before')
    await client.query('release before')
    outcomes.push(...found)
  }
  return outcomes
}

/** A transaction as it is shown when it fails. */
export function transactionText({ isolation, steps, end }: Transaction): string {
  const text = (step: Step): string => {
    if (step.step === 'plain') return `${step.text};`
    if (step.step === 'statement') return `${step.statement.sql('t', step.returning)};`
    if (step.step === 'savepoint')
      return `savepoint (${step.undone ? 'undone' : 'kept'}); ${step.steps.map(text).join('\n')}`
    return `block (${step.raises ? 'raises' : 'ends'}): ${step.statements.map((one) => one.sql('t', false)).join('; ')}; otherwise ${step.otherwise.sql('t', false)};`
  }
  return [`begin isolation level ${isolation};`, ...steps.map(text), `${end};`].join('\n')
}
