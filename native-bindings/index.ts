/**
 * The one typed door to the addon: what Node's `fs` and mmap-io lack and a storage engine needs.
 *
 * Every call checks types, ranges and bounds in C++ and throws an Error whose `code` is the name of an errno (`ENOSPC`)
 * or one of these:
 * - ERR_VARVE_ARGUMENT: an argument of the wrong type or out of range; the caller is at fault
 * - ERR_VARVE_UNMAPPED: the address range does not lie inside one mapping (any more)
 * - ERR_VARVE_FILE_SHORT: a mapping beyond the end of the file was asked for; touching it would end the process
 * - ERR_VARVE_NOT_LOCKED: this thread does not hold the lock that it wants to give back
 *
 * Addresses are exact numbers, good in every thread of the process: a call by address holds its mapping while it works.
 *
 * Not here: what the store makes of these errors (src/store/mapping.ts), building the addon (build.mjs).
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * What `intactRecords` needs to know, in the order of its numbers. Fields are named by where they stand in a record, each
 * before the body. What differs between two records looked at with one plan: offsets, sizes, body and properties.
 */
export const RECORD_PLAN = [
  /** The records of `positions[from, until)`, the first of which has `queueOffset`. */
  'from',
  'until',
  /** Byte p of the log is `bytes[p - base]`. */
  'base',
  'queueOffset',
  'totalBytesAt',
  'magicAt',
  /** As 32 bits without a sign, as are those below. */
  'magic',
  'checksumAt',
  'queueIdAt',
  'queueId',
  'queueOffsetAt',
  'physicalOffsetAt',
  'sysFlagAt',
  /** The bits that tell what hosts there are, and which of them are set. */
  'hostBits',
  'hostBitsSet',
  /** The body begins behind it. */
  'bodyBytesAt',
  /** `bytes[topicFrom, topicUntil)` has the topic and the length before it. */
  'topicFrom',
  'topicUntil'
] as const

export interface Native {
  /** Maps the first `bytes` bytes of a file, shared. At most 4 GiB; the file must be that long. `path` is for messages. */
  map(file: number, bytes: number, writable: boolean, path: string): ArrayBuffer
  /** Detaches the buffer, so that every view of it has length 0, and unmaps. Only in the thread that mapped. */
  unmap(buffer: ArrayBuffer): void
  /**
   * Maps the first `bytes` bytes of a file of which mmap-io has mapped the first, as mmap-io did: same file, same
   * protection. `buffer` is mmap-io's and is detached, even if this fails; the result is unmapped by `unmap`. So V8 never
   * learns the size that mmap-io would have told it. `file` must be the one that mmap-io was given. EINVAL, with the
   * buffer left alone, if it shows no shared mapping; ENOTSUP outside of Linux.
   */
  widen(buffer: ArrayBuffer, file: number, bytes: number, writable: boolean, path: string): ArrayBuffer
  addressOf(bytes: Uint8Array): number
  /**
   * Makes the pages present and writable without changing a byte. False if the range is not mapped, or was released
   * while it went on; EFAULT if the file no longer has these pages; EACCES if the mapping is read-only.
   */
  prefault(address: number, bytes: number): boolean
  /** Makes the range durable, with the metadata that finds it again (msync). */
  syncRange(address: number, bytes: number): void
  /** Whether every page of the range is in memory. */
  resident(address: number, bytes: number): boolean
  /**
   * Takes the whole pages of a range out of the page tables of this process. Their bytes stay in memory and in the
   * file, and the next touch finds them there. Before a sync of many pages that another thread has written this saves
   * that thread one interruption a page. False if the range is not mapped.
   */
  dropPages(address: number, bytes: number): boolean
  /** Asks for the range to be read soon. False if it is not mapped. */
  readAhead(address: number, bytes: number): boolean

  /** Gives the range real blocks. ENOTSUP where the file system cannot. */
  allocate(file: number, at: number, bytes: number, keepSize: boolean): void
  /** Gives the blocks of the range back; it reads as zeros. */
  punchHole(file: number, at: number, bytes: number): void
  /** Makes a range of a file durable, with the metadata that finds it again. Nothing need be mapped. */
  syncFileBytes(file: number, at: number, bytes: number): void
  /** Starts writing the range back. Promises nothing. */
  startWriting(file: number, at: number, bytes: number): void
  /** Makes the bytes and the size of a file durable (fdatasync). */
  syncData(file: number): void
  syncDirectory(path: string): void
  /** Writes back the whole file system that holds the file. ENOTSUP outside of Linux. */
  syncFileSystem(file: number): void
  /** A number that no other mount gets while the system runs. Undefined before Linux 6.8 and outside of Linux. */
  mountOf(path: string): number | undefined
  /** Asks for the range to be read soon. */
  fileReadAhead(file: number, at: number, bytes: number): void
  /**
   * Reads without waiting for the disk; fewer bytes only at the end of the file. Undefined if some of the range is not
   * in memory. ENOTSUP where the file system cannot tell.
   */
  readNoWait(file: number, into: Uint8Array, at: number): number | undefined
  /**
   * The first position from `at` on that is not known to lie in a hole, or in blocks that were never written; undefined
   * if there is none. ENOTSUP where the file system cannot tell.
   */
  nextData(file: number, at: number): number | undefined

