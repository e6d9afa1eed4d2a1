/**
 * Counts of durations in buckets that grow with them: each of its octaves has 128 buckets, so that a percentile is off
 * by less than one per cent, and recording costs some instructions whatever the value. Up to 33 s.
 */

const SUB_BITS = 7
const SUB_COUNT = 1 << SUB_BITS
const OCTAVE_COUNT = 20
/** Recorded in units of 1/4 us, so that the lowest buckets are fine enough for a loopback answer. */
const UNITS_PER_US = 4

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
    this.#counts.fill(0)
    this.count = 0
    this.maxUs = 0
  }

  latency(): { p50Us: number; p99Us: number; p999Us: number; maxUs: number } {
    return {
      p50Us: this.percentileUs(50),
      p99Us: this.percentileUs(99),
      p999Us: this.percentileUs(99.9),
      maxUs: this.maxUs
    }
  }
}

/** Values below SUB_COUNT have a bucket each; above it the top bits choose the octave and the next ones the bucket in it. */
function bucketOf(units: number): number {
  const value = units < 2 ** (SUB_BITS + OCTAVE_COUNT) ? units | 0 : 2 ** (SUB_BITS + OCTAVE_COUNT) - 1
  if (value < SUB_COUNT) return value
  const octave = 31 - SUB_BITS - Math.clz32(value)
  return (octave << SUB_BITS) + (value >> octave)
}

function middleOf(bucket: number): number {
  const octave = Math.max(0, (bucket >> SUB_BITS) - 1)
  return (bucket - (octave << SUB_BITS) + 0.5) * 2 ** octave
}
