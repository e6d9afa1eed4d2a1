/**
 * A disk in memory that loses what was not synced, for tests of crashes.
 *
 * `kill()` is the end of the process: the system goes on, everything written is kept. `crash()` is the end of the
 * system: bytes survive if their range was synced, sizes and blocks after `syncAll`, names after `syncDirectory`; each
 * other change is there, absent, or (a page) torn, as the random numbers say. Both return another disk and leave this
 * one as it is, so that many crashes can start from the same point.
 *
 * Names behave like a journal: a rename is atomic, and whatever becomes durable takes earlier changes of that file's
 * names along. Otherwise the order in which changes reach the disk is not promised, as it is not by a real one.
 *
 * Not here: calls that fail (faulty-files.ts).
 */
import { basename, dirname, resolve } from 'node:path'
import { assert, type Clock, PAGE_BYTES, type Random, systemError, VarveError } from '../../src/base/index.ts'
import type { DiskSpace, FileFacts, FileLock, Files, MapperKind, OpenFile } from '../../src/store/files.ts'
import { type BlockBudget, type CrashPolicy, SECTOR_BYTES, SimulatedContents } from './simulated-contents.ts'
import { type CallKind, callKinds, SimulatedFile, stopUsing, systemFailure } from './simulated-file.ts'

export { type CrashPolicy, SECTOR_BYTES } from './simulated-contents.ts'
export type { CallKind } from './simulated-file.ts'

export interface SimulatedDiskOptions {
  /** Default 'native'; 'plain' refuses to map. */
  readonly mapper?: MapperKind
  readonly capacityBytes?: number
  /** For the times of files. Without it each change is 1 ms after the one before. */
  readonly clock?: Clock
}

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'
const FIRST_MODIFIED_MS = 1_700_000_000_000

const defaultPolicy: CrashPolicy = { pages: 0.5, tornPages: 0.1, sectorBytes: SECTOR_BYTES, sizes: 0.5, names: 0.5 }
/** Nothing that was not synced has reached the disk. */
export const losesEverything: Partial<CrashPolicy> = { pages: 0, tornPages: 0, sizes: 0, names: 0 }
/** Everything has, as if the system had gone down in good order. */
export const losesNothing: Partial<CrashPolicy> = { pages: 1, tornPages: 0, sizes: 1, names: 1 }

export class SimulatedDisk implements Files {
  readonly mapper: MapperKind
  readonly mapperReason = 'simulated'
  /** How often each method was called, those of open files included. */
  readonly counts: Record<CallKind, number>
  readonly #options: SimulatedDiskOptions
  readonly #locks = new Set<string>()
  readonly #budget: BlockBudget
  #root: Directory
  /** Changes of names that are not durable, in their order. */
  #pending: NameChange[] = []
  #usedPages = 0
  /** While a disk is made from another, what does not fit is there all the same: freed blocks may have come back. */
  #inUse = true
  #inodes = 1
  #changes = 0
  #bootCount = 1
  #mountCount = 1

