/**
 * Transport: a socket with two short cuts past the streams of Node, which cost more than all else that is done for a
 * small request (`broker/send-64x1` has figures).
 *
 * - What arrives at an accepted connection is read into one buffer for all of them. Node offers that (`onread`) for
 *   sockets that it connects; an accepted one is taken over by its handle.
 * - What is sent goes to the system in one call at once. Only what the system does not take, because the peer does not
 *   read, goes the way of the stream, which waits for it.
 *
 * Both need the handle behind a socket, which Node does not document. Where it is not as expected, and on Windows, where
 * a socket has no descriptor, the stream does all.
 *
 * Invariants:
 * - bytes handed to `arrived` are lent: the next piece, of whichever connection, is read over them
 * - nothing overtakes what waits in the stream, and nothing is written to a descriptor that may be closed
 */
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { KiB } from '../../base/index.ts'
import type { Sink } from './outgoing.ts'

/** Takes `bytes` in `[0, until)`. */
export type Arrived = (bytes: Buffer, until: number) => void

/** As much as a client with a full window sends at once: frames that two pieces share are copied. */
const INPUT_BYTES = 256 * KiB

/** What Node has behind a socket. */
interface Handle {
  readonly fd?: number
}
interface WithHandle {
  _handle?: Handle | null
}
/** Of a `Socket`, what its types leave out. */
const MadeOfHandle = Socket as unknown as new (options: {
  handle: Handle
  onread: { buffer: Buffer; callback: (bytes: number, buffer: Buffer) => boolean }
}) => Socket

/** One for the thread: it is read into and looked at without a pause. Made with the first connection. */
let input: Buffer | undefined

export class Transport implements Sink {
  readonly socket: Socket
  /** Told of what arrives; set by its user before the turn ends. */
  arrived: Arrived = nobody
  /** Undefined where there is no short cut for what is sent. */
  readonly #handle: Handle | undefined
  readonly #descriptor: number

  /** Of a socket whose data comes as events. */
  static overStream(socket: Socket): Transport {
    const transport = new Transport(socket)
    socket.on('data', (piece: Buffer) => transport.arrived(piece, piece.length))
    return transport
  }

  /** Of a socket that was accepted paused. It is not to be used any more: another one takes its place. */
  static takeOver(accepted: Socket): Transport {
    const { _handle: handle } = accepted as WithHandle
    if (handle === undefined || handle === null) {
      const transport = Transport.overStream(accepted)
      accepted.resume()
      return transport
    }
    ;(accepted as WithHandle)._handle = null
    input ??= Buffer.allocUnsafeSlow(INPUT_BYTES)
    const callback = (bytes: number, buffer: Buffer): boolean => {
      transport.arrived(buffer, bytes)
      return true
    }
    const transport = new Transport(new MadeOfHandle({ handle, onread: { buffer: input, callback } }))
    // The listener counts the one that it made.
    transport.socket.once('close', () => accepted.destroy())
    return transport
  }

  private constructor(socket: Socket) {
    const { _handle: handle } = socket as WithHandle
    const descriptor = handle?.fd ?? -1
    this.socket = socket
    this.#handle = descriptor >= 0 && handle !== null ? handle : undefined
    this.#descriptor = descriptor
  }

  get writableLength(): number {
    return this.socket.writableLength
  }

  writeNow(bytes: Buffer, until: number): number {
    const { socket } = this
    // A descriptor is good as long as the socket has the handle and has not begun to end.
    if (this.#handle === undefined || (socket as WithHandle)._handle !== this.#handle || !socket.writable) return 0
    try {
      return writeSync(this.#descriptor, bytes, 0, until)
    } catch {
      return 0 // There is no room, or the peer is gone: the stream waits, or hears the same and says so.
    }
  }

  write(bytes: Buffer, written: (error?: Error | null) => void): void {
    this.socket.write(bytes, written)
  }
}

function nobody(): void {
  // Nothing arrives before the turn ends in which the connection is made.
}
