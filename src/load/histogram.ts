/**
 * Counts of durations in buckets that grow with them: each of its octaves has 128 buckets, so that a percentile is off
 * by less than one per cent, and recording costs some instructions whatever the value. Up to 33 s.
 */

const SUB_BITS = 7
const SUB_COUNT = 1 << SUB_BITS
const OCTAVE_COUNT = 25
/** Recorded in units of 8 ns, so that the lowest buckets are fine enough for an append. */
const UNITS_PER_US = 128
const UNITS_MAX = 2 ** (SUB_BITS + OCTAVE_COUNT) - 1

/** What a plot of latencies shows; the last is the longest of all. */
const PERCENTS = [1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100] as const

export interface Latency {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
  /** Pairs of a percentage and the microseconds that this share did not exceed; those that the count can tell. */
  readonly percentiles: readonly (readonly [percent: number, us: number])[]
}

export class Histogram {
  readonly #counts = new Float64Array(SUB_COUNT * (OCTAVE_COUNT + 1))
  count = 0
  maxUs = 0

  recordMs(ms: number): void {
    const us = ms * 1000
    if (us > this.maxUs) this.maxUs = us
    this.count++
    this.#counts[bucketOf(us * UNITS_PER_US)]!++ // Inside: bucketOf limits it.
  }

  add(other: Histogram): void {
    if (other.count === 0) return
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      const count = other.#counts[bucket]! // Both are of one size.
      if (count > 0) this.#counts[bucket]! += count
    }
    this.count += other.count
    this.maxUs = Math.max(this.maxUs, other.maxUs)
  }

  /** The middle of the bucket that the percentile falls into; 0 if nothing was recorded. */
  percentileUs(percent: number): number {
    let wanted = Math.max(1, Math.ceil((this.count * percent) / 100))
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      wanted -= this.#counts[bucket]! // Inside by the loop.
      if (wanted <= 0) return Math.min(this.maxUs, middleOf(bucket) / UNITS_PER_US)
    }
    return this.maxUs
  }

  reset(): void {
    if (this.count > 0) this.#counts.fill(0)
    this.count = 0
    this.maxUs = 0
  }

  latency(): Latency {
    // A percentile that lies beyond the last value but one says no more than the longest.
    const told = PERCENTS.filter(percent => percent === 100 || this.count * (100 - percent) >= 100)
    return {
      p50Us: this.percentileUs(50),
      p99Us: this.percentileUs(99),
      p999Us: this.percentileUs(99.9),
      maxUs: this.maxUs,
      percentiles: this.count === 0 ? [] : told.map(percent => [percent, this.#rounded(percent)])
    }
  }

  #rounded(percent: number): number {
    return Math.round((percent === 100 ? this.maxUs : this.percentileUs(percent)) * 100) / 100
  }
}

/** Values below SUB_COUNT have a bucket each; above it the top bits choose the octave and the next ones the bucket in it. */
function bucketOf(units: number): number {
  const value = units < UNITS_MAX ? units >>> 0 : UNITS_MAX
  if (value < SUB_COUNT) return value
  const octave = 31 - SUB_BITS - Math.clz32(value)
  return (octave << SUB_BITS) + (value >>> octave)
}

function middleOf(bucket: number): number {
  const octave = Math.max(0, (bucket >> SUB_BITS) - 1)
  return (bucket - (octave << SUB_BITS) + 0.5) * 2 ** octave
}
