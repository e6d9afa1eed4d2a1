/** Open files and mappings of the simulated disk (simulated-disk.ts), over what a file contains (simulated-contents.ts). */
import { assert, systemError, VarveError } from '../../src/base/index.ts'
import type { MapperKind, Mapping, OpenFile } from '../../src/store/files.ts'
import type { SimulatedContents } from './simulated-contents.ts'

/** Every method of the disk and of its files. */
export const callKinds = [
  'list',
  'find',
  'makeDirectory',
  'open',
  'rename',
  'remove',
  'removeDirectory',
  'syncDirectory',
  'syncFileSystem',
  'space',
  'lock',
  'sizeBytes',
  'read',
  'readResident',
  'nextData',
  'write',
  'allocate',
  'setSize',
  'punchHole',
  'sync',
  'syncAll',
  'startWriting',
  'readAhead',
  'map',
  'close'
] as const
export type CallKind = (typeof callKinds)[number]

interface DiskOfFile {
  readonly mapper: MapperKind
  count(kind: CallKind): void
  now(): number
}

export class SimulatedFile implements OpenFile {
  readonly path: string
  readonly #contents: SimulatedContents
  readonly #writable: boolean
  readonly #disk: DiskOfFile
  #open = true

  constructor(path: string, contents: SimulatedContents, writable: boolean, disk: DiskOfFile) {
    this.path = path
    this.#contents = contents
    this.#writable = writable
    this.#disk = disk
    contents.users++
  }

  sizeBytes(): number {
    return this.#use('sizeBytes').sizeBytes
  }

  read(into: Uint8Array, at: number): number {
    const contents = this.#use('read')
    contents.cold = false
    return contents.read(into, at)
  }

  readResident(into: Uint8Array, at: number): number | undefined {
    const contents = this.#use('readResident')
    return contents.cold ? undefined : contents.read(into, at)
  }

  nextData(at: number): number | undefined {
    return this.#use('nextData').nextData(at)
  }

  write(from: Uint8Array, at: number): void {
    this.#alter('write', contents => contents.write(from, at))
  }

  allocate(at: number, bytes: number, { keepSize }: { keepSize: boolean }): void {
    this.#alter('allocate', contents => contents.allocate(at, bytes, keepSize))
  }

  setSize(bytes: number): void {
    this.#alter('setSize', contents => contents.setSize(bytes))
  }

  punchHole(at: number, bytes: number): void {
    this.#alter('punchHole', contents => contents.punchHole(at, bytes))
  }

  sync(at: number, bytes: number): void {
    this.#use('sync').sync(at, bytes)
  }

  syncAll(): void {
    this.#use('syncAll').syncAll()
  }

  /** What a failed sync does: the range counts as written, and never is unless it is changed once more. */
  loseUnsynced(at = 0, bytes = this.#contents.sizeBytes): void {
    this.#contents.loseUnsynced(at, bytes)
  }

  startWriting(_at: number, _bytes: number): void {
    this.#use('startWriting')
  }

  readAhead(_at: number, _bytes: number): void {
    this.#use('readAhead').cold = false
  }

  map(bytes: number, mode: 'read' | 'write'): Mapping {
    const contents = this.#use('map')
    if (this.#disk.mapper === 'plain') throw new VarveError('NATIVE_UNAVAILABLE', { operation: 'map', path: this.path })
    if (mode === 'write') this.#checkWritable('map')
    assert(bytes <= contents.sizeBytes, 'a mapping ends at the end of the file')
    return new SimulatedMapping(contents, bytes)
  }

  close(): void {
    this.#use('close')
    this.#open = false
    stopUsing(this.#contents)
  }

  #use(kind: CallKind): SimulatedContents {
    assert(this.#open, 'a file is used while it is open')
    this.#disk.count(kind)
    return this.#contents
  }

  #alter(kind: CallKind, change: (contents: SimulatedContents) => void): void {
    const contents = this.#use(kind)
    this.#checkWritable(kind)
    try {
      change(contents)
    } catch (error) {
      throw systemError(error, kind, this.path)
    }
    contents.modifiedMs = this.#disk.now()
  }

  #checkWritable(operation: string): void {
    if (!this.#writable) throw systemError(systemFailure('EBADF'), operation, this.path)
  }
}

class SimulatedMapping implements Mapping {
  readonly address = 0
  readonly #contents: SimulatedContents
  #bytes: Uint8Array
  #view: DataView
  #mapped = true

  constructor(contents: SimulatedContents, bytes: number) {
    this.#contents = contents
    this.#bytes = contents.memory(bytes)
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length)
    contents.users++
    contents.mappingCount++
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  get view(): DataView {
    return this.#view
  }

  resident(_at: number, _bytes: number): boolean {
    return !this.#contents.cold
  }

  /** Views made of `bytes` become empty too, but only with the last mapping of the file: all share one memory. */
  release(): void {
    assert(this.#mapped, 'a mapping is released once')
    this.#mapped = false
    this.#bytes = new Uint8Array(0)
    this.#view = new DataView(this.#bytes.buffer)
    if (--this.#contents.mappingCount === 0) this.#contents.detachViews()
    stopUsing(this.#contents)
  }
}

/** Without a name, an open file or a mapping the blocks of a file are free again. */
export function stopUsing(contents: SimulatedContents): void {
  if (--contents.users === 0) contents.freeAllBlocks()
}

export function systemFailure(code: string): Error {
  return Object.assign(new Error(code), { code })
}
