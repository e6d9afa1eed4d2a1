/**
 * The one door to mmap-io and to the native bindings: it picks how files are mapped, and hides which way it is.
 *
 * - `mmap-io` maps the first byte, the native bindings widen that mapping to its length and do all the rest: name it by
 *   address, release it at once, name it in a SIGBUS. Were mmap-io to map the whole, V8 would take its bytes for memory
 *   to be freed, and each segment would start a garbage collection (native-bindings/README.md has figures).
 * - `native`: the native bindings do everything.
 * - `plain`: nothing is mapped; Node's own `fs` reads and writes.
 *
 * Invariants of a mapping:
 * - the file had all of its bytes when it was mapped: touching a page beyond the end would end the process
 * - after `release` every view of it has length 0; the file's blocks are free as soon as nothing else holds it
 * - its buffer cannot be transferred to another thread, which would take it away from here
 *
 * Not here: everything that needs no mapping (plain-files.ts, real-files.ts).
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { markAsUntransferable } from 'node:worker_threads'
import { loadNative, type Native, RECORD_PLAN } from '../../native-bindings/index.ts'
import { assert, errnoOf, systemError, VarveError } from '../base/index.ts'
import type { DropPages, MapperKind, Mapping, Prefault } from './files.ts'

export { type Native, RECORD_PLAN }

export interface MapRequest {
  readonly file: number
  readonly path: string
  readonly bytes: number
  readonly mode: 'read' | 'write'
}

export type Mapper =
  | { readonly kind: 'plain'; readonly reason: string; readonly native: undefined }
  | {
      readonly kind: 'mmap-io' | 'native'
      readonly reason: string
      readonly native: Native
      readonly map: (request: MapRequest) => Mapping
    }

const MAPPERS: readonly string[] = ['auto', 'mmap-io', 'native', 'plain']

/** @throws NATIVE_UNAVAILABLE if a way was asked for by name and cannot be had. 'auto' always finds one. */
export function chooseMapper(wanted: MapperKind | 'auto'): Mapper {
  // Before anything is loaded: a name that nobody knows is the caller's mistake, whatever is built here.
  if (!MAPPERS.includes(wanted)) {
    throw new VarveError('OPTION_INVALID', { option: 'mapper', value: String(wanted), range: MAPPERS.join(' or ') })
  }
  if (wanted === 'plain') return { kind: 'plain', reason: 'asked for by name', native: undefined }

  const bindings = loadNative()
  if (bindings.native === undefined) {
    if (wanted === 'auto') return { kind: 'plain', reason: bindings.reason, native: undefined }
    throw new VarveError('NATIVE_UNAVAILABLE', { mapper: wanted, reason: bindings.reason })
  }
  const { native } = bindings
  if (wanted === 'native') return { kind: 'native', reason: 'asked for by name', native, map: mapNatively(native) }

  const mmapIo = loadMmapIo()
  if (mmapIo.map !== undefined) {
    const reason = wanted === 'auto' ? 'mmap-io and the native bindings are both built' : 'asked for by name'
    return { kind: 'mmap-io', reason, native, map: mapThroughMmapIo(mmapIo.map, native) }
  }
  if (wanted === 'auto') return { kind: 'native', reason: mmapIo.reason, native, map: mapNatively(native) }
  throw new VarveError('NATIVE_UNAVAILABLE', { mapper: wanted, reason: mmapIo.reason })
}

/** For what is safer or quicker with native code even where nothing is mapped: the lock, checksums. */
export function nativeIfBuilt(): Native | undefined {
  return loadNative().native
}

/** Which binary of the native bindings is in use, or why there is none: for `varve doctor`. */
export function nativeFacts(): { readonly path: string } | { readonly reason: string } {
  const bindings = loadNative()
  return bindings.native === undefined ? { reason: bindings.reason } : { path: bindings.path }
}

/** Drops pages of a mapping of this process, whichever thread mapped. False where that cannot be done. */
export const dropPagesHere: DropPages = (address, bytes) => loadNative().native?.dropPages(address, bytes) ?? false

/** Pre-faults in the calling thread, whichever thread of this process mapped. @throws STORE_FILE_CHANGED */
export const prefaultHere: Prefault = (address, bytes) => {
  const { native } = loadNative()
  if (native === undefined) return false
  try {
    return native.prefault(address, bytes)
  } catch (error) {
    const path = `the mapping at 0x${address.toString(16)}`
    if (errnoOf(error) !== 'EFAULT') throw systemError(error, 'prefault', path)
    throw new VarveError('STORE_FILE_CHANGED', { operation: 'prefault', path }, { cause: error })
  }
}

