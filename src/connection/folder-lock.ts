import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DaybookError } from '../core/errors.ts'

/** Who has a folder open, as its lock file says. */
interface FolderHolder {
  readonly pid: number
  readonly host: string
  /** Tells a process from a later one with the same number. */
  readonly startedAt: string
  /** The socket through which the holder lets others in. */
  readonly socket?: string
}

/** A folder that is this process's alone. */
export interface FolderLock {
  release(): Promise<void>
}

const LOCK_FILE = 'daybook.lock'

/**
 * Takes a folder for this process, and takes it over from one that died.
 *
 * @throws DaybookError `folder_in_use`, with the holder in `details`.
 */
export async function lockFolder(folder: string, socket: string | undefined): Promise<FolderLock> {
  const file = join(folder, LOCK_FILE)
  const mine = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    startedAt: startOf(process.pid),
    ...(socket && { socket }),
  } satisfies FolderHolder)
  const rival = await take(file, mine)
  if (rival) throw inUse(folder, file, rival.holder)
  return {
    async release() {
      if ((await readIfThere(file)) === mine) await rm(file, { force: true })
    },
  }
}

/** Makes `file` say `mine`, and gives undefined; or else who has it. */
async function take(file: string, mine: string): Promise<{ readonly holder: FolderHolder | undefined } | undefined> {
  for (;;) {
    if (await withDraft(file, mine, (draft) => linked(draft, file))) return undefined
    const found = await readIfThere(file)
    if (found === undefined) continue
    const holder = parseHolder(found)
    if (!holder || isAlive(holder)) return { holder }
    // One at a time may replace what a dead process left, or two would both believe that they had.
    const takeover = `${file}.takeover`
    const rival = await take(takeover, mine)
    if (rival) return rival
    try {
      if ((await readIfThere(file)) !== found) continue
      await withDraft(file, mine, (draft) => rename(draft, file))
      return undefined
    } finally {
      await rm(takeover, { force: true })
    }
  }
}

/** A file is written aside and then put into place, so that nobody ever reads half of it. */
async function withDraft<T>(file: string, content: string, work: (draft: string) => Promise<T>): Promise<T> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, content, { mode: 0o600 })
  try {
    return await work(draft)
  } finally {
    await rm(draft, { force: true })
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function parseHolder(text: string): FolderHolder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<FolderHolder> | null
    return typeof holder?.pid === 'number' ? (holder as FolderHolder) : undefined
  } catch {
    return undefined
  }
}

function isAlive(holder: FolderHolder): boolean {
  // The processes of another machine or container can't be seen from here.
  if (holder.host !== hostname()) return true
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  return startOf(holder.pid) === holder.startedAt
}

/** When a process started, in the system's own count where it tells (Linux), so that a number used again is noticed. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses, which may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function inUse(folder: string, file: string, holder: FolderHolder | undefined): DaybookError {
  const who = holder ? `process ${holder.pid} on ${holder.host}` : 'another process'
  return new DaybookError(
    'folder_in_use',
    `The folder ${folder} is open in ${who}. Stop that process first; if it no longer exists, delete ${file}.`,
    { details: { folder, ...holder } },
  )
}