  constructor(options: SimulatedDiskOptions = {}) {
    this.#options = options
    this.mapper = options.mapper ?? 'native'
    this.counts = Object.fromEntries(callKinds.map(kind => [kind, 0])) as Record<CallKind, number>
    this.#budget = {
      has: pageCount => (this.#usedPages + pageCount) * PAGE_BYTES <= this.#capacityBytes,
      take: pageCount => {
        if (this.#inUse && !this.#budget.has(pageCount)) throw systemFailure('ENOSPC')
        this.#usedPages += pageCount
      },
      giveBack: pageCount => {
        this.#usedPages -= pageCount
      }
    }
    this.#root = new Directory(this.#inodes, this.#now())
    this.#writeBootId()
  }

  /** The machine as it comes up again after its power was cut now. */
  crash(random: Random, policy: Partial<CrashPolicy> = {}): SimulatedDisk {
    const chances = { ...defaultPolicy, ...policy }
    const kept = this.#pending.filter(() => random.chance(chances.names))
    const found = this.#successor()
    // Every other time the system runs on: only the disk was away.
    found.#bootCount = this.#bootCount + (this.#changes % 2)
    found.#mountCount = this.#mountCount + 1
    const names = new Map<Directory, Map<string, Node>>()
    const namesOf = (directory: Directory): Map<string, Node> => {
      const known = names.get(directory)
      if (known !== undefined) return known
      const durable = new Map(directory.durable)
      names.set(directory, durable)
      return durable
    }
    for (const change of kept) applyChange(change, namesOf)

    const copies = new Map<Node, Node>()
    const copyOf = (node: Node): Node => {
      const known = copies.get(node)
      if (known !== undefined) return known
      if (node instanceof SimulatedContents) {
        const contents = node.afterCrash(random, chances, found.#budget)
        copies.set(node, contents)
        return contents
      }
      const directory = new Directory(node.inode, node.modifiedMs)
      copies.set(node, directory)
      for (const [name, child] of namesOf(node)) directory.link(name, copyOf(child))
      directory.durable = new Map(directory.entries)
      return directory
    }
    found.#root = copyOf(this.#root) as Directory // Of a directory the copy is one.
    found.#writeBootId()
    found.#inUse = true
    return found
  }

  /** The machine after the process that used this disk has died: what it wrote is there, synced or not. */
  kill(): SimulatedDisk {
    const found = this.#successor()
    found.#bootCount = this.#bootCount
    found.#mountCount = this.#mountCount
    const copies = new Map<Node, Node>()
    const copyOf = <Kind extends Node>(node: Kind): Kind => {
      const known = copies.get(node)
      if (known !== undefined) return known as Kind // `copies` maps a node to its own kind.
      if (node instanceof SimulatedContents) {
        const contents = node.copy(found.#budget)
        copies.set(node, contents)
        return contents as Node as Kind // The same.
      }
      const directory = new Directory(node.inode, node.modifiedMs)
      copies.set(node, directory)
      for (const [name, child] of node.entries) directory.link(name, copyOf(child))
      directory.durable = new Map([...node.durable].map(([name, child]) => [name, copyOf(child)]))
      return directory as Node as Kind // The same.
    }
    found.#root = copyOf(this.#root)
    found.#pending = this.#pending.map(change => ({
      ...change,
      node: copyOf(change.node),
      from: change.from && { ...change.from, directory: copyOf(change.from.directory) },
      to: change.to && { ...change.to, directory: copyOf(change.to.directory) }
    }))
    for (const node of copies.values()) {
      if (node instanceof SimulatedContents && node.users === 0) node.freeAllBlocks()
    }
    found.#inUse = true
    return found
  }

