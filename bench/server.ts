import { cpus, totalmem } from 'node:os'
import pg from 'pg'
import { startPostgres } from '../test/postgres-server.ts'

/** The server that the claims are measured on: the one that `DAYBOOK_BENCH_SERVER` names, or the one of the devDependencies with PostgreSQL's own settings. */
export async function openServer() {
  const given = process.env.DAYBOOK_BENCH_SERVER
  const server = given ? undefined : await startPostgres({ flags: ['-c', 'fsync=on'] })
  const url = given ?? server?.url ?? ''
  return { url, stop: async () => server?.stop() }
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
