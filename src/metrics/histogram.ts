/**
 * How often each size of a value was seen: durations, batch sizes. Recording is a few operations on numbers and
 * allocates nothing; memory is one array of fixed size, 6.6 KiB, whatever is recorded.
 *
 * Buckets follow the logarithm: each octave, from a power of two (excluded) to the next (included), has `STEPS`
 * buckets of equal width. So every value up to 2^53 has a place, its bucket tells it to 1/16, and the number of
 * values up to a power of two is exact, which is what the Prometheus text prints.
 *
 * Record whole numbers of a small unit (ns, bytes): everything from 0 to 1 shares the first bucket.
 *
 * Invariants:
 * - count = sum of all buckets
 * - bucket i holds the values in (upperBound(i - 1), upperBound(i)]
 */
import { assert } from '../base/index.ts'

/** Buckets per octave; a power of two. */
const STEPS = 16
const STEPS_LOG2 = 4
const OCTAVES = 53
const VALUE_MAX = 2 ** OCTAVES
const BUCKET_COUNT = STEPS * (OCTAVES - STEPS_LOG2 + 1)

export class Histogram {
  readonly #buckets = new Float64Array(BUCKET_COUNT)
  #count = 0
  #sum = 0
  #max = 0

  get count(): number {
    return this.#count
  }

  get sum(): number {
    return this.#sum
  }

  /** Exact, unlike the quantiles. */
  get max(): number {
    return this.#max
  }

  /** A value below 0 (a clock that stepped back) counts as 0, one above 2^53 as 2^53. */
  record(value: number): void {
    assert(!Number.isNaN(value), 'a histogram records numbers')
    const held = Math.min(Math.max(value, 0), VALUE_MAX)
    const bucket = bucketOf(held)
    this.#buckets[bucket] = this.#buckets[bucket]! + 1 // `bucketOf` stays inside the array.
    this.#count += 1
    this.#sum += held
    if (held > this.#max) this.#max = held
  }

  /**
   * A value that `fraction` of the recorded ones do not exceed: 0.5 is the median, 0.99 what one in a hundred exceeds.
   * At most 1/16 too high, never too low; 0 when nothing was recorded.
   */
  quantile(fraction: number): number {
    assert(fraction >= 0 && fraction <= 1, 'a quantile lies from 0 to 1')
    const rank = Math.max(1, Math.ceil(fraction * this.#count))
    let seen = 0
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      seen += this.#buckets[bucket]!
      if (seen >= rank) return Math.min(upperBound(bucket), this.#max)
    }
    return this.#max
  }

  /** How many of the recorded values are at most `2^exponent`; exact. */
  countUpToPower(exponent: number): number {
    assert(Number.isInteger(exponent) && exponent >= 0 && exponent <= OCTAVES, 'the exponent is one of the octaves')
    const last = bucketOf(2 ** exponent)
    let seen = 0
    for (let bucket = 0; bucket <= last; bucket++) seen += this.#buckets[bucket]!
    return seen
  }

  reset(): void {
    this.#buckets.fill(0)
    this.#count = 0
    this.#sum = 0
    this.#max = 0
  }
}

/**
 * Bounds are included above, so it is `ceil(value) - 1` whose leading bits choose: the highest one the octave, the four
 * after it the step (that highest bit adds `STEPS` to them). Below `STEPS` each whole number has a bucket of its own.
 */
function bucketOf(value: number): number {
  const below = Math.max(0, Math.ceil(value) - 1)
  if (below < STEPS) return below
  if (below < 2 ** 32) {
    const exponent = 31 - Math.clz32(below)
    return STEPS * (exponent - STEPS_LOG2) + (below >>> (exponent - STEPS_LOG2))
  }
  const exponent = 63 - Math.clz32(below / 2 ** 32)
  return STEPS * (exponent - STEPS_LOG2) + Math.floor(below / 2 ** (exponent - STEPS_LOG2))
}

function upperBound(bucket: number): number {
  if (bucket < STEPS) return bucket + 1
  const exponent = Math.floor(bucket / STEPS) + STEPS_LOG2 - 1
  return (STEPS + (bucket % STEPS) + 1) * 2 ** (exponent - STEPS_LOG2)
}
