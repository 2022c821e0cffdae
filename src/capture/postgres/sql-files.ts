import { readdirSync, readFileSync } from 'node:fs'

/** One `.sql` file of the schema. */
export interface SqlFile {
  readonly name: string
  readonly text: string
}

/** A step of the schema that is applied once. */
export interface Migration extends SqlFile {
  readonly version: number
}

function readFolder(folder: string): SqlFile[] {
  const url = new URL(`./${folder}/`, import.meta.url)
  return readdirSync(url)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, url), 'utf8') }))
}

/** The tables of the log, in the order in which they are applied, each once. */
export function readMigrations(): Migration[] {
  return readFolder('migrations').map((file) => ({ ...file, version: Number.parseInt(file.name, 10) }))
}

/** Roles before, view and functions after: written to be applied again at every installation. */
export function readFunctions(): SqlFile[] {
  return readFolder('functions')
}

export function readRoles(): string {
  return readFileSync(new URL('./roles.sql', import.meta.url), 'utf8')
}

/** What a superuser alone can install, and does nothing where it is run by another role. */
export function readEventTriggers(): string {
  return readFileSync(new URL('./event-triggers.sql', import.meta.url), 'utf8')
}
