import { existsSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import pg from 'pg'
import { createCluster, embeddedPrograms } from '../test/postgres-cluster.ts'

/** Where Debian puts the oldest PostgreSQL that is promised. */
const DEBIAN_15 = '/usr/lib/postgresql/15/bin'

/** A server to measure on. */
export interface BenchServer {
  readonly url: string
  stop(): Promise<void>
}

/**
 * The servers that the claims are measured on, started one after the other: the one that `DAYBOOK_BENCH_SERVER` names, or PostgreSQL 15,
 * where it is installed, and the one of the devDependencies, with PostgreSQL's own settings.
 */
export async function* openServers(): AsyncGenerator<BenchServer> {
  const given = process.env.DAYBOOK_BENCH_SERVER
  if (given) {
    yield { url: given, stop: async () => {} }
    return
  }
  for (const programs of [...(existsSync(DEBIAN_15) ? [DEBIAN_15] : []), await embeddedPrograms()]) {
    const cluster = await createCluster(programs)
    await cluster.start()
    yield { url: cluster.url, stop: () => cluster.remove() }
  }
}

/** A fresh database for one claim. */
export async function createDatabase(serverUrl: string, name: string): Promise<string> {
  const client = new pg.Client(`${serverUrl}/postgres`)
  await client.connect()
  try {
    await client.query(`drop database if exists ${name} with (force)`)
    await client.query(`create database ${name}`)
  } finally {
    await client.end()
  }
  return `${serverUrl}/${name}`
}

/** What the numbers were measured on. */
export async function describeMachine(serverUrl: string): Promise<string> {
  const client = new pg.Client(`${serverUrl}/postgres`)
  await client.connect()
  const { rows } = await client.query<{ version: string }>("select current_setting('server_version') as version")
  await client.end()
  const processors = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `PostgreSQL ${rows[0]?.version}, Node ${process.versions.node}, ${processors.length} × ${processors[0]?.model.trim()}, ${memory} GiB`
}
