import type { Clock } from '../base/index.ts'
import type { Files } from './files.ts'

export interface KeyIndexOptions {
  readonly files: Files
  /** The `index` directory. */
  readonly directory: string
  /** `maxHashSlotNum` and `maxIndexNum`: an index keeps those it was made with, they are not recorded in it. */
  readonly slots: number
  readonly items: number
}

/** The writer's side: one thread, while the store is locked. */
export interface KeyIndex {
  /**
   * Every key of records below this is in the index, and perhaps some of the record that begins here. 0 if it is
   * empty. Dispatch may start anywhere at or below it: what is there already is passed over.
   */
  readonly endPhysicalOffset: number
  /** Set at opening if files were dropped because they were wrong: records from here on must be put again. */
  readonly rebuildFrom: number | undefined
  /** Store time of the last item of the newest full and synced file, 0 if none: for the checkpoint. */
  readonly fullFilesStoredAtMs: number
  /** Never twice the same (key, record). Throws STORE_DISK_FULL before anything is changed. */
  put(keyHash: number, physicalOffset: number, storedAtMs: number): void
  /** Hands what was put to the system, so that readers in other threads see it; no system call where files are mapped. */
  publish(): void
  /** Makes everything put so far durable. @throws STORE_SYNC_FAILED, for good */
  flush(): void
  /** Forgets every record at or beyond `physicalOffset`: the log was cut there. For a store whose system has not crashed. */
  truncateTo(physicalOffset: number): void
  /**
   * After a crash of the system: believes only items of records below `durableUntil`, where the last flush reached,
   * and builds the slots anew from them. Returns from where records must be put again.
   */
  rebuildTo(durableUntil: number): number
  /** Deletes files, never the newest, that have only records below it. Returns how many. */
  deleteBelow(minPhysicalOffset: number): number
  /** Publishes and lets go of the files; does not flush. */
  close(): void
}
export declare function openKeyIndex(options: KeyIndexOptions & { readonly clock: Clock }): KeyIndex

/** The reader's side: any thread, also while the writer goes on. */
export interface KeyIndexReader {
  /**
   * Physical offsets, newest first, each once. Other keys of the same hash are among them, and records up to a second
   * outside the times, because the index keeps seconds: compare both with the record.
   */
  query(query: KeyIndexQuery): number[]
  /** The same without waiting for the disk: undefined if it would have to. */
  queryResident(query: KeyIndexQuery): number[] | undefined
  close(): void
}
export interface KeyIndexQuery {
  readonly keyHash: number
  /** At most 64. */
  readonly countMax: number
  readonly fromMs: number
  readonly untilMs: number
  /** To go on after an earlier answer: only records before this one. */
  readonly belowPhysicalOffset?: number
}
export declare function openKeyIndexReader(options: KeyIndexOptions): KeyIndexReader

/** Hash of `topic + '#'`, to be kept by topic. */
export declare function topicKeyHash(topic: string): number
/** Hash of `topic + '#' + key` as the index wants it. */
export declare function keyHashOf(topicHash: number, key: string): number
/** Calls `sink` with the hash of each key of a record: UNIQ_KEY, then the pieces of KEYS. Allocates nothing. */
export declare function forEachKeyHash(
  properties: Uint8Array,
  from: number,
  until: number,
  topicHash: number,
  sink: (keyHash: number) => void
): void
