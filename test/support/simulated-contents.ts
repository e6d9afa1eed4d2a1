/**
 * The contents of one simulated file: what programs see, and what would be found after a loss of power.
 *
 * Writes through a mapping cannot be noticed, so nothing is remembered as dirty: a page is unsynced when it differs from
 * its durable copy. A page whose sync failed is `lost`: like Linux, the disk believes it clean and never writes it,
 * unless it is changed once more.
 */
import type { Random } from '../../src/base/index.ts'
import { assert, PAGE_BYTES } from '../../src/base/index.ts'

export const SECTOR_BYTES = 512
const CAPACITY_BYTES_MIN = 16 * PAGE_BYTES
const ZERO_PAGE = new Uint8Array(PAGE_BYTES)

/** What happens to that which was not synced: chances, from 0 to 1. */
export interface CrashPolicy {
  /** A changed page has reached the disk. */
  readonly pages: number
  /** Only some sectors of a changed page have. */
  readonly tornPages: number
  /** What reaches the disk whole or not at all: 512; fewer for a disk that promises less than it should. */
  readonly sectorBytes: number
  /** A changed size, and allocated blocks, have. */
  readonly sizes: number
  /** A new name, a rename or a removal has. */
  readonly names: number
}

/** Counts the blocks of all files of a disk. @throws ENOSPC */
export interface BlockBudget {
  has(pageCount: number): boolean
  take(pageCount: number): void
  giveBack(pageCount: number): void
}

export class SimulatedContents {
  readonly inode: number
  modifiedMs: number
  sizeBytes = 0
  /** What is not in memory has to be read from the disk. */
  cold = false
  /** Names, open files and mappings: without any the blocks are free again. */
  users = 0
  mappingCount = 0
  /** Pages that were written through a mapping without having blocks: on a full disk that ends a process. */
  readonly sparseWrites = new Set<number>()
  #memory = new Uint8Array(0)
  #blocks = new Set<number>()
  #durableSizeBytes = 0
  #durableBlocks = new Set<number>()
  #durablePages = new Map<number, Uint8Array>()
  #lostPages = new Map<number, Uint8Array>()
  readonly #budget: BlockBudget

  constructor(inode: number, modifiedMs: number, budget: BlockBudget) {
    this.inode = inode
    this.modifiedMs = modifiedMs
    this.#budget = budget
  }

  get allocatedBytes(): number {
    return this.#blocks.size * PAGE_BYTES
  }

  /** The memory behind the first `bytes` bytes: what is written there is read everywhere. */
  memory(bytes: number): Uint8Array {
    return this.#memory.subarray(0, bytes)
  }

