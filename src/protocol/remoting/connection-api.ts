/**
 * What the remoting protocol offers to those who serve or send requests: one request as read, one response being
 * written, one connection.
 *
 * Everything here belongs to one thread. A request and a writer are lent, not given: both are reused.
 *
 * Not here: what any request means. Sockets and bytes are behind these interfaces.
 */
import type { HostAddress } from '../../model/index.ts'
import type { FieldName } from './field.ts'

/**
 * A request that has arrived: its head as numbers, its fields as positions, its body as a view.
 *
 * Valid until the handler that it was handed to returns; what is kept must be copied. Strings are made only where they
 * are asked for. Of a field that occurs twice the last counts; a field that is null or empty counts as absent for
 * numbers and flags.
 */
export interface RemotingHeader {
  /**
   * When it began to be looked at, by the monotonic clock. Who has served it moves this on: what came in the same piece
   * of input is looked at next, and a clock is no cheaper than the rest.
   */
  begunMs: number
  readonly code: number
  readonly flag: number
  /** Chosen by the sender, echoed in the answer. */
  readonly opaque: number
  /** An ordinal; versions.ts names those that matter. */
  readonly version: number
  /** `JAVA`, `GO` …; `OTHER` for a name that RocketMQ does not know. */
  readonly language: string
  readonly isOneway: boolean
  readonly isResponse: boolean
  readonly remark: string | undefined
  readonly fieldCount: number
  /** A view of the bytes as received, of length 0 without a body. */
  readonly body: Uint8Array

  isAbsent(field: FieldName): boolean
  text(field: FieldName): string | undefined
  /** The same bytes give the same string again, without decoding them: for names of topics and groups. */
  interned(field: FieldName): string | undefined
  /** @throws VarveError PARAMETER_INVALID if absent or not an integer of 32 bits, unless `otherwise` stands for absent */
  int(field: FieldName, otherwise?: number): number
  /** The same for 64 bits; beyond 2^53 the nearest number. */
  long(field: FieldName, otherwise?: number): number
  /** `true` in any case of letters; everything else, and absence, is false. */
  bool(field: FieldName): boolean
  /** UTF-8 without escapes, as a view of the received bytes. */
  bytesOf(field: FieldName): Uint8Array | undefined
  /** @throws VarveError PARAMETER_INVALID if absent or empty */
  requiredText(field: FieldName): string
  requiredInterned(field: FieldName): string
  /** Every field that has a value, in the order of the header. */
  eachField(visit: (name: string, value: string) => void): void
}

export type RemotingRequest = RemotingHeader

/** The answer to a request of ours. It owns its bytes and stays valid. */
export type RemotingAnswer = RemotingHeader

/** Fields of a request of ours. Undefined values are left out. */
export type FieldValues = Readonly<Record<string, string | number | boolean | undefined>>

/** A place for a body right behind its header: `bytes` from `at`, as many as were asked for. Write it at once. */
export interface BodyRoom {
  readonly bytes: Uint8Array
  readonly at: number
}

/**
 * Writes one frame into the output of its connection. From `begin` to one of the ends without a pause: what is begun
 * before an end, on whichever connection, takes the place of a frame whose writer has failed.
 */
export interface HeaderWriter {
  text(field: FieldName, value: string): this
  /** UTF-8, all of it or `[from, until)`, escaped on the way. */
  utf8(field: FieldName, value: Uint8Array, from?: number, until?: number): this
  int(field: FieldName, value: number): this
  /** An integer within ±2^53. */
  long(field: FieldName, value: number): this
  bool(field: FieldName, value: boolean): this
  /** For names that are known at run time only: fields that are passed on. */
  named(name: string, value: string): this
  end(): void
  endWith(body: Uint8Array): void
  /** The body follows in the room that is handed out; it must be filled before anything else is begun. */
  endHeader(bodyBytes: number): BodyRoom
}

export interface CallOptions {
  readonly body?: Uint8Array
  readonly timeoutMs: number
}

export interface RemotingConnection {
  /** Never used again within the process. */
  readonly id: number
  readonly remote: HostAddress
  readonly local: HostAddress
  readonly isOpen: boolean
  /** For whoever serves the connection. */
  attachment: unknown

  /** Opens the answer to request `opaque`. On a connection that has closed meanwhile it goes nowhere. */
  begin(opaque: number, code: number, remark?: string): HeaderWriter
  /**
   * A request to the peer, which it answers.
   * @throws VarveError PEER_TIMEOUT after `timeoutMs`; PEER_CLOSED if the connection is or gets closed
   */
  call(code: number, fields: FieldValues, options: CallOptions): Promise<RemotingAnswer>
  /** A request to the peer without an answer. On a closed connection it goes nowhere. */
  notify(code: number, fields: FieldValues, body?: Uint8Array): void
  /** Sends what has been written, then closes. `reason` is for logs and for those who hear of it. */
  close(reason: string): void
  /** Called once, when the connection is gone; at once if it is. */
  onClosed(callback: (reason: string) => void): void
}
