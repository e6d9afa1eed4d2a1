/**
 * A live listener with a settable clock, and peers that speak to it over real sockets: an honest one, and raw ones that
 * send whatever they are told.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { openLog } from '../../src/base/index.ts'
import {
  connectRemoting,
  type ListenOptions,
  listenRemoting,
  RESPONSE,
  type RemotingConnection,
  type RemotingListener,
  type RequestHandler
} from '../../src/protocol/index.ts'
import { SettableClock } from '../support/settable-clock.ts'
import { framesIn, type ReadFrame } from './frames.ts'

export const HOST = '127.0.0.1'
const CALL_TIMEOUT_MS = 60_000

export interface Place extends AsyncDisposable {
  readonly listener: RemotingListener
  readonly clock: SettableClock
  readonly logged: string[]
  readonly port: number
  honest(): Promise<RemotingConnection>
  raw(): Promise<RawPeer>
}

/** Answers every request with its body, and with its remark if it has one. */
export const echo: RequestHandler = (request, connection) => {
  if (request.isOneway) return
  connection.begin(request.opaque, RESPONSE.SUCCESS, request.remark).endWith(request.body)
}

export async function listening(options: Partial<ListenOptions> = {}): Promise<Place> {
  const clock = new SettableClock()
  const logged: string[] = []
  const log = openLog({ sink: line => logged.push(line), clock, level: 'debug' })
  const listener = await listenRemoting({
    host: HOST,
    port: 0,
    onRequest: echo,
    connectionsMax: 1000,
    log,
    clock,
    ...options
  })
  const { port } = listener.address
  const peers: RawPeer[] = []
  return {
    listener,
    clock,
    logged,
    port,
    honest: () => connectRemoting({ host: HOST, port, connectTimeoutMs: CALL_TIMEOUT_MS, log, clock }),
    raw: async () => {
      const peer = await RawPeer.connected(port)
      peers.push(peer)
      return peer
    },
    [Symbol.asyncDispose]: async () => {
      for (const peer of peers) peer.socket.destroy()
      await listener.close({ drainMs: 0 })
    }
  }
}

/** Throws unless the connection still answers, and answers right. */
export async function expectServed(connection: RemotingConnection, text = 'are you there?'): Promise<void> {
  const answer = await connection.call(1, {}, { body: Buffer.from(text), timeoutMs: CALL_TIMEOUT_MS })
  if (Buffer.from(answer.body).toString() !== text) throw new Error('the answer is not the body that was sent')
}

export class RawPeer {
  readonly socket: Socket
  readonly #frames: ReadFrame[] = []
  #rest = Buffer.alloc(0)
  #isClosed = false
  #changed: () => void = () => undefined

  static async connected(port: number): Promise<RawPeer> {
    const socket = connect({ host: HOST, port, noDelay: true })
    await once(socket, 'connect')
    return new RawPeer(socket)
  }

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined) // A reset is one of the ways in which a listener ends a connection.
    socket.on('data', piece => this.#take(piece as Buffer))
    socket.on('close', () => {
      this.#isClosed = true
      this.#changed()
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(...pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) this.socket.write(piece)
  }

  /** So many answers, in the order in which they came; throws if the connection ends before. */
  async answers(count: number): Promise<ReadFrame[]> {
    while (this.#frames.length < count && !this.#isClosed) await this.#change()
    if (this.#frames.length < count) throw new Error(`closed after ${this.#frames.length} of ${count} answers`)
    return this.#frames.splice(0, count)
  }

  async closed(): Promise<void> {
    while (!this.#isClosed) await this.#change()
  }

  #take(piece: Buffer): void {
    const { frames, rest } = framesIn(Buffer.concat([this.#rest, piece]))
    this.#frames.push(...frames)
    this.#rest = Buffer.from(rest)
    this.#changed()
  }

  #change(): Promise<void> {
    return new Promise(resolve => {
      this.#changed = resolve
    })
  }
}
