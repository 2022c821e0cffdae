import { existsSync } from 'node:fs'

/** Debian's package puts it there. */
export const PGBOUNCER = process.env.DAYBOOK_PGBOUNCER || '/usr/sbin/pgbouncer'

export const hasPgBouncer = existsSync(PGBOUNCER)
