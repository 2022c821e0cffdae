import type { Daybook } from 'daybook'
import type { Pool } from 'daybook/connection/pg'

/** The approval and its entry are kept or lost together. */
export async function approve(pool: Pool, daybook: Daybook, invoice: { id: string; number: string }): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await client.query('update invoice set approved = true where id = $1', [invoice.id])
    const object = { model: 'Invoice', id: invoice.id, label: invoice.number }
    await daybook.record({ action: 'invoice.approved', object }, { client })
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
