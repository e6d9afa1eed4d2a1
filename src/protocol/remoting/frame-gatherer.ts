/**
 * Finds the frames in what a socket delivers. Frames that lie whole in one piece are read where they are; only one that
 * straddles pieces is gathered, in a buffer that grows with what has really arrived, not with what a length claims.
 *
 * Invariants:
 * - a length is checked before it is believed: as soon as its bytes are there, before memory is taken for it
 * - at most one frame is gathered; nothing is while none has begun
 *
 * Not here: what is in a frame but for its two sizes.
 */
import { FRAME_HEAD, FRAME_LENGTH_BYTES } from '../../layout/index.ts'
import { int32At } from './binary-header.ts'
import type { RemotingLimits } from './limits.ts'
import { type FrameFault, headerWordFault } from './received-header.ts'

export type StreamFault =
  | FrameFault
  | 'the length of the frame is out of range'
  | 'TLS, which this port does not speak'
  | 'HTTP, which this port does not speak'
  | 'the PROXY protocol, which this port does not speak'

/** The first piece of a frame that is gathered gets a buffer of at least so much. */
const GATHER_BYTES_MIN = 512

const TLS_HANDSHAKE = 0x16
const HTTP_METHODS = ['GET ', 'POST', 'PUT ', 'HEAD', 'DELE', 'OPTI', 'PATC', 'CONN', 'TRAC', 'PRI ']
const PROXY_BEGINNINGS = ['PROX', '\r\n\r\n']

const NO_BYTES = Buffer.alloc(0)

export class FrameGatherer {
  /** Why nothing more can be read. */
  fault: StreamFault | undefined
  /** Of a frame that has begun in an earlier piece: 0 until its length is known. */
  #frameBytes = 0
  /** A Buffer, as the pieces are: code that sees one kind of bytes runs faster. */
  #bytes = NO_BYTES
  #have = 0
  readonly #limits: RemotingLimits

  constructor(limits: RemotingLimits) {
    this.#limits = limits
  }

  /** Bytes of the frame that has begun and is not whole. */
  get gatheredBytes(): number {
    return this.#have
  }

  /** The gathered frame, once `gather` has said that it is whole; the buffer is its reader's. */
  takeWhole(): Buffer {
    const whole = this.#bytes.subarray(0, this.#have)
    this.#bytes = NO_BYTES
    this.#have = this.#frameBytes = 0
    return whole
  }

  /** The end of the frame that begins at `at` of a piece that ends at `until`, or -1 if it is not whole or is faulty. */
  endOfFrame(piece: Uint8Array, at: number, until: number): number {
    const left = until - at
    if (left < FRAME_LENGTH_BYTES) return -1
    const frameBytes = this.#check(piece, at, left)
    return frameBytes > left || this.fault !== undefined ? -1 : at + frameBytes
  }

  /** Keeps the rest of a piece in `[at, until)`: the beginning of a frame. */
  keep(piece: Uint8Array, at: number, until: number): void {
    const left = until - at
    if (left === 0) return
    this.#frameBytes = left < FRAME_LENGTH_BYTES ? 0 : FRAME_LENGTH_BYTES + int32At(piece, at)
    this.#reserve(left)
    this.#bytes.set(piece.subarray(at, until), 0)
    this.#have = left
  }

  /**
   * Adds what `piece`, which ends at `until`, has of the frame that has begun, from its first byte. Returns where the rest
   * of the piece begins; the frame is whole if `isWhole`.
   */
  gather(piece: Uint8Array, until: number): number {
    let at = 0
    if (this.#have < FRAME_HEAD.sizeBytes) {
      at = this.#add(piece, 0, until, FRAME_HEAD.sizeBytes)
      if (this.#have < FRAME_LENGTH_BYTES) return at
      this.#frameBytes = this.#check(this.#bytes, 0, this.#have)
      if (this.fault !== undefined) return at
    }
    return this.#add(piece, at, until, this.#frameBytes)
  }

  get isWhole(): boolean {
    return this.fault === undefined && this.#frameBytes > 0 && this.#have === this.#frameBytes
  }

  /** Until `wanted` bytes of the frame are there. */
  #add(piece: Uint8Array, at: number, until: number, wanted: number): number {
    const end = Math.min(until, at + wanted - this.#have)
    this.#reserve(this.#have + end - at)
    this.#bytes.set(piece.subarray(at, end), this.#have)
    this.#have += end - at
    return end
  }

  #reserve(bytesMin: number): void {
    if (bytesMin <= this.#bytes.length) return
    const doubled = Math.max(GATHER_BYTES_MIN, bytesMin * 2)
    const size = this.#frameBytes === 0 ? doubled : Math.max(bytesMin, Math.min(doubled, this.#frameBytes))
    const bytes = Buffer.allocUnsafeSlow(size)
    bytes.set(this.#bytes.subarray(0, this.#have))
    this.#bytes = bytes
  }

  /** The size of the frame at `at`, of which `left` bytes are there; sets `fault` if the two sizes are not to be believed. */
  #check(bytes: Uint8Array, at: number, left: number): number {
    const length = int32At(bytes, at)
    const frameBytes = FRAME_LENGTH_BYTES + length
    if (frameBytes < FRAME_HEAD.sizeBytes || frameBytes > this.#limits.frameBytesMax)
      this.fault = foreignProtocol(bytes, at) ?? 'the length of the frame is out of range'
    else if (left >= FRAME_HEAD.sizeBytes) {
      this.fault = headerWordFault(length, int32At(bytes, at + FRAME_HEAD.at.headerWord), this.#limits)
    }
    return frameBytes
  }
}

/** What the first bytes look like that are no length. */
function foreignProtocol(bytes: Uint8Array, at: number): StreamFault | undefined {
  if (bytes[at] === TLS_HANDSHAKE) return 'TLS, which this port does not speak'
  const beginning = String.fromCharCode(...bytes.subarray(at, at + FRAME_LENGTH_BYTES))
  if (HTTP_METHODS.includes(beginning)) return 'HTTP, which this port does not speak'
  if (PROXY_BEGINNINGS.includes(beginning)) return 'the PROXY protocol, which this port does not speak'
  return undefined
}
