/**
 * Files whose calls fail when a test says so, over any other files: fails the n-th call of a kind, once or for ever.
 *
 * A call that fails does nothing, with two exceptions: a failed sync of a simulated disk loses the range, as on Linux,
 * where a second sync then reports success; and a write may have written a part.
 */
import { assert, systemError, VarveError } from '../../src/base/index.ts'
import type { DiskSpace, FileFacts, FileLock, Files, MapperKind, Mapping, OpenFile } from '../../src/store/files.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { type CallKind, SimulatedFile } from './simulated-file.ts'

export interface Call {
  readonly kind: CallKind
  readonly path: string
  /** Of calls for a range. */
  readonly at?: number
  readonly bytes?: number
}

export interface Fault {
  readonly kind: CallKind
  readonly errno: string
  /** Which of the calls that match from now on; 1, the next, by default. */
  readonly nth?: number
  /** Also every one after it. */
  readonly forever?: boolean
  /** Only calls for paths that it matches. */
  readonly path?: RegExp
  /** Of a write: so many bytes are written before it fails. */
  readonly partBytes?: number
}

const syncKinds: ReadonlySet<CallKind> = new Set(['sync', 'syncAll', 'syncDirectory', 'syncFileSystem'])

export class FaultyFiles implements Files {
  /** Every call so far, the failed ones included. */
  readonly calls: Call[] = []
  readonly #inner: Files
  readonly #before: (call: Call) => void
  #faults: { fault: Fault; seen: number }[] = []

  /** `before` sees each call before it is made: to move a clock, to look at the disk, or to throw something else. */
  constructor(inner: Files, { before = () => {} }: { before?: (call: Call) => void } = {}) {
    this.#inner = inner
    this.#before = before
  }

  fail(fault: Fault): void {
    assert((fault.nth ?? 1) > 0, 'calls are counted from 1')
    this.#faults.push({ fault, seen: 0 })
  }

  /** From now on every call is made. */
  heal(): void {
    this.#faults = []
  }

  count(kind: CallKind, path = /(?:)/): number {
    return this.calls.filter(call => call.kind === kind && path.test(call.path)).length
  }

  get mapper(): MapperKind {
    return this.#inner.mapper
  }

  get mapperReason(): string {
    return this.#inner.mapperReason
  }

  list(directory: string): string[] {
    this.#announce({ kind: 'list', path: directory })
    return this.#inner.list(directory)
  }

  find(path: string): FileFacts | undefined {
    this.#announce({ kind: 'find', path })
    return this.#inner.find(path)
  }

  makeDirectory(path: string): void {
    this.#announce({ kind: 'makeDirectory', path })
    this.#inner.makeDirectory(path)
  }

  open(path: string, mode: 'read' | 'write' | 'create'): OpenFile {
    this.#announce({ kind: 'open', path })
    return new FaultyFile(this.#inner.open(path, mode), (call, onFailure) => this.#announce(call, onFailure))
  }

  rename(from: string, to: string): void {
    this.#announce({ kind: 'rename', path: from })
    this.#inner.rename(from, to)
  }

  remove(path: string): void {
    this.#announce({ kind: 'remove', path })
    this.#inner.remove(path)
  }

  removeDirectory(path: string): void {
    this.#announce({ kind: 'removeDirectory', path })
    this.#inner.removeDirectory(path)
  }

  syncDirectory(path: string): void {
    this.#announce({ kind: 'syncDirectory', path })
    this.#inner.syncDirectory(path)
  }

  syncFileSystem(path: string): boolean {
    this.#announce({ kind: 'syncFileSystem', path }, () => {
      if (this.#inner instanceof SimulatedDisk) this.#inner.loseUnsynced()
    })
    return this.#inner.syncFileSystem(path)
  }

  space(path: string): DiskSpace {
    this.#announce({ kind: 'space', path })
    return this.#inner.space(path)
  }

  mountOf(path: string): number | undefined {
    return this.#inner.mountOf(path)
  }

