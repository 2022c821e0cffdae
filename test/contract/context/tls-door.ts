import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0

/** Speaks TLS in front of a server that doesn't, as PostgreSQL does it. */
export interface TlsDoor {
  readonly url: string
  readonly certificate: string
  /** How many connections there were whose client took the certificate. */
  encrypted(): number
  close(): Promise<void>
}

const YES = 'S'

export async function openTlsDoor(serverUrl: string): Promise<TlsDoor> {
  const server = new URL(serverUrl)
  const { key, cert } = makeCertificate()
  const sockets = new Set<Socket>()
  let encrypted = 0
  const door = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => {
      socket.write(YES)
      const secure = new TLSSocket(socket, { isServer: true, key, cert })
      const upstream = connect(Number(server.port), server.hostname).on('error', () => {})
      sockets.add(upstream)
      secure.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
      upstream.on('close', () => socket.destroy())
      secure.once('data', (first) => {
        encrypted += 1
        upstream.write(first)
        secure.pipe(upstream).pipe(secure)
      })
    })
  })
  await new Promise<void>((done, fail) => door.once('error', fail).listen(0, '127.0.0.1', done))
  const url = new URL(serverUrl)
  url.port = String((door.address() as { port: number }).port)
  return {
    url: url.href,
    certificate: cert,
    encrypted: () => encrypted,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((done) => door.close(done))
    },
  }
}

/** For `localhost`, which is what a client asks for that goes by an address. */
function makeCertificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-tls-'))
  const [key, cert] = ['key', 'cert'].map((name) => join(folder, name)) as [string, string]
  try {
    const options = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost']
    const names = ['-addext', 'subjectAltName=DNS:localhost']
    const made = spawnSync('openssl', ['req', ...options, ...names, '-keyout', key, '-out', cert], { encoding: 'utf8' })
    if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`)
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
