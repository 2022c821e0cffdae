import { createDaybook } from 'daybook'
import { createPool } from 'daybook/connection/pg'
import { authorize } from './sessions.ts'

export const pool = createPool({ connectionString: process.env.DATABASE_URL })
export const daybook = createDaybook({ pool, authorize })
