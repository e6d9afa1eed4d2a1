/**
 * Doubts about queue offsets, while queues are built anew from the log. Nothing but a record itself says which offset it has in
 * its queue; if that has rotted, taking it at its word would fill the queue up to there and drop all that follows.
 *
 * A record that does not follow the one before it waits for the next of its queue. If that one follows it, messages are missing
 * before it; if that one goes on where the queue was, the record is damaged. So does the first of a queue that does not begin at 0.
 * Missing messages are believed at once where the log is known to be damaged in between.
 *
 * Not here: filling holes (dispatch.ts), finding the same with the queue at hand (verify-queue-entries.ts).
 */
import type { PhysicalOffset } from '../base/index.ts'
import type { StagedQueue } from './queue-stage.ts'
import type { DamagedRange } from './store-api.ts'

export interface OffsetClaim {
  readonly queueOffset: number
  readonly at: number
  readonly sizeBytes: number
  readonly tagsCode: number
}

interface Doubtful extends OffsetClaim {
  /** Whether it followed another one before it: records of a topic that was made again, not rot. */
  readonly isOfRun: boolean
}

export class OffsetDoubts {
  readonly #onDamage: (range: DamagedRange) => void
  readonly #waiting = new Map<StagedQueue, Doubtful>()
  #damageUntil = 0

  constructor(onDamage: (range: DamagedRange) => void) {
    this.#onDamage = onDamage
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  /** The log has no records before this position, for a stretch. */
  noteDamage(until: number): void {
    this.#damageUntil = until
  }

  /**
   * The records to be put into the queue now that this one has been met, in their order: none, it alone, or with it the one that
   * had waited.
   */
  judge(queue: StagedQueue, claim: OffsetClaim): readonly OffsetClaim[] {
    const { nextOffset, seenAt } = queue
    const { queueOffset } = claim
    const before = this.#waiting.get(queue)
    const follows = before !== undefined && queueOffset === before.queueOffset + 1
    if (queueOffset < nextOffset) {
      // Before it has met the queue itself, the dispatcher may have been sent back to what was there already.
      if (seenAt > 0) this.#wait(queue, { ...claim, isOfRun: follows || queueOffset === 0 })
      return []
    }
    if (before !== undefined && before.queueOffset > nextOffset && (follows || this.#isHole(before, claim))) {
      this.#waiting.delete(queue)
      return [before, claim]
    }
    const isExplained = !queue.empty && this.#damageUntil > seenAt
    const isBehindOne = !queue.empty && before !== undefined && queueOffset === nextOffset + 1 // Which stands in the place of the missing one.
    if (queueOffset > nextOffset && !isExplained && !isBehindOne) {
      this.#wait(queue, { ...claim, isOfRun: false })
      return []
    }
    this.#refute(queue)
    return [claim]
  }

  /** The log has ended. A record that is the only one of its queue is believed, no other that still waits. */
  finish(accept: (queue: StagedQueue, claim: OffsetClaim) => void): void {
    for (const [queue, claim] of this.#waiting) {
      if (queue.empty) accept(queue, claim)
      else this.#refute(queue)
    }
  }

  #isHole(before: OffsetClaim, { queueOffset }: OffsetClaim): boolean {
    return queueOffset > before.queueOffset && this.#damageUntil > before.at
  }

  #wait(queue: StagedQueue, doubtful: Doubtful): void {
    if (doubtful.isOfRun) this.#waiting.delete(queue)
    else this.#refute(queue)
    this.#waiting.set(queue, doubtful)
  }

  #refute(queue: StagedQueue): void {
    const doubtful = this.#waiting.get(queue)
    if (doubtful === undefined) return
    this.#waiting.delete(queue)
    if (doubtful.isOfRun) return
    const { at, sizeBytes } = doubtful
    const reason = 'its queue offset does not fit into its queue'
    this.#onDamage({ from: at as PhysicalOffset, until: (at + sizeBytes) as PhysicalOffset, reason })
  }
}
