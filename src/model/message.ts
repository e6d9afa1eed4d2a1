/** Messages as callers hand them in and get them back. Bytes on disk are in layout/. */
import type { PhysicalOffset, QueueOffset } from '../base/index.ts'

export interface HostAddress {
  /** IPv4 in dotted form or IPv6; never a name. */
  readonly address: string
  readonly port: number
}

export interface MessageInput {
  readonly topic: string
  /** Which queue of the topic, from 0. */
  readonly queueId: number
  /** A string is stored as UTF-8. */
  readonly body: Uint8Array | string
  /** Stored as property `TAGS`; consumers filter by it. */
  readonly tag?: string
  /** Stored as property `KEYS`, joined by single spaces; `messagesByKey` finds each of them. */
  readonly keys?: string | readonly string[]
  /** Further properties; or all of them as the encoded bytes of the format, which then go to disk unchanged. */
  readonly properties?: Readonly<Record<string, string>> | Uint8Array
  /** Opaque to the store. */
  readonly flag?: number
  /** Compression, transaction and batch bits; the address bits are set by the store whatever stands here. */
  readonly sysFlag?: number
  readonly bornAtMs?: number
  readonly bornHost?: HostAddress
  /** Differs from the store's own only in copies of an earlier record. */
  readonly storeHost?: HostAddress
  readonly reconsumeTimes?: number
  readonly preparedTransactionOffset?: number
}

/** Where a message went. Known at once; whether it is durable is another question (`Store.flushed`). */
export interface Appended {
  /** 0 for a prepared or rolled back message, which is in no queue. */
  readonly queueOffset: QueueOffset
  readonly physicalOffset: PhysicalOffset
  readonly sizeBytes: number
}

/** A message as read. Body and properties are copies and stay valid. */
export interface StoredMessage {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: QueueOffset
  readonly physicalOffset: PhysicalOffset
  /** Of the whole record. */
  readonly sizeBytes: number
  readonly body: Uint8Array
  readonly tag: string | undefined
  readonly keys: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  readonly flag: number
  readonly sysFlag: number
  readonly bodyChecksum: number
  readonly bornAtMs: number
  readonly bornHost: HostAddress
  readonly storedAtMs: number
  readonly storeHost: HostAddress
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
}
