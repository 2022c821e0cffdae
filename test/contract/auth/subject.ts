import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import type { Express } from 'express'
import type { Pool } from '../../../src/connection/pg.ts'
import type { Daybook } from '../../../src/daybook.ts'
import type { Visitor } from '../../auth/visitor.ts'

/** What a library for signing in is given to work with. */
export interface Host {
  readonly application: Express
  readonly url: string
  readonly pool: Pool
  readonly daybook: Daybook
}

/** Somebody with an account. `id` and `label` are how the log calls them. */
export interface Person {
  readonly id: string
  readonly label: string
  readonly password: string
}

/** One library for signing in, as the suite uses it. */
export interface AuthSubject {
  /** Makes its tables, mounts its routes, and says which tables hold people, and by which query their hashes are read. */
  mount(host: Host): Promise<{ readonly tables: readonly string[]; readonly hashes: string }>
  /** Makes an account in the database, without signing in. */
  addPerson(name: string): Promise<Person>
  /** Signs in over HTTP. */
  signIn(
    visitor: Visitor,
    name: string,
    password: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>
  signOut(visitor: Visitor): Promise<Response>
  changePassword(visitor: Visitor, person: Person, password: string): Promise<Response>
  removePerson(person: Person): Promise<void>
  /** What a response tells: whether somebody was let in. */
  isSignedIn(response: Response): boolean
  /** A failed sign-in stands in the account's timeline. */
  readonly seesAccount: boolean
}

/** Accounts of an application that keeps its own, for libraries that leave this to it. */
export class Accounts {
  readonly #pool: Pool

  constructor(pool: Pool) {
    this.#pool = pool
  }

  static async create(pool: Pool): Promise<Accounts> {
    await pool.query(
      'create table account (id int generated always as identity primary key, email text unique, password_hash text)',
    )
    return new Accounts(pool)
  }

  async add(email: string, password: string): Promise<Person> {
    const { rows } = await this.#pool.query('insert into account (email, password_hash) values ($1, $2) returning id', [
      email,
      hashOf(password),
    ])
    return { id: String(rows[0].id), label: email, password }
  }

  async find(email: unknown, password: unknown): Promise<Account | undefined> {
    if (typeof email !== 'string' || typeof password !== 'string' || email.includes('\0')) return undefined
    const { rows } = await this.#pool.query('select id, email, password_hash from account where email = $1', [email])
    return rows[0] && isHashOf(rows[0].password_hash, password) ? rows[0] : undefined
  }

  async get(id: unknown): Promise<Account | undefined> {
    return (await this.#pool.query('select id, email from account where id = $1', [id])).rows[0]
  }

  async remove(id: unknown): Promise<void> {
    await this.#pool.query('delete from account where id = $1', [id])
  }

  async setPassword(id: unknown, password: string): Promise<void> {
    await this.#pool.query('update account set password_hash = $2 where id = $1', [id, hashOf(password)])
  }
}

export interface Account {
  readonly id: number
  readonly email: string
}

/** Cheap on purpose: many sign in at once. */
export function hashOf(password: string, salt = randomBytes(8).toString('hex')): string {
  return `${salt}:${scryptSync(password, salt, 32, { N: 2 }).toString('hex')}`
}

export function isHashOf(hash: string, password: string): boolean {
  const [salt = ''] = hash.split(':')
  return timingSafeEqual(Buffer.from(hash), Buffer.from(hashOf(password, salt)))
}
