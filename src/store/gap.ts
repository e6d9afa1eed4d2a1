/**
 * The gap: where the newest messages lie, until their queue entries are in the queue's file.
 *
 * It is what makes a message readable the moment `append` returns, however far behind the dispatcher is. A ring of
 * positions in order of appending; each entry knows the previous entry of the same queue, so a queue's newest entries
 * are found by walking back from its last one. The walk is as long as the queue's part of the gap: with a dispatcher
 * that keeps up, a few dozen steps.
 *
 * Invariants:
 * - entries leave in order, and only once their queue entries are written: below `queuesWritten`
 * - an entry's predecessor may have left; readers stop before that, because they know the first offset in the gap
 */
import { assert } from '../base/index.ts'

export class Gap {
  #positions: Float64Array
  /** Ordinal of the previous entry of the same queue, modulo 2^32. */
  #previous: Int32Array
  #mask: number
  /** Ordinals count all entries ever made; the ring holds [first, next). */
  #first = 0
  #next = 0
  readonly #countMax: number

  constructor(countMax: number, countInitial = 1 << 16) {
    this.#countMax = ceilToPowerOfTwo(countMax)
    const count = Math.min(ceilToPowerOfTwo(countInitial), this.#countMax)
    this.#positions = new Float64Array(count)
    this.#previous = new Int32Array(count)
    this.#mask = count - 1
  }

  get count(): number {
    return this.#next - this.#first
  }

  /** Whether there is room for `count` more, after forgetting what lies below `written` and growing if allowed. */
  hasRoomFor(count: number, written: number): boolean {
    if (this.#next - this.#first + count <= this.#mask + 1) return true
    this.forgetBelow(written)
    while (this.#next - this.#first + count > this.#mask + 1) {
      if (this.#mask + 1 >= this.#countMax) return false
      this.#grow()
    }
    return true
  }

  /** Adds the newest message of a queue whose entry before was `previous`; returns the ordinal of the new entry. */
  push(position: number, previous: number): number {
    const ordinal = this.#next++
    this.#positions[ordinal & this.#mask] = position
    this.#previous[ordinal & this.#mask] = previous | 0
    return ordinal
  }

  position(ordinal: number): number {
    assert(ordinal >= this.#first && ordinal < this.#next, 'the entry is still in the gap')
    return this.#positions[ordinal & this.#mask] as number // Masked: inside the array.
  }

  /** The entry before in the same queue. Only where the caller knows that it is in the gap. */
  previous(ordinal: number): number {
    return ordinal - ((ordinal - (this.#previous[ordinal & this.#mask] as number)) >>> 0) // Masked: inside the array.
  }

  forgetBelow(written: number): void {
    while (this.#first < this.#next && (this.#positions[this.#first & this.#mask] as number) < written) this.#first++
  }

  #grow(): void {
    const count = (this.#mask + 1) * 2
    const positions = new Float64Array(count)
    const previous = new Int32Array(count)
    for (let ordinal = this.#first; ordinal < this.#next; ordinal++) {
      positions[ordinal & (count - 1)] = this.#positions[ordinal & this.#mask] as number
      previous[ordinal & (count - 1)] = this.#previous[ordinal & this.#mask] as number
    }
    this.#positions = positions
    this.#previous = previous
    this.#mask = count - 1
  }
}

function ceilToPowerOfTwo(count: number): number {
  let power = 1
  while (power < count) power *= 2
  return power
}