  /** Makes everything durable, so that a test can begin from there. */
  settle(): void {
    for (const node of this.#allNodes()) if (node instanceof SimulatedContents) node.syncAll()
    this.#makeDurable(this.#pending)
  }

  /** Paths of everything that a loss of power could change: files with unsynced bytes, and names. */
  unsynced(): string[] {
    const files = [...this.#paths()].filter(([, node]) => node instanceof SimulatedContents && node.hasUnsynced())
    return [...files.map(([path]) => path), ...this.#pending.map(change => `name ${nameOfChange(change)}`)].sort()
  }

  /** Pages that were written through a mapping without having blocks, as `path:page`. */
  sparseWrites(): string[] {
    return [...this.#paths()].flatMap(([path, node]) => {
      if (!(node instanceof SimulatedContents)) return []
      node.hasUnsynced() // Looks at every page.
      return [...node.sparseWrites].map(page => `${path}:${page}`)
    })
  }

  /** Drops a file from memory: until it is read, none of it is resident. */
  evict(path: string): void {
    this.#contents(path, 'evict').cold = true
  }

  list(directory: string): string[] {
    this.counts.list++
    const node = this.#find(directory)
    return node instanceof Directory ? [...node.entries.keys()].sort() : []
  }

  find(path: string): FileFacts | undefined {
    this.counts.find++
    const node = this.#find(path)
    if (node === undefined) return undefined
    const { inode, modifiedMs } = node
    if (node instanceof Directory) return { isDirectory: true, sizeBytes: 0, allocatedBytes: 0, modifiedMs, inode }
    const { sizeBytes, allocatedBytes } = node
    return { isDirectory: false, sizeBytes, allocatedBytes, modifiedMs, inode }
  }

  makeDirectory(path: string): void {
    this.counts.makeDirectory++
    this.#makeDirectory(resolve(path))
  }

  open(path: string, mode: 'read' | 'write' | 'create'): OpenFile {
    this.counts.open++
    let node = this.#find(path)
    if (node instanceof Directory) throw systemError(systemFailure('EISDIR'), 'open', path)
    if (node === undefined) {
      if (mode !== 'create') throw systemError(systemFailure('ENOENT'), 'open', path)
      node = new SimulatedContents(++this.#inodes, this.#now(), this.#budget)
      this.#change({ node, from: undefined, to: this.#place(path, 'open') })
    }
    return new SimulatedFile(path, node, mode !== 'read', {
      mapper: this.mapper,
      count: kind => this.counts[kind]++,
      now: () => this.#now()
    })
  }

  rename(from: string, to: string): void {
    this.counts.rename++
    const node = this.#find(from)
    if (node === undefined) throw systemError(systemFailure('ENOENT'), 'rename', from)
    this.#change({ node, from: this.#place(from, 'rename'), to: this.#place(to, 'rename') })
  }

  remove(path: string): void {
    this.counts.remove++
    const node = this.#find(path)
    if (node === undefined) return
    if (node instanceof Directory) throw systemError(systemFailure('EISDIR'), 'unlink', path)
    this.#change({ node, from: this.#place(path, 'unlink'), to: undefined })
  }

  removeDirectory(path: string): void {
    this.counts.removeDirectory++
    this.#removeTree(resolve(path))
  }

  syncDirectory(path: string): void {
    this.counts.syncDirectory++
    const directory = this.#find(path)
    if (!(directory instanceof Directory)) {
      throw new VarveError('STORE_SYNC_FAILED', { operation: 'fsync', path, errno: 'ENOENT' })
    }
    this.#makeDurable(
      this.#pending.filter(({ from, to }) => from?.directory === directory || to?.directory === directory)
    )
  }

  syncFileSystem(_path: string): boolean {
    this.counts.syncFileSystem++
    this.settle()
    return true
  }

  space(_path: string): DiskSpace {
    this.counts.space++
    return {
      totalBytes: this.#capacityBytes,
      availableBytes: this.#capacityBytes - this.#usedPages * PAGE_BYTES
    }
  }

  mountOf(_path: string): number | undefined {
    return this.#mountCount
  }

  lock(path: string): FileLock {
    this.counts.lock++
    const key = resolve(path)
    if (this.#locks.has(key)) throw new VarveError('STORE_LOCKED', { path, pid: process.pid })
    if (this.#find(path) === undefined) {
      const node = new SimulatedContents(++this.#inodes, this.#now(), this.#budget)
      this.#change({ node, from: undefined, to: this.#place(path, 'lock') })
      node.write(new TextEncoder().encode('lock'), 0)
    }
    this.#locks.add(key)
    return { release: () => assert(this.#locks.delete(key), 'a lock is released once') }
  }

  /** What a failed sync of everything does; see `SimulatedFile.loseUnsynced`. */
  loseUnsynced(): void {
    for (const node of this.#allNodes()) {
      if (node instanceof SimulatedContents) node.loseUnsynced(0, node.sizeBytes)
    }
  }

  get #capacityBytes(): number {
    return this.#options.capacityBytes ?? Number.MAX_SAFE_INTEGER
  }

  #successor(): SimulatedDisk {
    const found = new SimulatedDisk(this.#options)
    found.#inodes = this.#inodes
    found.#changes = this.#changes
    found.#usedPages = 0
    found.#inUse = false
    return found
  }

  /** Two changes never have the same time, as on a real disk, where a millisecond is long. */
  #now(): number {
    this.#changes++
    const { clock } = this.#options
    return clock === undefined ? FIRST_MODIFIED_MS + this.#changes : clock.nowMs() + (this.#changes % 2 ** 20) / 2 ** 20
  }

  #writeBootId(): void {
    this.#makeDirectory(dirname(BOOT_ID_PATH))
    const old = this.#find(BOOT_ID_PATH)
    const node = new SimulatedContents(old?.inode ?? ++this.#inodes, this.#now(), freeOfCharge)
    const place = this.#place(BOOT_ID_PATH, 'open')
    place.directory.link(place.name, node)
    node.write(new TextEncoder().encode(`00000000-0000-4000-8000-${String(this.#bootCount).padStart(12, '0')}\n`), 0)
    this.settle()
  }

  #find(path: string): Node | undefined {
    let node: Node = this.#root
    for (const name of resolve(path).split('/')) {
      if (name === '') continue
      const next: Node | undefined = node instanceof Directory ? node.entries.get(name) : undefined
      if (next === undefined) return undefined
      node = next
    }
    return node
  }

  #contents(path: string, operation: string): SimulatedContents {
    const node = this.#find(path)
    if (node instanceof SimulatedContents) return node
    throw systemError(systemFailure('ENOENT'), operation, path)
  }

  #place(path: string, operation: string): Place {
    const directory = this.#find(dirname(resolve(path)))
    if (!(directory instanceof Directory)) throw systemError(systemFailure('ENOENT'), operation, path)
    return { directory, name: basename(path) }
  }

  #makeDirectory(path: string): void {
    const known = this.#find(path)
    if (known instanceof Directory) return
    if (known !== undefined) throw systemError(systemFailure('EEXIST'), 'mkdir', path)
    this.#makeDirectory(dirname(path))
    const directory = new Directory(++this.#inodes, this.#now())
    this.#change({ node: directory, from: undefined, to: this.#place(path, 'mkdir') })
  }

  #removeTree(path: string): void {
    const node = this.#find(path)
    if (node === undefined) return
    if (node instanceof Directory) for (const name of [...node.entries.keys()]) this.#removeTree(`${path}/${name}`)
    this.#change({ node, from: this.#place(path, 'rm'), to: undefined })
  }

