/**
 * What one connection has still to send: frames are written into a buffer, and the buffer goes to the socket in one piece
 * when the turn ends or it is full.
 *
 * Invariants:
 * - without anything to send there is no buffer
 * - a buffer is given back once, after the system has taken its bytes
 * - `frameFrom ≤ at`: below `frameFrom` stand whole frames, from there the one being written
 *
 * Not here: what a frame looks like (frame-writer.ts); when the turn ends and what a peer that does not read comes to
 * (connection.ts).
 */
import { KiB } from '../../base/index.ts'
import { type BufferPool, NO_ROOM, type Room } from './buffer-pool.ts'

/** A frame that does not fit behind others takes at least so much, so that those that follow it fit as well. */
const BUFFER_BYTES_NEXT = 64 * KiB

export interface OutgoingEvents {
  /** So many bytes have gone to the socket, which may or may not have passed them on. */
  sent(bytes: number): void
  /** The system has taken bytes that it did not take at first. */
  drained(): void
}

/** What is used of a socket. */
export interface Sink {
  /** Bytes that were written and have not been passed to the system. */
  readonly writableLength: number
  /** Passes as much of `[0, until)` to the system as it takes without a wait, and returns how much; only if nothing waits. */
  writeNow(bytes: Buffer, until: number): number
  write(bytes: Buffer, written: (error?: Error | null) => void): unknown
}

export class Outgoing {
  room = NO_ROOM
  at = 0
  frameFrom = 0
  readonly #socket: Sink
  readonly #pool: BufferPool
  readonly #events: OutgoingEvents
  /** Buffers that the system has not taken yet, oldest first; undefined where it took one at once. */
  #underWay: (Room | undefined)[] = []

  constructor(socket: Sink, pool: BufferPool, events: OutgoingEvents) {
    this.#socket = socket
    this.#pool = pool
    this.#events = events
  }

  /** Bytes that the peer has not made room for, as far as this process knows. */
  get waitingBytes(): number {
    return this.#socket.writableLength
  }

  /** Makes room for `bytes` more from `at`. The frame being written may move to another buffer. */
  ensure(bytes: number): void {
    if (this.at + bytes > this.room.bytes.length) this.#move(bytes)
  }

  /** Hands all whole frames to the socket. */
  flush(): void {
    const { room, frameFrom } = this
    if (frameFrom === 0) return
    this.room = NO_ROOM
    this.at = this.frameFrom = 0
    this.#send(room, frameFrom)
  }

  /**
   * Nothing will be sent any more. Buffers that the socket has are left to it; one with a frame that is being written
   * stays until the next call, after its end.
   */
  discard(): void {
    this.#underWay = []
    if (this.at > this.frameFrom) return
    if (this.room !== NO_ROOM) this.#pool.give(this.room)
    this.room = NO_ROOM
    this.at = this.frameFrom = 0
  }

  #move(bytes: number): void {
    const { room: old, at, frameFrom } = this
    const begun = at - frameFrom
    const next = this.#pool.take(Math.max(begun + bytes, old === NO_ROOM ? 0 : BUFFER_BYTES_NEXT))
    const isRoomy = next.bytes.length >= at + bytes
    // Whole frames move along while they are few; else they leave now, so that nothing is copied twice.
    const from = isRoomy ? 0 : frameFrom
    next.bytes.set(old.bytes.subarray(from, at))
    this.room = next
    this.at = at - from
    this.frameFrom = frameFrom - from
    if (from > 0) this.#send(old, from)
    else if (old !== NO_ROOM) this.#pool.give(old)
  }

  #send(room: Room, until: number): void {
    const socket = this.#socket
    const from = socket.writableLength === 0 ? socket.writeNow(room.bytes, until) : 0
    if (from === until) this.#pool.give(room)
    else this.#sendLater(room, from, until)
    this.#events.sent(until)
  }

  #sendLater(room: Room, from: number, until: number): void {
    const socket = this.#socket
    socket.write(room.bytes.subarray(from, until), this.#written)
    const isTaken = socket.writableLength === 0
    if (isTaken) this.#pool.give(room)
    this.#underWay.push(isTaken ? undefined : room)
  }

  readonly #written = (error?: Error | null): void => {
    const room = this.#underWay.shift()
    if (room === undefined || error) return
    this.#pool.give(room)
    this.#events.drained()
  }
}
