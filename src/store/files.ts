/**
 * The store's door to the disk, as an interface.
 *
 * Production hands in real files (real-files.ts: mapped through mmap-io or the native bindings, or plain reads and
 * writes); tests hand in a simulated disk that loses what was not synced, or a wrapper that injects failures. All
 * methods are synchronous, because all but the fastest are called from worker threads. Every failure of the system is
 * thrown as a `VarveError` that names operation, path and errno (`systemError` in base).
 *
 * Durability is explicit: bytes are safe after `sync` of their range, sizes and allocations after `syncAll`, names
 * after `syncDirectory` of the directory that holds them. Nothing else in Varve makes data durable.
 */

export type MapperKind = 'mmap-io' | 'native' | 'plain'

export interface FileFacts {
  readonly isDirectory: boolean
  readonly sizeBytes: number
  /** Bytes that the file really occupies; differs from its size when it is sparse. */
  readonly allocatedBytes: number
  readonly modifiedMs: number
  /** Changes whenever somebody else replaces the file; part of the token by which a clean close is recognised. */
  readonly inode: number
}

export interface DiskSpace {
  /** What is used and what is available: blocks that are kept for the superuser are neither, or a disk would seem to fill up early. */
  readonly totalBytes: number
  /** What this process may still use (not what the superuser may). */
  readonly availableBytes: number
}

export interface Files {
  /** Which way files are mapped, and why that one: for `store.info()` and `varve doctor`. */
  readonly mapper: MapperKind
  readonly mapperReason: string

  /** Names in a directory, sorted; none if it does not exist. */
  list(directory: string): string[]
  /** Facts of a file or directory, or undefined where there is none. */
  find(path: string): FileFacts | undefined
  /** With all missing parents. Like any name, each is durable only after `syncDirectory` of its parent. */
  makeDirectory(path: string): void
  /** `create` makes an empty file when there is none; without it a missing file is an error. */
  open(path: string, mode: 'read' | 'write' | 'create'): OpenFile
  /** Replaces `to` atomically. */
  rename(from: string, to: string): void
  /** A missing file is no error. */
  remove(path: string): void
  /** With everything in it; a missing one is no error. */
  removeDirectory(path: string): void
  syncDirectory(path: string): void
  /** Makes every file below the root durable with one call where the system has it; false where it does not. */
  syncFileSystem(path: string): boolean
  space(path: string): DiskSpace
  /** Of the mount that the path is on: no two mounts of one run of the system have the same. Undefined where it does not tell. */
  mountOf(path: string): number | undefined
  /** Takes the advisory lock that Java's `FileChannel.lock(0, 1)` respects. Throws STORE_LOCKED with the holder's pid. */
  lock(path: string): FileLock
}

export interface FileLock {
  release(): void
}

export interface OpenFile {
  readonly path: string
  sizeBytes(): number
  /** Reads at most `into.length` bytes from `at`; the count is smaller only at the end of the file. */
  read(into: Uint8Array, at: number): number
  /** The same, but without waiting for the disk: undefined if any byte of the range is not in memory. */
  readResident(into: Uint8Array, at: number): number | undefined
  /**
   * The first position from `at` on that may hold something else than zeros; undefined if nothing does up to the end. `at`
   * itself where that cannot be known without reading.
   */
  nextData(at: number): number | undefined
  /** Writes all of `from` at `at`. A full disk throws STORE_DISK_FULL; part of the range may then have been written. */
  write(from: Uint8Array, at: number): void
  /** Gives the range real blocks, so that writing to it through a mapping cannot run out of space. */
  allocate(at: number, bytes: number, options: { keepSize: boolean }): void
  setSize(bytes: number): void
  /** Gives the blocks of the range back; it reads as zeros afterwards. */
  punchHole(at: number, bytes: number): void
  /**
   * Makes bytes `[at, at + bytes)` durable. With `quickly` other bytes of the file may be written along, which is quicker
   * for a few bytes and slower for many. @throws STORE_SYNC_FAILED: final, a retry would report success.
   */
  sync(at: number, bytes: number, options?: { quickly: boolean }): void
  /** Makes all bytes, the size and the allocation durable. @throws STORE_SYNC_FAILED */
  syncAll(): void
  /** Starts writing the range to disk without waiting for it: a hint that promises nothing. */
  startWriting(at: number, bytes: number): void
  /** Asks for the range to be read into memory soon: a hint. */
  readAhead(at: number, bytes: number): void
  /** Maps the first `bytes` bytes. Only where `files.mapper` is not 'plain'. */
  map(bytes: number, mode: 'read' | 'write'): Mapping
  close(): void
}

/** A file in memory. Stays valid after the file is closed or removed, until `release`. */
export interface Mapping {
  /** Length 0 after `release`: reading through an old view finds nothing, it never crashes. */
  readonly bytes: Uint8Array
  readonly view: DataView
  /** For `prefault` from another thread; 0 where the mapping has no address (a simulated disk). */
  readonly address: number
  /** Whether every page of the range is in memory, so that touching it does not wait for the disk. */
  resident(at: number, bytes: number): boolean
  /** Unmaps at once and detaches every view made of `bytes`. Called once, by the thread that mapped. */
  release(): void
}

/**
 * Makes the pages of a range of a mapping of this process present and writable, so that the thread that appends takes
 * no page fault. Called from another thread than the one that mapped; false if the range is no longer mapped.
 */
export type Prefault = (address: number, bytes: number) => boolean

/**
 * Takes the whole pages of a range of a mapping of this process out of its page tables, bytes unchanged. Called before
 * a sync, from the thread that syncs: the system would otherwise write-protect each page by itself and interrupt, for
 * each, the thread that appends. False if the range is no longer mapped.
 */
export type DropPages = (address: number, bytes: number) => boolean
