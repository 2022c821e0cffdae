// Run as a process of its own: opens the folder that it is given, says so, and holds it until it is ended.
import { openPglite } from '../../src/connection/pglite.ts'

const pglite = await openPglite({ folder: process.argv[2] ?? '' })
await pglite.database.query('create table if not exists kept (n int)')
await pglite.database.query('insert into kept values (1)')
process.stdout.write('open\n')
process.stdin.resume()
process.stdin.once('end', () => void pglite.close())
