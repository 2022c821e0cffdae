// An Express application whose request reads one row and updates it: `plain` without Daybook, `tracked` with it, as it is built and not as
// it is compiled for tests, which makes each function that is made in a request dear. A process of its own.
import { createDaybook } from 'daybook'
import { createPool } from 'daybook/connection/pg'
import { expressContext } from 'daybook/middleware/express'
import express from 'express'
import pg from 'pg'

const [side, connectionString, synchronousCommit] = process.argv.slice(2)
const options = { connectionString, max: 8, options: `-c synchronous_commit=${synchronousCommit}` }
const app = express()
const pool = side === 'tracked' ? createPool(options) : new pg.Pool(options)
if (side === 'tracked') {
  const daybook = createDaybook({ pool })
  app.use(expressContext(daybook, { actor: () => ({ id: '4711', label: 'ada@example.com' }) }))
}

app.patch('/invoices/:id', async (request, response) => {
  const id = request.params.id
  const { rows } = await pool.query(`select * from ${side} where id = $1`, [id])
  const status = rows[0].status === 'open' ? 'paid' : 'open'
  await pool.query(`update ${side} set status = $2, updated_at = clock_timestamp() where id = $1`, [id, status])
  response.json({ ...rows[0], status })
})

const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port))
process.once('disconnect', () => process.exit())
