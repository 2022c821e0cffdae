import { once } from 'node:events'
import type { Server } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import { DaybookError } from '../core/errors.ts'

/** Where a server listens. */
export interface Place {
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
}

/**
 * Starts a server and gives the address of its pages, such as `http://127.0.0.1:4600`.
 * @throws DaybookError `port_in_use` where it may not have the port; `invalid_option` for an address that this machine doesn't have.
 */
export async function listen(server: Server, { host, port }: Place): Promise<{ origin: string; port: number }> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    throw listenError(error, { host, port })
  }
  const given = (server.address() as AddressInfo).port
  return { origin: `http://${isIPv6(host) ? `[${host}]` : host}:${given}`, port: given }
}

function listenError(error: unknown, { host, port }: Place): unknown {
  const { code } = error as NodeJS.ErrnoException
  const options = { cause: error, details: { port } }
  switch (code) {
    case 'EADDRINUSE':
      return new DaybookError(
        'port_in_use',
        `Port ${port} is in use by another program. Name another one with --port, or leave it out.`,
        options,
      )
    case 'EACCES':
      return new DaybookError(
        'port_in_use',
        `Port ${port} may not be opened by this user. Name a higher one with --port.`,
        options,
      )
    case 'EADDRNOTAVAIL':
      return new DaybookError(
        'invalid_option',
        `This machine does not have the address ${host}: --host must be one of its own.`,
        options,
      )
    default:
      return error
  }
}

/** Goes on until the process is asked to stop (SIGINT, SIGTERM) and what is being answered is done, or has had `graceMs` for it. A second signal ends it at once. */
export async function untilStopped(server: Server, graceMs = 5_000): Promise<void> {
  const stop = () => {
    server.close()
    setTimeout(() => server.closeAllConnections(), graceMs).unref()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  await once(server, 'close')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, stop)
}
