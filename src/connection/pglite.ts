import { createHash } from 'node:crypto'
import { chmod, mkdir, rm, stat } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DaybookError, isDaybookError } from '../core/errors.ts'
import type { Database } from './database.ts'
import { lockFolder } from './folder-lock.ts'
import { createPool, fromPgPool, type Pool } from './pg.ts'
import { type PgliteDatabase, PgliteSession } from './pglite-session.ts'
import { PgliteStream } from './pglite-stream.ts'

/** What {@link openPglite} and {@link connectPglite} take. */
export interface PgliteOptions {
  /** Where the data is kept. Made if it is not there. Left out, the data is in memory and gone with the process. */
  readonly folder?: string
  /** The role of `database`, and of pools that name none. Default `postgres`, the superuser. */
  readonly user?: string
  /**
   * How long a connection waits for another one's transaction, in milliseconds, before it fails. Connections take turns on one
   * session, so that a transaction that waits for a second connection would wait for ever. Default 30,000.
   */
  readonly maxWaitMs?: number
}

/** What a pool on PGlite takes. */
export interface PglitePoolOptions {
  /** The role that the pool's statements run as. It must exist and be allowed to log in. */
  readonly user?: string
  /** Connections at most; they take turns on the one session. Default 10. */
  readonly max?: number
}

/** A PGlite that is open, in this process or in another one. */
export interface Pglite {
  /** A pool of `pg` that carries the context, for the application and its ORM. */
  createPool(options?: PglitePoolOptions): Pool
  readonly database: Database
  /** Ends its pools; the process that has the folder open also closes the database and gives the folder back. */
  close(): Promise<void>
}

/** The server's port is only part of the socket's name. */
const PORT = 5432
const SOCKET_NAME = `.s.PGSQL.${PORT}`
/** Systems take 104 to 108 bytes for the path of a socket. */
const MAX_SOCKET_PATH_BYTES = 100

/**
 * Opens an embedded PostgreSQL (PGlite) for this process: no server, its data in a folder.
 *
 * While it is open, other processes reach it through a socket that only this system user may open: `psql -h FOLDER -U postgres
 * -d postgres`, or {@link connectPglite}.
 *
 * PGlite is one session of a superuser. A pool with a `user` of its own runs its statements as that role, with that role's rights;
 * but `RESET SESSION AUTHORIZATION` gives whoever sends it the superuser back. PGlite is not a security boundary: for
 * development, tests and demonstrations; where the application must not be able to forge entries, use a PostgreSQL server.
 *
 * @throws DaybookError `folder_in_use` where a process has it open; `permission_denied` where the socket's own folder is not
 * private; `invalid_option` where `@electric-sql/pglite` is not installed.
 */
export async function openPglite(options: PgliteOptions = {}): Promise<Pglite> {
  const { PGlite } = await loadPglite()
  const user = options.user ?? 'postgres'
  const maxWaitMs = options.maxWaitMs ?? 30_000
  const start = async (folder?: string) => new PgliteSession(await PGlite.create(folder), maxWaitMs)
  const onStream = (session: PgliteSession, close: () => Promise<void>) =>
    pools((pool) => createPool({ ...pool, stream: () => new PgliteStream(session) }), user, close)
  if (options.folder === undefined) {
    const session = await start()
    return onStream(session, () => session.close())
  }
  const folder = resolve(options.folder)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const socket = socketPath(folder)
  const lock = await lockFolder(folder, socket)
  let session: PgliteSession | undefined
  let door: Door | undefined
  const close = async () => {
    await door?.close()
    await session?.close()
    await lock.release()
  }
  try {
    session = await start(folder)
    if (socket) door = await openDoor(socket, folder, session)
    return onStream(session, close)
  } catch (error) {
    await close()
    throw error
  }
}

/**
 * Reaches the PGlite of a folder: through the process that has it open, else by opening it here.
 *
 * @throws DaybookError `folder_in_use` where the process that has it open can't be reached from here.
 */
export async function connectPglite(options: PgliteOptions & { readonly folder: string }): Promise<Pglite> {
  try {
    return await openPglite(options)
  } catch (error) {
    const socket = isDaybookError(error) && error.code === 'folder_in_use' ? error.details.socket : undefined
    if (typeof socket !== 'string') throw error
    const host = dirname(socket)
    return pools(
      (pool) => createPool({ ...pool, host, port: PORT }),
      options.user ?? 'postgres',
      async () => {},
    )
  }
}

async function loadPglite(): Promise<{ PGlite: { create(folder?: string): Promise<PgliteDatabase> } }> {
  try {
    return await import('@electric-sql/pglite')
  } catch (error) {
    throw new DaybookError(
      'invalid_option',
      'The embedded database needs the package @electric-sql/pglite, which could not be loaded. Install it: npm install @electric-sql/pglite',
      { cause: error },
    )
  }
}

type CreatePool = (options: { user: string; database: string; max: number; password: string; ssl: false }) => Pool

function pools(create: CreatePool, defaultUser: string, close: () => Promise<void>): Pglite {
  const open: Pool[] = []
  const makePool = ({ user = defaultUser, max = 10 }: PglitePoolOptions = {}) => {
    const pool = create({ user, max, database: 'postgres', password: '', ssl: false })
    open.push(pool)
    return pool
  }
  const own = makePool()
  return {
    createPool: makePool,
    database: fromPgPool(own),
    async close() {
      await Promise.all(open.map((pool) => (pool.ending ? undefined : pool.end())))
      await close()
    },
  }
}

/** Where others may come in; undefined on systems without such sockets. */
function socketPath(folder: string): string | undefined {
  if (process.platform === 'win32') return undefined
  const inside = join(folder, SOCKET_NAME)
  if (Buffer.byteLength(inside) <= MAX_SOCKET_PATH_BYTES) return inside
  return join(tmpdir(), `daybook-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`, SOCKET_NAME)
}

/** Everybody may write to the system's temporary folder: one in it that another user made first is not ours to trust. */
async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { uid, mode } = await stat(folder)
  if (uid === process.getuid?.() && (mode & 0o077) === 0) return
  throw new DaybookError(
    'permission_denied',
    `The folder ${folder}, meant for the socket of the database, is open to other users. Delete it, or choose a data folder with a shorter path.`,
    { details: { folder } },
  )
}

interface Door {
  close(): Promise<void>
}

async function openDoor(path: string, folder: string, session: PgliteSession): Promise<Door> {
  const elsewhere = dirname(path) === folder ? undefined : dirname(path)
  if (elsewhere) await makePrivateFolder(elsewhere)
  // A process that was killed leaves its socket behind; the lock says that it is nobody's now.
  await rm(path, { force: true })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    const stream = new PgliteStream(session)
    pipeline(socket, stream, socket)
      // A visitor that goes away without a goodbye is no failure here.
      .catch(() => {})
      .finally(() => {
        stream.destroy()
        sockets.delete(socket)
      })
  })
  await listening(server, path)
  await chmod(path, 0o600)
  // Visitors alone keep no process alive.
  server.unref()
  return {
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => server.close(done))
      await rm(elsewhere ?? path, { recursive: true, force: true })
    },
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail)
    server.listen(path, () => {
      server.removeListener('error', fail)
      done()
    })
  })
}
