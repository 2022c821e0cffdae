/** Whatever runs a statement: the application's pool, or the client of its transaction. */
interface Runner {
  query(text: string, values: unknown[]): Promise<unknown>
}

/** What is tested: the application's own code. */
export async function pay(database: Runner, id: number): Promise<void> {
  await database.query("update invoice set status = 'paid' where id = $1", [id])
}
