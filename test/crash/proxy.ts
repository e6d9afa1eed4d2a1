/**
 * A bad network between clients and a server: each connection through it has one fault, chosen at random. Bytes come one by
 * one, late, or twice on a second connection; or the connection is cut or reset in the middle of a frame of either side.
 */
import { createConnection, createServer, type Socket } from 'node:net'
import type { Random } from '../../src/base/index.ts'

export const FAULTS = ['none', 'pieces', 'late', 'twice', 'cut', 'reset'] as const
export type NetworkFault = (typeof FAULTS)[number]

export interface BadNetwork {
  readonly port: number
  /** Connections so far, by their fault. */
  readonly counts: Readonly<Record<NetworkFault, number>>
  close(): Promise<void>
}

export interface ProxyOptions {
  readonly target: number
  readonly random: Random
  /** For controls: sees and may change what clients say. */
  readonly requests?: ((chunk: Buffer) => Buffer) | undefined
}

/** So many bytes of each side come one by one; all of a load would take for ever. */
const PIECES_MAX = 4_000
const LATE_MS_MAX = 40
/** A connection is cut after at most so many bytes of one side. */
const CUT_AFTER_MAX = 60_000

export async function startProxy({ target, random, requests = chunk => chunk }: ProxyOptions): Promise<BadNetwork> {
  const counts = Object.fromEntries(FAULTS.map(fault => [fault, 0])) as Record<NetworkFault, number>
  const sockets = new Set<Socket>()
  const track = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    return socket
  }
  const server = createServer(client => {
    const fault = random.pick(FAULTS)
    counts[fault]++
    const upstream = track(createConnection({ host: '127.0.0.1', port: target }))
    track(client)
    const pair = { client, upstream, random: random.fork() }
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    const copy = fault === 'twice' ? track(createConnection({ host: '127.0.0.1', port: target })) : undefined
    if (copy !== undefined) {
      copy.resume()
      client.on('close', () => copy.destroy())
      client.on('data', chunk => copy.destroyed || copy.write(chunk))
    }
    carry(client, upstream, fault, pair, requests)
    carry(upstream, client, fault, pair)
  })
  await new Promise<void>(resolve => server.listen({ host: '127.0.0.1', port: 0 }, resolve))
  return {
    port: (server.address() as { port: number }).port, // It listens on a port.
    counts,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    }
  }
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  readonly random: Random
}

function carry(
  from: Socket,
  to: Socket,
  fault: NetworkFault,
  { client, upstream, random }: Pair,
  change: (chunk: Buffer) => Buffer = chunk => chunk
): void {
  let carried = 0
  const ends = fault === 'cut' || fault === 'reset'
  const endsAfter = ends ? random.between(1, CUT_AFTER_MAX) : Number.POSITIVE_INFINITY
  let last: Promise<void> = Promise.resolve()
  from.on('data', (raw: Buffer) => {
    const chunk = change(raw)
    const left = endsAfter - carried
    carried += chunk.length
    const part = left >= chunk.length ? chunk : chunk.subarray(0, Math.max(0, left))
    last = last.then(() => pass(to, part, fault, carried, random))
    if (left > chunk.length) return
    void last.then(() => {
      if (fault === 'reset') client.resetAndDestroy()
      client.destroy()
      upstream.destroy()
    })
  })
}

/** Writes the bytes on, in the way of the fault. */
async function pass(to: Socket, bytes: Buffer, fault: NetworkFault, carried: number, random: Random): Promise<void> {
  if (fault === 'late') await new Promise(resolve => setTimeout(resolve, random.below(LATE_MS_MAX)))
  if (to.destroyed) return
  if (fault !== 'pieces' || carried > PIECES_MAX) return void to.write(bytes)
  for (let at = 0; at < bytes.length && !to.destroyed; at++) {
    to.write(bytes.subarray(at, at + 1))
    await new Promise(resolve => setImmediate(resolve))
  }
}
