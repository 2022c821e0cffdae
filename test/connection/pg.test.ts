import { createPool } from '../../src/connection/pg.ts'
import { createTestDatabase } from '../database.ts'
import { describeContext } from './context-contract.ts'

describeContext('the context on a pool of pg', async () => {
  const { url, close } = await createTestDatabase()
  return { createPool: (max) => createPool({ connectionString: url, max }), close }
})
