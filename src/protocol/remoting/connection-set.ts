/**
 * What the connections of one listener (or the one of a caller) share: limits, buffers, the objects that are lent out for
 * reading and writing one frame, counters, and the timer that finds what is too late.
 *
 * Invariant: a connection is in the set from its first to its last event.
 */
import { type Clock, type Log, secondMs } from '../../base/index.ts'
import { BufferPool } from './buffer-pool.ts'
import type { RemotingConnection } from './connection-api.ts'
import { FrameWriter } from './frame-writer.ts'
import { REMOTING_LIMITS, type RemotingLimits } from './limits.ts'
import type { AnswerObserver, RequestHandler } from './listener-api.ts'
import { ReceivedHeader } from './received-header.ts'

/** Times are as exact as this. */
const SWEEP_MS = 250
/** Of each reason for closing a connection so many are logged in a minute; a flood is counted, not written down. */
const LOGGED_PER_REASON_MAX = 10
const LOG_WINDOW_MS = 60 * secondMs

/** What the set asks of a connection. */
export interface SweptConnection extends RemotingConnection {
  sweep(nowMs: number): void
  destroy(): void
}

export interface ConnectionSetOptions {
  readonly onRequest: RequestHandler
  readonly onAnswer?: AnswerObserver
  readonly limits?: Partial<RemotingLimits>
  readonly log: Log
  readonly clock: Clock
}

export class ConnectionSet {
  readonly limits: RemotingLimits
  readonly log: Log
  readonly clock: Clock
  readonly onRequest: RequestHandler
  readonly onAnswer: AnswerObserver | undefined
  readonly pool = new BufferPool()
  /** Read anew for each frame. */
  received = new ReceivedHeader()
  readonly writer = new FrameWriter()
  /** To be changed by `add` and `remove` alone. */
  readonly connections = new Set<SweptConnection>()
  readonly counters = {
    accepted: 0,
    refused: 0,
    requests: 0,
    bytesRead: 0,
    bytesWritten: 0,
    closedBecause: new Map<string, number>()
  }
  readonly #timer: NodeJS.Timeout
  readonly #logged = new Map<string, number>()
  #logWindowFromMs = 0
  #emptied: (() => void)[] = []

  constructor({ onRequest, onAnswer, limits, log, clock }: ConnectionSetOptions) {
    this.onRequest = onRequest
    this.onAnswer = onAnswer
    this.limits = { ...REMOTING_LIMITS, ...limits }
    this.log = log
    this.clock = clock
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS)
    this.#timer.unref()
  }

  add(connection: SweptConnection): void {
    this.connections.add(connection)
  }

  remove(connection: SweptConnection): void {
    this.connections.delete(connection)
    if (this.connections.size > 0) return
    for (const emptied of this.#emptied.splice(0)) emptied()
  }

  /** What has just been read, for good. */
  keepReceived(): ReceivedHeader {
    const kept = this.received
    kept.ownBytes()
    this.received = new ReceivedHeader()
    this.received.begunMs = kept.begunMs
    return kept
  }

  /** Resolves once the last event of the last connection has passed. */
  async empty(): Promise<void> {
    if (this.connections.size === 0) return
    await new Promise<void>(resolve => this.#emptied.push(resolve))
  }

  sweep(): void {
    const nowMs = this.clock.monotonicMs()
    for (const connection of this.connections) connection.sweep(nowMs)
    if (nowMs - this.#logWindowFromMs < LOG_WINDOW_MS) return
    this.#logWindowFromMs = nowMs
    for (const [reason, count] of this.#logged) {
      if (count > LOGGED_PER_REASON_MAX)
        this.log.warn('more peers closed', { reason, count: count - LOGGED_PER_REASON_MAX })
    }
    this.#logged.clear()
  }

  /** Counts, and tells the log unless it has been told often of the same. */
  closing(peer: string, reason: string, level: 'warn' | 'debug'): void {
    const { closedBecause } = this.counters
    closedBecause.set(reason, (closedBecause.get(reason) ?? 0) + 1)
    const logged = (this.#logged.get(reason) ?? 0) + 1
    this.#logged.set(reason, logged)
    if (logged <= LOGGED_PER_REASON_MAX) this.log[level]('peer closed', { peer, reason })
  }

  /** The connections that there are go on; their times are not looked at any more. */
  stop(): void {
    clearInterval(this.#timer)
  }
}
