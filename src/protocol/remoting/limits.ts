/** What a peer may cost before its connection is closed. */
import { KiB, MiB, secondMs } from '../../base/index.ts'

export interface RemotingLimits {
  /** Of a whole frame, its first four bytes included. Clients of RocketMQ hold to the same. */
  readonly frameBytesMax: number
  readonly headerBytesMax: number
  /** Header fields of one request. */
  readonly fieldCountMax: number
  /** A frame must be whole so long after its first byte … */
  readonly frameMs: number
  /** … and each so many bytes of it buy it one more second, so that a large frame on a slow line gets through. */
  readonly frameBytesPerSecondMin: number
  /** Nothing read and nothing written for so long. */
  readonly idleMs: number
  /** Above it nothing more is read from a peer until it has taken what waits for it. */
  readonly outputPauseBytes: number
  /** Above it a peer that does not read is closed. */
  readonly outputBytesMax: number
}

export const REMOTING_LIMITS: RemotingLimits = {
  frameBytesMax: 16 * MiB,
  headerBytesMax: 1 * MiB,
  fieldCountMax: 10_000,
  frameMs: 15 * secondMs,
  frameBytesPerSecondMin: 16 * KiB,
  idleMs: 120 * secondMs,
  outputPauseBytes: 1 * MiB,
  outputBytesMax: 64 * MiB
}
