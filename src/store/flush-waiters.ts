/**
 * Flush waiters: who waits for which position to be on disk.
 *
 * Whoever one sync is going to answer shares one promise: a round. Its cost is that of one waiter, however many there
 * are, and all of them are answered by one call. Waiters come nearly always in order of position; one for whom a round
 * before is enough joins that one.
 *
 * Invariants:
 * - rounds follow each other in order of their furthest position; waiters join the last one until it is closed
 * - a round is answered once: when the watermark passes its furthest position, or when the store fails
 */
import type { VarveError } from '../base/index.ts'

interface Round {
  /** The furthest position that anybody in it waits for. */
  until: number
  count: number
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: VarveError) => void
}

export class FlushWaiters {
  readonly #rounds: Round[] = []
  #count = 0
  #isClosed = true

  get count(): number {
    return this.#count
  }

  /** From this position on somebody can be answered; infinite if nobody waits. */
  get first(): number {
    return this.#rounds[0]?.until ?? Number.POSITIVE_INFINITY
  }

  /** The furthest position that anybody waits for. */
  get until(): number {
    return this.#rounds[this.#rounds.length - 1]?.until ?? 0
  }

  add(until: number, callers = 1): Promise<void> {
    const round = this.#roundFor(until)
    round.count += callers
    this.#count += callers
    return round.promise
  }

  /** A sync of everything up to `until` has been asked for: whoever comes now and waits for more is in the next round. */
  closeRound(): void {
    this.#isClosed = true
  }

  answerBelow(flushed: number): void {
    const rounds = this.#rounds
    while (rounds.length > 0) {
      const round = rounds[0] as Round // There is one.
      if (round.until > flushed) return
      rounds.shift()
      this.#count -= round.count
      round.resolve()
    }
  }

  failAll(error: VarveError): void {
    const waiting = this.#rounds.splice(0)
    this.#count = 0
    for (const { reject } of waiting) reject(error)
  }

  #roundFor(until: number): Round {
    const rounds = this.#rounds
    const last = rounds[rounds.length - 1]
    if (last !== undefined && until <= last.until) return rounds.find(round => until <= round.until) ?? last
    if (last !== undefined && !this.#isClosed) {
      last.until = until
      return last
    }
    const round = newRound(until)
    rounds.push(round)
    this.#isClosed = false
    return round
  }
}

function newRound(until: number): Round {
  let resolve: () => void = () => {}
  let reject: (error: VarveError) => void = () => {}
  const promise = new Promise<void>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise
    reject = rejectPromise
  })
  return { until, count: 0, promise, resolve, reject }
}
