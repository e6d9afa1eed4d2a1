/** What the answers to requests are made of, and the form of those who make them. */
import type { Log } from '../base/index.ts'
import type { RemotingConnection, RemotingRequest } from '../protocol/index.ts'
import type { AddressOf } from './answers.ts'
import type { KvConfig } from './kv-config.ts'
import type { Reply } from './reply.ts'
import type { RouteTable } from './route-table.ts'
import type { NameServerSettings } from './settings.ts'

export interface ServerParts {
  readonly routes: RouteTable<RemotingConnection>
  readonly kv: KvConfig
  readonly settings: NameServerSettings
  readonly log: Log
  /** Monotonic. */
  readonly nowMs: () => number
  /** False while brokers may still be missing (`needWaitForService`). */
  readonly isReady: () => boolean
  readonly addressesFor: (connection: RemotingConnection) => AddressOf
  /** The connection carries a registration from now on. */
  readonly watch: (connection: RemotingConnection) => void
}

/** Answers, at once or later. What it throws, or its promise is rejected with, becomes the answer. */
export type Handler = (parts: ServerParts, request: RemotingRequest, reply: Reply) => void | Promise<void>

/** By code of the request. */
export type Handlers = readonly (readonly [code: number, handler: Handler])[]
