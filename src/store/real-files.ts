/**
 * The files of the real disk, in three variants that keep the same promises: mapped through mmap-io, mapped through the
 * native bindings, or plain reads and writes (files.ts says what each call promises, mapping.ts how one is chosen).
 *
 * Ranges are made durable by ranges: the allocator has written zeros far ahead of what was appended, and a sync of the
 * whole file would wait for all of them.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync
} from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf, systemError, VarveError } from '../base/index.ts'
import { takeLock } from './file-lock.ts'
import type { DiskSpace, FileFacts, FileLock, Files, MapperKind, Mapping, OpenFile } from './files.ts'
import { chooseMapper, type Mapper, type Native, nativeIfBuilt } from './mapping.ts'
import { type OpenMode, PlainFile } from './plain-files.ts'

/** @throws NATIVE_UNAVAILABLE if `mapper` names a way that cannot be had here */
export function openRealFiles({ mapper = 'auto' }: { mapper?: MapperKind | 'auto' } = {}): Files {
  const chosen = chooseMapper(mapper)
  // A mapped file that somebody shortens ends the process: then at least its name shall be known.
  chosen.native?.installSigbusHandler()
  return new RealFiles(chosen)
}

class RealFiles implements Files {
  readonly #mapper: Mapper

  constructor(mapper: Mapper) {
    this.#mapper = mapper
  }

  get mapper(): MapperKind {
    return this.#mapper.kind
  }

  get mapperReason(): string {
    return this.#mapper.reason
  }

  list(directory: string): string[] {
    return attempt('list', directory, () => ifThere(() => readdirSync(directory).sort()) ?? [])
  }

  find(path: string): FileFacts | undefined {
    const facts = attempt('stat', path, () => ifThere(() => statSync(path), ['ENOENT', 'ENOTDIR']))
    if (facts === undefined) return undefined
    return {
      isDirectory: facts.isDirectory(),
      sizeBytes: facts.size,
      allocatedBytes: facts.blocks * STAT_BLOCK_BYTES,
      modifiedMs: facts.mtimeMs,
      inode: facts.ino
    }
  }

  makeDirectory(path: string): void {
    attempt('mkdir', path, () => makeWithParents(path))
  }

  open(path: string, mode: OpenMode): OpenFile {
    return this.#mapper.kind === 'plain' ? new PlainFile(path, mode) : new MappableFile(path, mode, this.#mapper)
  }

  rename(from: string, to: string): void {
    attempt('rename', from, () => renameSync(from, to))
  }

  remove(path: string): void {
    attempt('unlink', path, () => ifThere(() => unlinkSync(path)))
  }

  removeDirectory(path: string): void {
    attempt('rm', path, () => rmSync(path, { recursive: true, force: true }))
  }

  syncDirectory(path: string): void {
    withFile(path, file => {
      try {
        fsyncSync(file)
      } catch (error) {
        const details = { operation: 'fsync', path, errno: errnoOf(error) }
        throw new VarveError('STORE_SYNC_FAILED', details, { cause: error })
      }
    })
  }

  syncFileSystem(path: string): boolean {
    const { native } = this.#mapper
    if (native === undefined) return false
    return withFile(path, file => {
      try {
        native.syncFileSystem(file)
        return true
      } catch (error) {
        const errno = errnoOf(error)
        if (isUnsupported(errno)) return false
        throw new VarveError('STORE_SYNC_FAILED', { operation: 'syncfs', path, errno }, { cause: error })
      }
    })
  }

  space(path: string): DiskSpace {
    const { bsize, blocks, bfree, bavail } = attempt('statfs', path, () => statfsSync(path))
    return { totalBytes: (blocks - bfree + bavail) * bsize, availableBytes: bavail * bsize }
  }

  mountOf(path: string): number | undefined {
    return attempt('statx', path, () => nativeIfBuilt()?.mountOf(path))
  }

  lock(path: string): FileLock {
    return takeLock(path, nativeIfBuilt())
  }
}

/** A file whose ranges can be allocated, synced, given back and mapped. */
class MappableFile extends PlainFile {
  readonly #mapper: Exclude<Mapper, { kind: 'plain' }>
  readonly #native: Native
  /** Whether the file system can tell what is in memory; learnt from its first answer. */
  #tellsResidency = true

