import { verifyWiring } from 'daybook/capture/postgres'
import { Client, Pool } from 'daybook/connection/pg'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgres, type Place } from './place.ts'

/** How the docs say that a library runs SQL, on its own connections. */
export interface Runner {
  readonly run: (sql: string) => unknown
  close(): Promise<unknown>
}

/** What `verifyWiring` tells of a library: nothing where it is wired, and that the context is lost where it has another driver. */
export function describeWiring(
  name: string,
  open: (driver: typeof pg, connectionString: string) => Promise<Runner> | Runner,
): void {
  describe(`${name}, asked whether it is wired`, () => {
    let place: Place
    beforeAll(async () => {
      place = await openPostgres()
    })
    afterAll(() => place.close())

    const codes = async (driver: typeof pg) => {
      const { run, close } = await open(driver, place.options.connectionString)
      const { findings } = await verifyWiring(run)
      await close()
      return findings.map(({ code }) => code)
    }

    test('B31 is told to carry the context, and not to where it has another driver', async () => {
      expect(await codes({ ...pg, Client, Pool })).toEqual([])
      expect(await codes(pg)).toEqual(['context_not_carried'])
    })
  })
}
