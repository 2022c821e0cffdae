import pg from 'pg'
import { DaybookError } from '../core/errors.ts'

/** What each SQLSTATE or system error says, and what to do. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Start the server, or correct the host and the port',
  ECONNRESET: 'the connection was cut. Look into the server’s log',
  ENOTFOUND: 'the host is not known. Correct its name',
  EAI_AGAIN: 'the host’s name could not be looked up. Try again, or correct it',
  EHOSTUNREACH: 'there is no way to the host. Correct its name, or look at the network',
  ETIMEDOUT: 'the host did not answer. Correct its name, or look at the network and its firewall',
  ENOENT: 'there is no such socket. Start the server, or correct the path',
  EACCES: 'this user may not open the socket. Start it as a user who may',
  '3D000': 'the server has no such database. Create it, or correct its name',
  '28P01': 'the password was not accepted. Correct the user or the password',
  '28000': 'the server does not let this user in. Create the role with LOGIN, or allow it in pg_hba.conf',
  '53300': 'the server has no connection left. Lower the pool’s `max`, or raise `max_connections`',
  '55P03':
    'the transaction of another connection holds it. Do not wait, inside a transaction, for a statement outside of it',
  '57P03': 'the server is starting up or shutting down. Try again in a moment',
  '57P01': 'the server is shutting down. Start it again',
}

/** The error for a connection that could not be had. It names server, database and user, never the password. */
export function unreachable(error: unknown, options: object = {}): DaybookError {
  const code = (error as { code?: unknown } | undefined)?.code
  const reason =
    (typeof code === 'string' ? REASONS[code] : undefined) ??
    'no connection came about in time. See the cause, and check that the server runs and that the pool is not used up or ended'
  const { where, ...details } = target(options)
  return new DaybookError('database_unreachable', `${where} can't be reached: ${reason}.`, {
    cause: error,
    details: { ...details, ...(typeof code === 'string' && { code }) },
  })
}

function target(options: { readonly stream?: unknown; readonly user?: string }) {
  if (options.stream) return { where: `The embedded database (PGlite), as ${options.user},`, user: options.user }
  try {
    // A client that never connects: pg itself works out what comes from the URL, the environment and its defaults.
    const { host, port, database, user } = new pg.Client({
      ...options,
      stream: undefined,
    } as unknown as pg.ClientConfig)
    const server = host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : `${host}:${port}`
    return { where: `The database ${database} on ${server}${user ? `, as ${user},` : ''}`, host, port, database, user }
  } catch {
    return { where: 'The database' }
  }
}
