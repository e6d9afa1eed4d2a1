/**
 * Offset by time: which message of a queue was stored around a given instant, by halving.
 *
 * Store times never decrease within a queue unless the clock stepped back while Apache RocketMQ wrote; then the answer
 * is one of the places where the order is broken, as it is there. Messages whose time cannot be read count as early.
 */
export interface TimeQuery {
  readonly min: number
  readonly max: number
  readonly timeMs: number
  /** `lower`: the first message stored at or after the time; `upper`: the last one stored at or before it. */
  readonly boundary: 'lower' | 'upper'
  readonly storedAt: (offset: number) => Promise<number>
}

/** Within [min, max]; `max` when every message is earlier and the lower boundary is asked for. */
export async function offsetByTime({ min, max, timeMs, boundary, storedAt }: TimeQuery): Promise<number> {
  let low = min
  let high = max
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    const stored = await storedAt(middle)
    const isBefore = boundary === 'lower' ? stored < timeMs : stored <= timeMs
    if (isBefore) low = middle + 1
    else high = middle
  }
  return boundary === 'lower' ? low : Math.max(min, low - 1)
}
