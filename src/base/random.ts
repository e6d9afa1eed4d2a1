/**
 * Random numbers from a seed: the same seed gives the same numbers on every machine, so that a failure can be replayed.
 *
 * For tests, benchmarks and the jitter of retries. The generator is sfc32 (Chris Doty-Humphrey): 128 bits of state in
 * four 32-bit words, which JavaScript handles without allocating.
 *
 * Not here: anything that must be hard to guess; that is `node:crypto`'s.
 */
import { assert } from './assert.ts'

export interface Random {
  /** What to print when a test fails, and to hand to `seededRandom` to see it again. */
  readonly seed: number
  /** An integer in `[0, 2^32)`. */
  uint32(): number
  /** In `[0, 1)`, with 53 random bits. */
  fraction(): number
  /** An integer in `[0, count)`. */
  below(count: number): number
  /** An integer in `[min, max]`. */
  between(min: number, max: number): number
  /** True in `probability` of the calls, from 0 (never) to 1 (always). */
  chance(probability: number): boolean
  pick<Item>(items: readonly Item[]): Item
  /** A new array in random order. */
  shuffled<Item>(items: readonly Item[]): Item[]
  bytes(length: number): Uint8Array
  /** A generator of its own, so that using one more number here does not shift the numbers there. */
  fork(): Random
}

/** A seed for a run that nobody asked to repeat. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 2 ** 32)
}

export function seededRandom(seed: number): Random {
  assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is an integer from 0')
  // The counter starts at 1 and the first rounds are thrown away: seeds that differ in one bit must not start alike.
  let a = seed >>> 0
  let b = Math.floor(seed / 2 ** 32)
  let c = 0x9e3779b9
  let counter = 1
  for (let round = 0; round < 15; round++) uint32()

  function uint32(): number {
    const result = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + result) | 0
    return result >>> 0
  }

  function fraction(): number {
    return ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53
  }

  function below(count: number): number {
    assert(Number.isSafeInteger(count) && count > 0, 'there is at least one number to choose from')
    return Math.floor(fraction() * count)
  }

  function shuffled<Item>(items: readonly Item[]): Item[] {
    const order = [...items]
    for (let last = order.length - 1; last > 0; last--) {
      const other = below(last + 1)
      ;[order[last], order[other]] = [order[other]!, order[last]!] // Both are inside the array.
    }
    return order
  }

  function bytes(length: number): Uint8Array {
    const filled = new Uint8Array(length)
    for (let at = 0; at < length; at++) filled[at] = uint32() >>> 24
    return filled
  }

  return {
    seed,
    uint32,
    fraction,
    below,
    between: (min, max) => min + below(max - min + 1),
    chance: probability => fraction() < probability,
    pick: items => items[below(items.length)] as (typeof items)[number], // `below` stays inside the array.
    shuffled,
    bytes,
    fork: () => seededRandom(uint32())
  }
}