  /**
   * Opens or creates the file and takes the lock that Java's `FileChannel.lock(0, 1)` respects. `holderPid` is 0 if it
   * cannot be known, this process's own if another part of it has the lock. While the lock is held nothing else in this
   * process may open the file: closing any descriptor of it drops the lock.
   */
  lockFile(path: string): { file: number; holderPid?: never } | { holderPid: number; file?: never }
  /** Gives the lock back and closes the file. */
  unlockFile(file: number): void

  /** CRC-32 (zlib) of `bytes[from, until)`. */
  crc32(bytes: Uint8Array, from: number, until: number): number
  /** CRC-32 of the first `count` ranges, each two numbers (from, until), into the first `count` numbers of `into`. */
  crc32Many(bytes: Uint8Array, ranges: Float64Array, count: number, into: Uint32Array): void
  /**
   * How many records, from the first that the plan names, are what it and their places say, and have a body that matches
   * its checksum. The one at which it stops need not be damaged. Bytes are fetched ahead of being looked at.
   */
  intactRecords(bytes: Uint8Array, positions: Float64Array, sizes: Int32Array, plan: Float64Array): number

  /**
   * From now on a SIGBUS first writes a line with the file and the offset to stderr. Once per process; later calls do
   * nothing.
   */
  installSigbusHandler(): void
}

export type NativeBindings =
  | { readonly native: Native; readonly path: string }
  | { readonly native: undefined; readonly reason: string }

let loaded: NativeBindings | undefined

/** Loads the addon, once per thread. Never throws: where it cannot be had, `reason` says why in one sentence. */
export function loadNative(): NativeBindings {
  loaded ??= load()
  return loaded
}

function load(): NativeBindings {
  const candidates = binaryPaths().filter(existsSync)
  if (candidates.length === 0) {
    return {
      native: undefined,
      reason: `the native bindings are not built for ${process.platform}-${process.arch}: run \`npm run setup\``
    }
  }
  const require = createRequire(import.meta.url)
  const refusals: string[] = []
  for (const path of candidates) {
    try {
      const native: unknown = require(path)
      if (isComplete(native)) return { native, path }
      refusals.push(`${path} is older than this version of Varve`)
    } catch (error) {
      // Another C library or processor: the next binary may fit, and if none does the reason is told.
      refusals.push(error instanceof Error ? error.message : String(error))
    }
  }
  return { native: undefined, reason: `no binary of the native bindings loads here: ${refusals.join('; ')}` }
}

/** Where binaries may lie, best first: named by hand (for the sanitized build), shipped, compiled here. */
function binaryPaths(): string[] {
  const chosen = process.env.VARVE_NATIVE_BINDINGS
  if (chosen !== undefined && chosen !== '') return [chosen]
  const directory = join(packageRoot(), 'native-bindings')
  return [
    join(directory, 'prebuilds', `${process.platform}-${process.arch}`, 'varve.node'),
    join(directory, 'build', 'varve.node')
  ]
}

/** This file runs as source and, compiled, from a folder deeper: the package starts where package.json lies. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory)
    if (parent === directory) throw new Error('native-bindings: there is no package.json above this file')
    directory = parent
  }
  return directory
}

const entryPoints: Record<keyof Native, true> = {
  map: true,
  unmap: true,
  widen: true,
  addressOf: true,
  prefault: true,
  syncRange: true,
  resident: true,
  dropPages: true,
  readAhead: true,
  allocate: true,
  punchHole: true,
  syncFileBytes: true,
  startWriting: true,
  syncData: true,
  syncDirectory: true,
  syncFileSystem: true,
  mountOf: true,
  fileReadAhead: true,
  readNoWait: true,
  nextData: true,
  lockFile: true,
  unlockFile: true,
  crc32: true,
  crc32Many: true,
  intactRecords: true,
  installSigbusHandler: true
}

function isComplete(native: unknown): native is Native {
  if (typeof native !== 'object' || native === null) return false
  return Object.keys(entryPoints).every(name => typeof (native as Record<string, unknown>)[name] === 'function')
}
