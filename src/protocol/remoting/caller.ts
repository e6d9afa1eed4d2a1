/**
 * A connection that this side opens: of a broker to its name servers. Used both ways, like any other.
 *
 * Not here: when to connect again.
 */
import { connect, type Socket } from 'node:net'
import { errnoOf, VarveError } from '../../base/index.ts'
import { addressesOf } from './addresses.ts'
import { RESPONSE } from './codes.ts'
import { SocketConnection } from './connection.ts'
import type { RemotingConnection, RemotingRequest } from './connection-api.ts'
import { ConnectionSet } from './connection-set.ts'
import type { ConnectOptions } from './listener-api.ts'
import { Transport } from './transport.ts'

/** @throws VarveError PEER_UNREACHABLE */
export async function connectRemoting(options: ConnectOptions): Promise<RemotingConnection> {
  const { host, port, connectTimeoutMs, onRequest = answerUnsupported, limits, log, clock } = options
  const socket = await connected(host, port, connectTimeoutMs)
  const addresses = addressesOf(socket)
  if (addresses === undefined) throw new VarveError('PEER_UNREACHABLE', { host, port, errno: 'ECONNRESET' })
  const set = new ConnectionSet({ onRequest, log, clock, ...(limits === undefined ? {} : { limits }) })
  const connection = new SocketConnection(Transport.overStream(socket), addresses, set)
  connection.onClosed(() => set.stop())
  return connection
}

function connected(host: string, port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true })
    const fail = (errno: string, cause?: unknown) => {
      clearTimeout(timer)
      socket.destroy()
      reject(new VarveError('PEER_UNREACHABLE', { host, port, errno }, { cause }))
    }
    const timer = setTimeout(() => fail('ETIMEDOUT'), timeoutMs)
    socket.once('error', error => fail(errnoOf(error), error))
    socket.once('connect', () => {
      clearTimeout(timer)
      resolve(socket)
    })
  })
}

function answerUnsupported(request: RemotingRequest, connection: RemotingConnection): void {
  if (request.isOneway) return
  connection
    .begin(request.opaque, RESPONSE.REQUEST_CODE_NOT_SUPPORTED, ` request type ${request.code} not supported`)
    .end()
}
