/**
 * A port on which the remoting protocol is spoken.
 *
 * Invariant: after `close` has resolved nothing of it is left: no socket, no timer.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { errnoOf, VarveError } from '../../base/index.ts'
import type { HostAddress } from '../../model/index.ts'
import { addressesOf, hostAddress } from './addresses.ts'
import { SocketConnection } from './connection.ts'
import type { RemotingConnection } from './connection-api.ts'
import { ConnectionSet } from './connection-set.ts'
import type { ListenOptions, RemotingCounters, RemotingListener, ReservedPort } from './listener-api.ts'
import { portHolder } from './port-holder.ts'
import { Transport } from './transport.ts'

/** Connections that the system completes before this process has taken them. As Apache RocketMQ's. */
const BACKLOG = 1024

/**
 * Listens; resolves once connections are accepted.
 * @throws VarveError PORT_TAKEN, naming who listens there if that can be found out; ADDRESS_UNUSABLE
 */
export async function listenRemoting(options: ListenOptions): Promise<RemotingListener> {
  const server = options.reserved?.server ?? (await listening(options))
  server.removeAllListeners('connection')
  server.maxConnections = options.connectionsMax
  return new Listener(server, options)
}

/**
 * Takes a port for a listener that is opened later: until then who connects is turned away.
 * @throws VarveError PORT_TAKEN, ADDRESS_UNUSABLE
 */
export async function reservePort(place: { readonly host: string; readonly port: number }): Promise<ReservedPort> {
  const server = await listening(place)
  server.on('connection', socket => socket.destroy())
  const { port } = server.address() as AddressInfo // Of a server that listens on a port.
  return { server, port, release: () => server.close() }
}

async function listening({ host, port }: { readonly host: string; readonly port: number }): Promise<Server> {
  const server = createServer({ noDelay: true, pauseOnConnect: true })
  try {
    const listens = once(server, 'listening') // Rejects with the error, if that comes first.
    server.listen({ host, port, backlog: BACKLOG })
    await listens
    return server
  } catch (cause) {
    throw listenError(cause, host, port)
  }
}

/** What a failed attempt to listen is to its user, whatever the protocol. */
export function listenError(cause: unknown, host: string, port: number): VarveError {
  const errno = errnoOf(cause)
  if (errno !== 'EADDRINUSE') return new VarveError('ADDRESS_UNUSABLE', { host, port, errno }, { cause })
  return new VarveError('PORT_TAKEN', { host, port, holder: portHolder(port) ?? 'unknown' }, { cause })
}

class Listener implements RemotingListener {
  readonly address: HostAddress
  readonly #server: Server
  readonly #set: ConnectionSet
  readonly #onConnected: ((connection: RemotingConnection) => void) | undefined
  readonly #ended: Promise<unknown>
  #isAccepting = true

  constructor(server: Server, options: ListenOptions) {
    const { address, port } = server.address() as AddressInfo // Of a server that listens on a port.
    this.address = hostAddress(address, port)
    this.#server = server
    this.#ended = once(server, 'close')
    this.#set = new ConnectionSet(options)
    this.#onConnected = options.onConnected
    server.on('connection', socket => this.#accept(socket))
    server.on('drop', dropped => this.#refused(`${dropped?.remoteAddress}:${dropped?.remotePort}`))
    server.on('error', error => options.log.error('a connection could not be accepted', { error }))
  }

  get connectionCount(): number {
    return this.#set.connections.size
  }

  get counters(): RemotingCounters {
    return this.#set.counters
  }

  connections(): Iterable<RemotingConnection> {
    return this.#set.connections
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return
    this.#isAccepting = false
    this.#server.close()
  }

  sweep(): void {
    this.#set.sweep()
  }

  async close({ drainMs }: { readonly drainMs: number }): Promise<void> {
    this.stopAccepting()
    const { connections } = this.#set
    for (const connection of connections) connection.close('this side is closing')
    const force = setTimeout(() => {
      for (const connection of connections) connection.destroy()
    }, drainMs)
    await Promise.all([this.#ended, this.#set.empty()])
    clearTimeout(force)
    this.#set.stop()
  }

  #accept(socket: Socket): void {
    const addresses = addressesOf(socket)
    if (addresses === undefined) {
      socket.destroy()
      return
    }
    this.#set.counters.accepted++
    const connection = new SocketConnection(Transport.takeOver(socket), addresses, this.#set)
    this.#onConnected?.(connection)
  }

  #refused(peer: string): void {
    this.#set.counters.refused++
    this.#set.closing(peer, 'there are as many connections as are allowed', 'warn')
  }
}
