import { EventEmitter, once } from 'node:events'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createPool, type Pool } from '../src/connection/pg.ts'
import { createDaybook, type Daybook } from '../src/daybook.ts'
import { type CaptureLog, createCaptureLog } from './capture/log.ts'

let log: CaptureLog
let pool: Pool
let daybook: Daybook

beforeAll(async () => {
  log = await createCaptureLog()
  await log.table('create table price (id text primary key)', 'public.price')
  pool = createPool({ connectionString: log.url, max: 2 })
  daybook = createDaybook({ pool })
})
afterAll(async () => {
  daybook.close()
  await pool.end()
  await log.close()
})
afterEach(() => log.entries())

const write = (id: string) => pool.query('insert into price values ($1)', [id])

/** Who made which row. */
async function authors() {
  const entries = await log.entries()
  return entries.map(({ object_id, actor_type, actor_id, request_id }) => [object_id, actor_type, actor_id, request_id])
}

test('B35 a worker’s jobs are their own, not the requests’ that queued them, also when they run side by side', async () => {
  const queue = new EventEmitter()
  const done: Promise<unknown>[] = []
  // As workers do it: the listener is there before any request, and is called in the context of whoever adds a job.
  queue.on('job', ({ id, name }: { id: string; name: string }) => {
    const actor = { type: 'job', id: name, label: `${name} ${id}` } as const
    done.push(daybook.runAs(actor, () => daybook.run({ requestId: `job-${id}` }, () => write(id))))
  })
  await Promise.all(
    ['1', '2', '3', '4', '5', '6'].map((id) =>
      daybook.run({ actor: { id: 'mara' }, requestId: `request-${id}` }, async () => {
        queue.emit('job', { id, name: `mail-${id}` })
        await write(`by mara ${id}`)
      }),
    ),
  )
  await Promise.all(done)
  expect((await authors()).sort()).toEqual(
    ['1', '2', '3', '4', '5', '6']
      .flatMap((id) => [
        [id, 'job', `mail-${id}`, `job-${id}`],
        [`by mara ${id}`, 'user', 'mara', `request-${id}`],
      ])
      .sort(),
  )
})

test('B35 a job that fails ends its context, and what it left running is not credited to it', async () => {
  const gate = new EventEmitter()
  let left: Promise<unknown> | undefined
  const failing = daybook.runAs({ type: 'job', id: 'nightly' }, async () => {
    await write('in the job')
    left = once(gate, 'open').then(() => write('left running'))
    throw new Error('refused')
  })
  await expect(failing).rejects.toThrow('refused')
  expect(daybook.currentContext()).toBeUndefined()
  gate.emit('open')
  await left
  expect(await authors()).toEqual([
    ['in the job', 'job', 'nightly', null],
    ['left running', 'database', 'postgres', null],
  ])
})

test('B35 an impersonation keeps both people, by runAs and by setActor, and an actor after it acts for nobody', async () => {
  const bo = { id: 'u-2', label: 'Bo' }
  await daybook.runAs({ id: 'u-1', label: 'Mara', onBehalfOf: bo }, async () => {
    await write('for Bo')
    await daybook.runAs({ type: 'job', id: 'mail' }, () => write('by a job'))
    await write('for Bo again')
    daybook.setActor({ id: 'u-3' })
    await write('for nobody')
    daybook.setActor({ id: 'u-3', onBehalfOf: bo })
    await write('for Bo, late')
  })
  const entries = await log.entries()
  expect(entries.map(({ object_id, actor_id, context }) => [object_id, actor_id, context?.on_behalf_of])).toEqual([
    ['for Bo', 'u-1', { type: 'user', ...bo }],
    ['by a job', 'mail', undefined],
    ['for Bo again', 'u-1', { type: 'user', ...bo }],
    ['for nobody', 'u-3', undefined],
    ['for Bo, late', 'u-3', { type: 'user', ...bo }],
  ])
})

test('B35 outside of every context there is nobody to name, and the answer says so', async () => {
  expect(daybook.setActor({ id: 'u-1' })).toBe(false)
  await write('alone')
  expect(await authors()).toEqual([['alone', 'database', 'postgres', null]])
})