  constructor(path: string, mode: OpenMode, mapper: Exclude<Mapper, { kind: 'plain' }>) {
    super(path, mode)
    this.#mapper = mapper
    this.#native = mapper.native
  }

  /** Where the file system cannot tell, it reads, and may wait for the disk. */
  override readResident(into: Uint8Array, at: number): number | undefined {
    if (!this.#tellsResidency) return this.read(into, at)
    return this.attempt('read', () => {
      try {
        return this.#native.readNoWait(this.file, into, at)
      } catch (error) {
        if (!isUnsupported(errnoOf(error))) throw error
        this.#tellsResidency = false
        return this.read(into, at)
      }
    })
  }

  override nextData(at: number): number | undefined {
    return this.attempt('nextData', () => {
      try {
        return this.#native.nextData(this.file, at)
      } catch (error) {
        if (!isUnsupported(errnoOf(error))) throw error
        return super.nextData(at)
      }
    })
  }

  override allocate(at: number, bytes: number, { keepSize }: { keepSize: boolean }): void {
    if (bytes === 0) return
    this.attempt('allocate', () => {
      try {
        this.#native.allocate(this.file, at, bytes, keepSize)
      } catch (error) {
        if (!isUnsupported(errnoOf(error))) throw error
        const details = { operation: 'allocate', path: this.path, errno: errnoOf(error) }
        throw new VarveError('STORE_FILESYSTEM_UNSUITABLE', details, { cause: error })
      }
    })
  }

  override punchHole(at: number, bytes: number): void {
    if (bytes === 0) return
    this.attempt('punchHole', () => {
      try {
        this.#native.punchHole(this.file, at, bytes)
      } catch (error) {
        if (!isUnsupported(errnoOf(error))) throw error
        super.punchHole(at, bytes)
      }
    })
  }

  override sync(at: number, bytes: number, { quickly = false }: { quickly?: boolean } = {}): void {
    if (bytes === 0) return
    // A range costs a mapping and the write protection of its pages; all of the file costs whatever else is dirty.
    if (quickly) return super.sync(at, bytes)
    this.attemptSync('msync', () => this.#native.syncFileBytes(this.file, at, bytes))
  }

  override startWriting(at: number, bytes: number): void {
    if (bytes === 0) return
    this.attempt('startWriting', () => this.#native.startWriting(this.file, at, bytes))
  }

  override readAhead(at: number, bytes: number): void {
    if (bytes === 0) return
    this.attempt('readAhead', () => this.#native.fileReadAhead(this.file, at, bytes))
  }

  override map(bytes: number, mode: 'read' | 'write'): Mapping {
    return this.attempt('map', () => this.#mapper.map({ file: this.file, path: this.path, bytes, mode }))
  }
}

/** The unit in which `stat` counts blocks, whatever the file system's own is. */
const STAT_BLOCK_BYTES = 512

/** ENOTSUP and EOPNOTSUPP are one number on Linux; a file system or kernel without the call answers one of these. */
const isUnsupported = (errno: string): boolean => errno === 'ENOTSUP' || errno === 'EOPNOTSUPP' || errno === 'ENOSYS'

function attempt<Result>(operation: string, path: string, call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    throw systemError(error, operation, path)
  }
}

/** Undefined where there is nothing of that name. */
function ifThere<Result>(call: () => Result, absent: readonly string[] = ['ENOENT']): Result | undefined {
  try {
    return call()
  } catch (error) {
    if (absent.includes(errnoOf(error))) return undefined
    throw error
  }
}

/** Node's own `recursive` never ends where a directory that exists says that it does not, as /proc does. */
function makeWithParents(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && statSync(path).isDirectory()) return
    if (errnoOf(error) !== 'ENOENT' || existsSync(dirname(path))) throw error
    makeWithParents(dirname(path))
    mkdirSync(path)
  }
}

/** What cannot be opened has not failed to be synced: there may be too many open files for the moment. */
function withFile<Result>(path: string, use: (file: number) => Result): Result {
  const file = attempt('open', path, () => openSync(path, 'r'))
  try {
    return use(file)
  } finally {
    closeSync(file)
  }
}
