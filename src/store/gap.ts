/**
 * The gap: where the newest messages lie, until their queue entries are in the queue's file.
 *
 * It is what makes a message readable the moment `append` returns, however far behind the dispatcher is. A list of
 * positions in order of appending; each entry knows the previous entry of the same queue, so a queue's newest entries
 * are found by walking back from its last one. The walk is as long as the queue's part of the gap: with a dispatcher
 * that keeps up, a few dozen steps.
 *
 * The list is kept in chunks, so that it grows without copying what it holds: an append that waited for that to be done
 * once was the longest pause of all.
 *
 * Invariants:
 * - entries leave in order, and only once their queue entries are written: below `queuesWritten`
 * - an entry's predecessor may have left; readers stop before that, because they know the first offset in the gap
 * - a chunk is there while it holds an entry of [first, next)
 */
import { assert } from '../base/index.ts'

interface Chunk {
  readonly positions: Float64Array
  /** Ordinal of the previous entry of the same queue, modulo 2^32. */
  readonly previous: Int32Array
}

/** As a power of two. Making a chunk of 192 KiB takes the writer some 50 us. */
const CHUNK_COUNT_LOG = 14
/** Chunks whose entries have left are used again, up to this many; with more than that the dispatcher was far behind. */
const SPARE_COUNT_MAX = 64

export class Gap {
  /** By the ordinal of their entries, in turn. */
  readonly #chunks: (Chunk | undefined)[]
  readonly #spare: Chunk[] = []
  readonly #chunkCountLog: number
  /** Of an entry in its chunk. */
  readonly #entryMask: number
  readonly #countMax: number
  /** Ordinals count all entries ever made; the list holds [first, next). */
  #first = 0
  #next = 0
  /** Up to here entries can be added without looking at what has been written: to the end of a chunk. */
  #roomUntil = 0

  constructor(countMax: number, chunkCountLog = CHUNK_COUNT_LOG) {
    this.#countMax = ceilToPowerOfTwo(countMax)
    this.#chunkCountLog = chunkCountLog
    this.#entryMask = (1 << chunkCountLog) - 1
    // One more than there are entries for, because the first and the last are partly filled.
    this.#chunks = new Array(2 * Math.max(1, this.#countMax >> chunkCountLog)).fill(undefined)
  }

  get count(): number {
    return this.#next - this.#first
  }

  /** Whether there is room for `count` more as it is: nearly always, and the answer costs nothing. */
  hasRoomFor(count: number): boolean {
    return this.#next + count <= this.#roomUntil
  }

  /** Forgets what lies below `written`. Whether there is room for `count` more then. */
  makeRoomFor(count: number, written: number): boolean {
    this.forgetBelow(written)
    const until = this.#next + count
    if (until > this.#first + this.#countMax) return false
    this.#roomUntil = Math.min(until - (until % this.#chunkCount) + this.#chunkCount, this.#first + this.#countMax)
    return true
  }

  /** Adds the newest message of a queue whose entry before was `previous`; returns the ordinal of the new entry. */
  push(position: number, previous: number): number {
    const ordinal = this.#next
    const at = ordinal & this.#entryMask
    const place = this.#placeOf(ordinal)
    if (at === 0) this.#chunks[place] = this.#spare.pop() ?? newChunk(this.#chunkCount)
    const chunk = this.#chunks[place] as Chunk // Made with its first entry.
    chunk.positions[at] = position
    chunk.previous[at] = previous | 0
    this.#next = ordinal + 1
    return ordinal
  }

  position(ordinal: number): number {
    assert(ordinal >= this.#first && ordinal < this.#next, 'the entry is still in the gap')
    return this.#positionOf(ordinal)
  }

  /** The entry before in the same queue. Only where the caller knows that it is in the gap. */
  previous(ordinal: number): number {
    const { previous } = this.#chunks[this.#placeOf(ordinal)] as Chunk // Of an entry that is in the gap.
    return ordinal - ((ordinal - (previous[ordinal & this.#entryMask] as number)) >>> 0) // Masked: inside the array.
  }

  forgetBelow(written: number): void {
    const before = this.#first
    this.#first = this.#firstFrom(written)
    for (let ordinal = before - (before % this.#chunkCount); ; ordinal += this.#chunkCount) {
      if (ordinal + this.#chunkCount > this.#first) return
      const place = this.#placeOf(ordinal)
      const chunk = this.#chunks[place]
      this.#chunks[place] = undefined
      if (chunk !== undefined && this.#spare.length < SPARE_COUNT_MAX) this.#spare.push(chunk)
    }
  }

  /** The first entry that is not below `written`; positions grow with ordinals. */
  #firstFrom(written: number): number {
    let from = this.#first
    let until = this.#next
    while (from < until) {
      const middle = Math.floor((from + until) / 2)
      if (this.#positionOf(middle) < written) from = middle + 1
      else until = middle
    }
    return from
  }

  #positionOf(ordinal: number): number {
    const { positions } = this.#chunks[this.#placeOf(ordinal)] as Chunk // Of an entry that is in the gap.
    return positions[ordinal & this.#entryMask] as number // Masked: inside the array.
  }

  get #chunkCount(): number {
    return this.#entryMask + 1
  }

  #placeOf(ordinal: number): number {
    return (ordinal >>> this.#chunkCountLog) & (this.#chunks.length - 1)
  }
}

function newChunk(count: number): Chunk {
  return { positions: new Float64Array(count), previous: new Int32Array(count) }
}

function ceilToPowerOfTwo(count: number): number {
  let power = 1
  while (power < count) power *= 2
  return power
}
