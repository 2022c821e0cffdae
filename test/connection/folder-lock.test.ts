import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { lockFolder } from '../../src/connection/folder-lock.ts'

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'daybook-lock-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const dead = JSON.stringify({ pid: spawnSync('true').pid, host: hostname(), startedAt: '1' })

test.each([
  ['free', []],
  ['left by a dead process', ['daybook.lock']],
  ['left by two dead processes, one of which was taking over', ['daybook.lock', 'daybook.lock.takeover']],
])('of many that want a folder that is %s, one gets it, and gives it back whole', async (_title, stale) => {
  const folder = await makeFolder()
  for (let round = 0; round < 20; round += 1) {
    for (const name of stale) await writeFile(join(folder, name), dead)
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => lockFolder(folder, undefined)))
    const locks = results.filter((result) => result.status === 'fulfilled')
    const reasons = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason.code)
    expect(locks).toHaveLength(1)
    expect(reasons).toEqual(Array.from({ length: 11 }, () => 'folder_in_use'))
    await locks[0]?.value.release()
    expect(await readdir(folder)).toEqual([])
  }
})

test('the refusal names the folder, the process and the file that could be deleted', async () => {
  const folder = await makeFolder()
  const lock = await lockFolder(folder, '/tmp/there')
  await expect(lockFolder(folder, undefined)).rejects.toMatchObject({
    code: 'folder_in_use',
    message: `The folder ${folder} is open in process ${process.pid} on ${hostname()}. Stop that process first; if it no longer exists, delete ${join(folder, 'daybook.lock')}.`,
    details: { folder, pid: process.pid, socket: '/tmp/there' },
  })
  await lock.release()
})