  /** Makes every view of the memory empty, as unmapping does. */
  detachViews(): void {
    const buffer = structuredClone(this.#memory.buffer, { transfer: [this.#memory.buffer] })
    this.#memory = new Uint8Array(buffer)
  }

  read(into: Uint8Array, at: number): number {
    const part = this.#memory.subarray(Math.min(at, this.sizeBytes), Math.min(at + into.length, this.sizeBytes))
    into.set(part)
    return part.length
  }

  /** As Linux tells it: the page that holds the next byte which is not zero. */
  nextData(at: number): number | undefined {
    for (let from = at; from < this.sizeBytes; from += PAGE_BYTES - (from % PAGE_BYTES)) {
      const page = this.#memory.subarray(from, Math.min(this.sizeBytes, from + PAGE_BYTES - (from % PAGE_BYTES)))
      if (Buffer.compare(page, ZERO_PAGE.subarray(0, page.length)) !== 0) return from
    }
    return undefined
  }

  /** On a full disk the pages for which there was room have been written when it throws. */
  write(from: Uint8Array, at: number): void {
    for (let done = 0; done < from.length; ) {
      const position = at + done
      const count = Math.min(from.length - done, PAGE_BYTES - (position % PAGE_BYTES))
      this.#takeBlocks(position, count)
      this.#growTo(position + count)
      this.#lostPages.delete(Math.floor(position / PAGE_BYTES)) // Written again: the disk no longer believes it clean.
      this.#memory.set(from.subarray(done, done + count), position)
      done += count
    }
  }

  allocate(at: number, bytes: number, keepSize: boolean): void {
    this.#takeBlocks(at, bytes)
    if (!keepSize && at + bytes > this.sizeBytes) this.#growTo(at + bytes)
  }

  setSize(bytes: number): void {
    if (bytes > this.sizeBytes) {
      this.#growTo(bytes)
      return
    }
    this.#memory.fill(0, bytes, this.sizeBytes)
    this.#freeBlocks(Math.ceil(bytes / PAGE_BYTES), Math.ceil(this.sizeBytes / PAGE_BYTES))
    this.sizeBytes = bytes
  }

  punchHole(at: number, bytes: number): void {
    const until = Math.min(at + bytes, this.sizeBytes)
    if (until <= at) return
    this.#memory.fill(0, at, until)
    this.#freeBlocks(Math.ceil(at / PAGE_BYTES), Math.floor((at + bytes) / PAGE_BYTES))
  }

  freeAllBlocks(): void {
    this.#budget.giveBack(this.#blocks.size)
    this.#blocks.clear()
  }

  sync(at: number, bytes: number): void {
    for (const page of this.#unsyncedPages(at, bytes)) {
      if (this.#isLost(page)) continue
      this.#durablePages.set(page, this.#wholePage(page))
      this.#lostPages.delete(page)
    }
  }

  syncAll(): void {
    this.sync(0, this.sizeBytes)
    this.#durableSizeBytes = this.sizeBytes
    this.#durableBlocks = new Set(this.#blocks)
    const pageCount = Math.ceil(this.sizeBytes / PAGE_BYTES)
    for (const page of this.#durablePages.keys()) if (page >= pageCount) this.#durablePages.delete(page)
  }

  loseUnsynced(at: number, bytes: number): void {
    for (const page of this.#unsyncedPages(at, bytes)) this.#lostPages.set(page, this.#wholePage(page))
  }

  /** Whether a loss of power could change what is read. */
  hasUnsynced(): boolean {
    return [...this.#unsyncedPages(0, this.sizeBytes)].length > 0 || this.#durableSizeBytes !== this.sizeBytes
  }

  /** The same file, with the same things unsynced, under a kernel that goes on. */
  copy(budget: BlockBudget): SimulatedContents {
    for (const _ of this.#unsyncedPages(0, this.sizeBytes)); // Takes note of sparse writes.
    const copy = new SimulatedContents(this.inode, this.modifiedMs, budget)
    copy.#memory = this.#memory.slice()
    copy.#takePages(this.#blocks)
    copy.sizeBytes = this.sizeBytes
    copy.cold = this.cold
    copy.#durableSizeBytes = this.#durableSizeBytes
    copy.#durableBlocks = new Set(this.#durableBlocks)
    copy.#durablePages = new Map(this.#durablePages) // The copies of pages are never changed.
    copy.#lostPages = new Map(this.#lostPages)
    return copy
  }

  /** The file as it is found after a loss of power. */
  afterCrash(random: Random, policy: CrashPolicy, budget: BlockBudget): SimulatedContents {
    const sizeIsNew = random.chance(policy.sizes)
    const blocksAreNew = random.chance(policy.sizes)
    const pages = new Map(this.#durablePages)
    for (const page of this.#unsyncedPages(0, this.sizeBytes)) {
      if (this.#isLost(page)) continue
      if (random.chance(policy.tornPages)) pages.set(page, this.#tornPage(page, random, policy.sectorBytes))
      else if (random.chance(policy.pages)) pages.set(page, this.#wholePage(page))
    }

    const found = new SimulatedContents(this.inode, this.modifiedMs, budget)
    found.sizeBytes = sizeIsNew ? this.sizeBytes : this.#durableSizeBytes
    found.#growMemory(found.sizeBytes)
    for (const [page, bytes] of pages) {
      const room = found.sizeBytes - page * PAGE_BYTES
      if (room > 0) found.#memory.set(bytes.subarray(0, room), page * PAGE_BYTES)
    }
    const pageCount = Math.ceil(found.sizeBytes / PAGE_BYTES)
    const written = [...pages.keys()].filter(page => page < pageCount)
    found.#takePages(new Set([...(blocksAreNew ? this.#blocks : this.#durableBlocks), ...written]))
    found.syncAll()
    return found
  }

  /** Of the range, those that are not as they are on the disk. */
  *#unsyncedPages(at: number, bytes: number): Generator<number> {
    const until = Math.min(at + bytes, this.sizeBytes)
    for (let page = Math.floor(at / PAGE_BYTES); page * PAGE_BYTES < until; page++) {
      const now = this.#page(page)
      const durable = (this.#durablePages.get(page) ?? ZERO_PAGE).subarray(0, now.length)
      if (Buffer.compare(now, durable) === 0) continue
      if (!this.#blocks.has(page)) {
        this.sparseWrites.add(page)
        assert(this.#budget.has(1), 'no page without blocks is written on a full disk: that is a SIGBUS')
        this.#takePages(new Set([page]))
      }
      yield page
    }
  }

  #isLost(page: number): boolean {
    const lost = this.#lostPages.get(page)
    return lost !== undefined && Buffer.compare(lost, this.#wholePage(page)) === 0
  }

  #tornPage(page: number, random: Random, sectorBytes: number): Uint8Array {
    const torn = new Uint8Array(PAGE_BYTES)
    torn.set(this.#durablePages.get(page) ?? ZERO_PAGE)
    const now = this.#page(page)
    for (let at = 0; at < now.length; at += sectorBytes) {
      if (random.chance(0.5)) torn.set(now.subarray(at, at + sectorBytes), at)
    }
    return torn
  }

  /** A copy; beyond the end of the file there are zeros. */
  #wholePage(page: number): Uint8Array {
    return this.#memory.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
  }

  #page(page: number): Uint8Array {
    return this.#memory.subarray(page * PAGE_BYTES, Math.min((page + 1) * PAGE_BYTES, this.sizeBytes))
  }

  #takeBlocks(at: number, bytes: number): void {
    const missing = new Set<number>()
    for (let page = Math.floor(at / PAGE_BYTES); page * PAGE_BYTES < at + bytes; page++) {
      if (!this.#blocks.has(page)) missing.add(page)
    }
    this.#takePages(missing)
  }

  #takePages(pages: ReadonlySet<number>): void {
    if (pages.size === 0) return
    this.#budget.take(pages.size)
    for (const page of pages) this.#blocks.add(page)
  }

  #freeBlocks(fromPage: number, untilPage: number): void {
    for (let page = fromPage; page < untilPage; page++) if (this.#blocks.delete(page)) this.#budget.giveBack(1)
  }

  #growTo(bytes: number): void {
    this.#growMemory(bytes)
    this.sizeBytes = Math.max(this.sizeBytes, bytes)
  }

  #growMemory(bytes: number): void {
    if (bytes <= this.#memory.length) return
    assert(this.mappingCount === 0, 'a simulated file grows only while it is not mapped')
    const grown = new Uint8Array(Math.max(CAPACITY_BYTES_MIN, 2 ** Math.ceil(Math.log2(bytes))))
    grown.set(this.#memory)
    this.#memory = grown
  }
}