class FileMapping implements Mapping {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly address: number
  readonly #path: string
  readonly #native: Native
  #released = false

  constructor(buffer: ArrayBuffer, path: string, native: Native) {
    markAsUntransferable(buffer)
    this.bytes = new Uint8Array(buffer)
    this.view = new DataView(buffer)
    this.address = native.addressOf(this.bytes)
    this.#path = path
    this.#native = native
  }

  resident(at: number, bytes: number): boolean {
    assert(!this.#released, 'a mapping is asked about while it is mapped')
    assert(at >= 0 && at + bytes <= this.bytes.length, 'the range lies inside the mapping')
    if (bytes === 0) return true
    try {
      return this.#native.resident(this.address + at, bytes)
    } catch (error) {
      throw systemError(error, 'resident', this.#path)
    }
  }

  release(): void {
    assert(!this.#released, 'a mapping is released once')
    this.#released = true
    try {
      this.#native.unmap(this.bytes.buffer as ArrayBuffer) // Made of one in the constructor.
    } catch (error) {
      throw systemError(error, 'unmap', this.#path)
    }
  }
}

function mapNatively(native: Native) {
  return (request: MapRequest): Mapping =>
    mapWith(request, native, ({ file, path, bytes, mode }) => native.map(file, bytes, mode === 'write', path))
}

/** What is used of mmap-io. */
interface MmapIo {
  readonly PROT_READ: number
  readonly PROT_WRITE: number
  readonly MAP_SHARED: number
  map(bytes: number, protection: number, flags: number, file: number): Buffer
}

function mapThroughMmapIo(mmapIo: MmapIo, native: Native) {
  return (request: MapRequest): Mapping =>
    mapWith(request, native, ({ file, path, bytes, mode }) => {
      const protection = mode === 'write' ? mmapIo.PROT_READ | mmapIo.PROT_WRITE : mmapIo.PROT_READ
      const first = mmapIo.map(1, protection, mmapIo.MAP_SHARED, file).buffer as ArrayBuffer // Never a shared one.
      return native.widen(first, file, bytes, mode === 'write', path)
    })
}

function mapWith(request: MapRequest, native: Native, map: (request: MapRequest) => ArrayBuffer): Mapping {
  const { path, bytes } = request
  assert(Number.isSafeInteger(bytes) && bytes > 0, 'a mapping has at least one byte')
  try {
    return new FileMapping(map(request), path, native)
  } catch (error) {
    if (errnoOf(error) !== 'ERR_VARVE_FILE_SHORT') throw systemError(withErrno(error), 'map', path)
    throw new VarveError('STORE_FILE_CHANGED', { operation: 'map', path, bytes }, { cause: error })
  }
}

/** mmap-io puts the number of the errno into the text of its error: "mmap failed, 12". */
function withErrno(error: unknown): unknown {
  const number = error instanceof Error ? /^mmap failed, (\d+)$/.exec(error.message)?.[1] : undefined
  if (number === undefined) return error
  return Object.assign(new Error(String(error), { cause: error }), { code: getSystemErrorName(-Number(number)) })
}

/** An optional dependency, bound to one Node version: that it is missing or does not load is an answer, not a failure. */
function loadMmapIo(): { readonly map: MmapIo } | { readonly map: undefined; readonly reason: string } {
  if (process.platform !== 'linux') return { map: undefined, reason: 'what mmap-io maps is widened on Linux only' }
  try {
    return { map: loadMmapIoBinary(createRequire(import.meta.url)) }
  } catch (error) {
    const [firstLine = ''] = String(error instanceof Error ? error.message : error).split('\n')
    return { map: undefined, reason: `mmap-io does not load: ${firstLine}` }
  }
}

/**
 * The package finds its binary with some hundred modules of an installer: 40 ms in each thread, most of the time that
 * opening a store takes. The binary lies where the package says that it does; if it does not, the package is asked.
 */
function loadMmapIoBinary(require: NodeJS.Require): MmapIo {
  const folder = `node-v${process.versions.modules}-${process.platform}-${process.arch}`
  const binary = join(dirname(require.resolve('mmap-io')), 'build/binding/Release', folder, 'mmap_io.node')
  return require(existsSync(binary) ? binary : 'mmap-io') as MmapIo
}
