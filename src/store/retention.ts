/**
 * Retention: which segments go, and when.
 *
 * Segments go from the oldest on, never the one being written, and never one that the owner's `mayDelete` keeps:
 * - expired ones at the configured hours, or at any hour when the disk is fuller than `diskUsedRatioMax`
 * - the oldest, whatever their age, when the log is larger than `totalBytesMax` or the disk fuller than
 *   `diskUsedRatioForced`
 *
 * The age of a segment is that of its last write, as in Apache RocketMQ: keep modification times when copying a store.
 *
 * Not here: the deletion itself, which has to wait for readers and threads (store.ts).
 */
import type { Clock } from '../base/index.ts'
import type { Files } from './files.ts'
import type { ResolvedRetention } from './options.ts'
import type { SegmentFacts } from './store-api.ts'

/** At most so many in one run, so that a store that was stopped for weeks does not spend minutes in it. */
const DELETE_COUNT_MAX = 10

export class Retention {
  readonly #files: Files
  readonly #clock: Clock
  readonly #options: ResolvedRetention
  readonly #directory: string
  #dueMs: number

  constructor(files: Files, clock: Clock, options: ResolvedRetention, directory: string) {
    this.#files = files
    this.#clock = clock
    this.#options = options
    this.#directory = directory
    this.#dueMs = clock.monotonicMs() + options.intervalMs
  }

  isDue(nowMs: number): boolean {
    if (nowMs < this.#dueMs) return false
    this.#dueMs = nowMs + this.#options.intervalMs
    return true
  }

  /** Whether writing must stop until there is more room. */
  diskIsFull(): boolean {
    return this.#diskUsedRatio() > this.#options.diskUsedRatioFull
  }

  /** What to delete now, in order. `segments` are all but the one being written, oldest first. */
  choose(
    segments: readonly SegmentFacts[],
    appendedUntil: number,
    { ignoreHours }: { ignoreHours: boolean }
  ): SegmentFacts[] {
    const {
      ageMs,
      totalBytesMax = Number.POSITIVE_INFINITY,
      diskUsedRatioMax,
      diskUsedRatioForced,
      mayDelete
    } = this.#options
    const nowMs = this.#clock.nowMs()
    const used = this.#diskUsedRatio()
    const expiredMayGo = ignoreHours || used > diskUsedRatioMax || this.#isHour(nowMs)
    const chosen: SegmentFacts[] = []
    for (const segment of segments) {
      const expired = segment.modifiedMs + ageMs <= nowMs
      const forced = used > diskUsedRatioForced || appendedUntil - segment.base > totalBytesMax
      const goes = forced || (expired && expiredMayGo)
      if (!goes || mayDelete?.(segment) === false || chosen.length === DELETE_COUNT_MAX) break
      chosen.push(segment)
    }
    return chosen
  }

  #diskUsedRatio(): number {
    const { totalBytes, availableBytes } = this.#files.space(this.#directory)
    return totalBytes === 0 ? 0 : 1 - availableBytes / totalBytes
  }

  #isHour(nowMs: number): boolean {
    const { hours } = this.#options
    return hours === 'always' || hours.includes(new Date(nowMs).getHours())
  }
}
