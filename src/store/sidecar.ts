import type { Files } from './files.ts'
import type { DamagedRange } from './store-api.ts'

export interface StoreState {
  /** The sizes that the store was made with. */
  readonly segmentBytes: number
  readonly queueFileEntries: number
  readonly indexSlots: number
  readonly indexItems: number
  /** The log was surely good and on disk below this. */
  readonly durableUntil: number
  /** Appended, in the system's hands; means something only while `bootId` is that of the running system. */
  readonly seenUntil: number
  /** Where the index ended (`KeyIndex.endPhysicalOffset`); one that ends earlier now has lost a file. */
  readonly indexEndPhysicalOffset: number
  /** Of the system that ran when this was saved, or empty where there is none. */
  readonly bootId: string
  readonly clean: boolean
  /** What `ownerToken` returned: another answer now means that somebody else had the store open in between. */
  readonly ownerToken: string
  readonly savedAtMs: number
}
/** The newest whole state, or undefined if there is none. @throws STORE_FORMAT_NEWER */
export declare function readState(files: Files, directory: string): StoreState | undefined
export declare class StateFile {
  constructor(files: Files, directory: string)
  save(state: StoreState, options: { durable: boolean }): void
  close(): void
}
/** Take it after the last change to names in the root (the `abort` file), and save it; compare before any change. */
export declare function ownerToken(files: Files, directory: string): string
export declare function currentBootId(): string

export interface QueueRow {
  readonly topic: string
  readonly queueId: number
  readonly minOffset: number
  readonly maxOffset: number
  /** End of the record of the last entry in the commit log. */
  readonly maxPhysicalEnd: number
}
export interface QueueTable {
  /** The queues held exactly the records below this. */
  readonly untilPhysicalOffset: number
  /** Where the key index ended then (`KeyIndex.endPhysicalOffset`). */
  readonly indexEndPhysicalOffset: number
  readonly queues: readonly QueueRow[]
}
/** Undefined if it is missing or damaged. */
export declare function readQueueTable(files: Files, directory: string): QueueTable | undefined
// The lead needs these three (threads hand the encoded table around): encode and parse are pure; save is durable, all or nothing.
export declare function encodeQueueTable(table: QueueTable): Uint8Array
export declare function parseQueueTable(bytes: Uint8Array): QueueTable | undefined
/** First makes everything in the file system durable (`files.syncFileSystem`, else every queue and index file), then the table. */
export declare function saveQueueTable(files: Files, directory: string, encoded: Uint8Array): undefined
/** Durable, and all or nothing. */
export declare function writeQueueTable(files: Files, directory: string, table: QueueTable): void
export declare function removeQueueTable(files: Files, directory: string): void

export interface Seal {
  readonly base: number
  readonly usedBytes: number
  /** xxHash64 of the used bytes. */
  readonly hash: bigint
}
export declare class Seals {
  constructor(files: Files, directory: string)
  /** By base of the segment. */
  readonly entries: ReadonlyMap<number, Seal>
  /** Durable when it returns. */
  add(seal: Seal): void
  /** Forgets the seals of segments below `base`, or at and beyond `until`. */
  keep(range: { from: number; until: number }): void
  close(): void
}
export declare function readSeals(files: Files, directory: string): Map<number, Seal>

export declare function readDamage(files: Files, directory: string): DamagedRange[]
export declare function writeDamage(files: Files, directory: string, ranges: readonly DamagedRange[]): void
