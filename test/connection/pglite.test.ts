import { openPglite } from '../../src/connection/pglite.ts'
import { describeContext } from './context-contract.ts'

describeContext('the context on a pool of PGlite', async () => {
  const pglite = await openPglite()
  return { createPool: (max) => pglite.createPool({ max }), close: pglite.close }
})