  #change(change: NameChange): void {
    const { node, from, to } = change
    // The new name first: a file without any name or user gives its blocks back.
    if (to !== undefined) to.directory.link(to.name, node)
    if (from !== undefined) from.directory.unlink(from.name)
    const now = this.#now()
    if (from !== undefined) from.directory.modifiedMs = now
    if (to !== undefined) to.directory.modifiedMs = now
    this.#pending.push(change)
  }

  #makeDurable(changes: readonly NameChange[]): void {
    const wanted = new Set<NameChange>()
    for (const change of changes) {
      const last = this.#pending.indexOf(change)
      for (const earlier of this.#pending.slice(0, last + 1)) if (earlier.node === change.node) wanted.add(earlier)
    }
    for (const change of this.#pending) if (wanted.has(change)) applyChange(change, directory => directory.durable)
    this.#pending = this.#pending.filter(change => !wanted.has(change))
  }

  *#paths(): Generator<[path: string, node: Node]> {
    function* walk(path: string, node: Node): Generator<[string, Node]> {
      yield [path === '' ? '/' : path, node]
      if (node instanceof Directory) for (const [name, child] of node.entries) yield* walk(`${path}/${name}`, child)
    }
    yield* walk('', this.#root)
  }

  *#allNodes(): Generator<Node> {
    for (const [, node] of this.#paths()) yield node
  }
}

type Node = Directory | SimulatedContents

class Directory {
  readonly inode: number
  modifiedMs: number
  readonly entries = new Map<string, Node>()
  durable = new Map<string, Node>()

  constructor(inode: number, modifiedMs: number) {
    this.inode = inode
    this.modifiedMs = modifiedMs
  }

  link(name: string, node: Node): void {
    this.unlink(name)
    this.entries.set(name, node)
    if (node instanceof SimulatedContents) node.users++
  }

  unlink(name: string): void {
    const node = this.entries.get(name)
    this.entries.delete(name)
    if (node instanceof SimulatedContents) stopUsing(node)
  }
}

interface Place {
  readonly directory: Directory
  readonly name: string
}

/** Without `from` a new name, without `to` a removal, with both a rename. */
interface NameChange {
  readonly node: Node
  readonly from: Place | undefined
  readonly to: Place | undefined
}

function applyChange({ node, from, to }: NameChange, namesOf: (directory: Directory) => Map<string, Node>): void {
  if (from !== undefined && namesOf(from.directory).get(from.name) === node) namesOf(from.directory).delete(from.name)
  if (to !== undefined) namesOf(to.directory).set(to.name, node)
}

function nameOfChange({ from, to }: NameChange): string {
  if (from === undefined) return `+${to?.name}`
  return to === undefined ? `-${from.name}` : `${from.name}>${to.name}`
}

/** What belongs to the system and takes no room on the disk. */
const freeOfCharge: BlockBudget = { has: () => true, take: () => {}, giveBack: () => {} }
