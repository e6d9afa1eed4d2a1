/** How a server listens for remoting connections and how a client of another server opens one. */
import type { Server } from 'node:net'
import type { Clock, Log } from '../../base/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { RemotingConnection, RemotingRequest } from './connection-api.ts'
import type { RemotingLimits } from './limits.ts'

/**
 * Called once for each request, whole and checked. It answers with `connection.begin`, at once or later, unless the
 * request is oneway. It does not throw: what it throws ends the process.
 */
export type RequestHandler = (request: RemotingRequest, connection: RemotingConnection) => void

/** Told of each answer before it is written. It does not throw. */
export type AnswerObserver = (connection: RemotingConnection, opaque: number, code: number) => void

/** A port that is held and takes no connections yet. */
export interface ReservedPort {
  readonly server: Server
  readonly port: number
  /** Gives it back, if no listener has taken it over. */
  release(): void
}

export interface ListenOptions {
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
  /** Instead of `host` and `port`. */
  readonly reserved?: ReservedPort | undefined
  readonly onRequest: RequestHandler
  readonly onAnswer?: AnswerObserver
  readonly onConnected?: (connection: RemotingConnection) => void
  /** More are closed as soon as they are accepted. */
  readonly connectionsMax: number
  readonly limits?: Partial<RemotingLimits>
  readonly log: Log
  readonly clock: Clock
}

/** Since the listener was opened. */
export interface RemotingCounters {
  readonly accepted: number
  /** Beyond `connectionsMax`. */
  readonly refused: number
  readonly requests: number
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Connections that this side closed because of what the peer did or did not do, by reason. */
  readonly closedBecause: ReadonlyMap<string, number>
}

export interface RemotingListener {
  readonly address: HostAddress
  readonly connectionCount: number
  readonly counters: RemotingCounters
  connections(): Iterable<RemotingConnection>
  /** No new connections; those that there are go on. */
  stopAccepting(): void
  /** Closes what is too late by the clock. A timer calls it; a test that has set the clock may. */
  sweep(): void
  /** Stops accepting and reading, sends what has been written, and closes; after `drainMs` by force. */
  close(options: { readonly drainMs: number }): Promise<void>
}

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly connectTimeoutMs: number
  /** Requests of the peer; without it they are answered REQUEST_CODE_NOT_SUPPORTED. */
  readonly onRequest?: RequestHandler
  readonly limits?: Partial<RemotingLimits>
  readonly log: Log
  readonly clock: Clock
}