  lock(path: string): FileLock {
    this.#announce({ kind: 'lock', path })
    return this.#inner.lock(path)
  }

  #announce(call: Call, onFailure: (fault: Fault) => void = () => {}): void {
    this.calls.push(call)
    this.#before(call)
    const fault = this.#faultFor(call)
    if (fault === undefined) return
    const { errno } = fault
    onFailure(fault)
    if (syncKinds.has(call.kind)) {
      throw new VarveError('STORE_SYNC_FAILED', { operation: call.kind, path: call.path, errno })
    }
    throw systemError(Object.assign(new Error(errno), { code: errno }), call.kind, call.path)
  }

  #faultFor(call: Call): Fault | undefined {
    let due: Fault | undefined
    for (const entry of this.#faults) {
      const { kind, nth = 1, forever = false, path } = entry.fault
      if (kind !== call.kind || (path !== undefined && !path.test(call.path))) continue
      entry.seen++
      if (entry.seen === nth || (forever && entry.seen > nth)) due ??= entry.fault
    }
    return due
  }
}

class FaultyFile implements OpenFile {
  readonly #inner: OpenFile
  readonly #announce: (call: Call, onFailure?: (fault: Fault) => void) => void

  constructor(inner: OpenFile, announce: (call: Call, onFailure?: (fault: Fault) => void) => void) {
    this.#inner = inner
    this.#announce = announce
  }

  get path(): string {
    return this.#inner.path
  }

  sizeBytes(): number {
    this.#tell('sizeBytes')
    return this.#inner.sizeBytes()
  }

  read(into: Uint8Array, at: number): number {
    this.#tell('read', at, into.length)
    return this.#inner.read(into, at)
  }

  readResident(into: Uint8Array, at: number): number | undefined {
    this.#tell('readResident', at, into.length)
    return this.#inner.readResident(into, at)
  }

  nextData(at: number): number | undefined {
    this.#tell('nextData', at)
    return this.#inner.nextData(at)
  }

  write(from: Uint8Array, at: number): void {
    this.#announce({ kind: 'write', path: this.path, at, bytes: from.length }, ({ partBytes = 0 }) =>
      this.#inner.write(from.subarray(0, partBytes), at)
    )
    this.#inner.write(from, at)
  }

  allocate(at: number, bytes: number, options: { keepSize: boolean }): void {
    this.#tell('allocate', at, bytes)
    this.#inner.allocate(at, bytes, options)
  }

  setSize(bytes: number): void {
    this.#tell('setSize', 0, bytes)
    this.#inner.setSize(bytes)
  }

  punchHole(at: number, bytes: number): void {
    this.#tell('punchHole', at, bytes)
    this.#inner.punchHole(at, bytes)
  }

  sync(at: number, bytes: number): void {
    this.#announce({ kind: 'sync', path: this.path, at, bytes }, () => this.#loseUnsynced(at, bytes))
    this.#inner.sync(at, bytes)
  }

  syncAll(): void {
    this.#announce({ kind: 'syncAll', path: this.path }, () => this.#loseUnsynced())
    this.#inner.syncAll()
  }

  startWriting(at: number, bytes: number): void {
    this.#tell('startWriting', at, bytes)
    this.#inner.startWriting(at, bytes)
  }

  readAhead(at: number, bytes: number): void {
    this.#tell('readAhead', at, bytes)
    this.#inner.readAhead(at, bytes)
  }

  map(bytes: number, mode: 'read' | 'write'): Mapping {
    this.#tell('map', 0, bytes)
    return this.#inner.map(bytes, mode)
  }

  close(): void {
    this.#tell('close')
    this.#inner.close()
  }

  #tell(kind: CallKind, at?: number, bytes?: number): void {
    this.#announce({
      kind,
      path: this.path,
      ...(at === undefined ? {} : { at }),
      ...(bytes === undefined ? {} : { bytes })
    })
  }

  #loseUnsynced(at?: number, bytes?: number): void {
    if (this.#inner instanceof SimulatedFile) this.#inner.loseUnsynced(at, bytes)
  }
}
