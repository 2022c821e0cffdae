import { today } from '../format.ts'
import type { InvoiceStatus } from '../schema.ts'

/** How an invoice stands, as people say it: one that was sent and not paid in time is overdue. */
function standing(invoice: { status: InvoiceStatus; due_on: string }): InvoiceStatus | 'overdue' {
  return invoice.status === 'sent' && invoice.due_on < today() ? 'overdue' : invoice.status
}

/** The mark that shows how an invoice stands. */
export function Status({ invoice }: { readonly invoice: { status: InvoiceStatus; due_on: string } }) {
  const word = standing(invoice)
  return <span class={`status ${word}`}>{word}</span>
}
