/**
 * A file through Node's own `fs`: what every mapper shares, and all that the plain one has.
 *
 * Without mappings a full disk is an error of `write`, so nothing must be allocated ahead: `allocate` only sets the
 * size. Whether a page is in memory cannot be asked, so `readResident` reads, and the hints do nothing.
 *
 * Not here: ranges (sync, holes, blocks), which need the native bindings (real-files.ts).
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync
} from 'node:fs'
import { assert, errnoOf, MiB, systemError, VarveError } from '../base/index.ts'
import type { Mapping, OpenFile } from './files.ts'

export type OpenMode = 'read' | 'write' | 'create'

const openFlags: Record<OpenMode, number> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT
}

/** One call of the system takes a signed 32-bit length. */
const CALL_BYTES_MAX = 1024 * MiB

export class PlainFile implements OpenFile {
  readonly path: string
  protected readonly file: number
  #open = true

  constructor(path: string, mode: OpenMode) {
    this.path = path
    this.file = this.attempt('open', () => openSync(path, openFlags[mode], 0o644))
  }

  sizeBytes(): number {
    return this.attempt('stat', () => fstatSync(this.file).size)
  }

  read(into: Uint8Array, at: number): number {
    return this.attempt('read', () => {
      let done = 0
      while (done < into.length) {
        const count = readSync(this.file, into, done, Math.min(into.length - done, CALL_BYTES_MAX), at + done)
        if (count === 0) break // The end of the file.
        done += count
      }
      return done
    })
  }

  readResident(into: Uint8Array, at: number): number | undefined {
    return this.read(into, at)
  }

  nextData(at: number): number | undefined {
    return at < this.sizeBytes() ? at : undefined
  }

  write(from: Uint8Array, at: number): void {
    this.attempt('write', () => {
      let done = 0
      while (done < from.length) {
        done += writeSync(this.file, from, done, Math.min(from.length - done, CALL_BYTES_MAX), at + done)
      }
    })
  }

  allocate(at: number, bytes: number, { keepSize }: { keepSize: boolean }): void {
    if (!keepSize && this.sizeBytes() < at + bytes) this.setSize(at + bytes)
  }

  setSize(bytes: number): void {
    this.attempt('truncate', () => ftruncateSync(this.file, bytes))
  }

  /** Gives blocks back only where the hole reaches the end of the file; elsewhere it writes zeros. */
  punchHole(at: number, bytes: number): void {
    const sizeBytes = this.sizeBytes()
    const until = Math.min(at + bytes, sizeBytes)
    if (until === sizeBytes && at < until) {
      this.setSize(at)
      this.setSize(sizeBytes)
      return
    }
    const zeros = new Uint8Array(Math.max(0, Math.min(until - at, MiB)))
    for (let from = at; from < until; from += zeros.length) {
      this.write(zeros.subarray(0, Math.min(zeros.length, until - from)), from)
    }
  }

  /** More than was asked for: `fs` can only take the whole file. */
  sync(_at: number, _bytes: number): void {
    this.attemptSync('fdatasync', () => fdatasyncSync(this.file))
  }

  syncAll(): void {
    this.attemptSync('fsync', () => fsyncSync(this.file))
  }

  startWriting(_at: number, _bytes: number): void {}

  readAhead(_at: number, _bytes: number): void {}

  map(_bytes: number, _mode: 'read' | 'write'): Mapping {
    throw new VarveError('NATIVE_UNAVAILABLE', { operation: 'map', path: this.path, mapper: 'plain' })
  }

  close(): void {
    assert(this.#open, 'a file is closed once')
    this.attempt('close', () => {
      this.#open = false // Also when it fails: the descriptor is gone then, too.
      closeSync(this.file)
    })
  }

  protected attempt<Result>(operation: string, call: () => Result): Result {
    assert(this.#open, 'a file is used while it is open')
    try {
      return call()
    } catch (error) {
      throw systemError(error, operation, this.path)
    }
  }

  /** Whatever the errno: what could not be synced is lost, and only the code that says so may reach the caller. */
  protected attemptSync(operation: string, call: () => void): void {
    assert(this.#open, 'a file is synced while it is open')
    try {
      call()
    } catch (error) {
      throw new VarveError('STORE_SYNC_FAILED', { operation, path: this.path, errno: errnoOf(error) }, { cause: error })
    }
  }
}
