import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes the folder where the back office keeps what is its own: secrets, and the embedded database. */
export async function makeDataFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
}

/** A secret of the data folder, made at the first time of asking; nobody else on the machine can read it. */
export async function keptSecret(folder: string, name: string): Promise<string> {
  const path = join(folder, name)
  const secret = randomBytes(32).toString('base64url')
  try {
    await writeFile(path, secret, { flag: 'wx', mode: 0o600 })
    return secret
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return (await readFile(path, 'utf8')).trim()
  }
}
