/**
 * Flush waiters: who waits for which position to be on disk.
 *
 * Waiters come nearly always in order of position, so the list is kept sorted by adding at the end; each is answered
 * once, when the watermark passes it or when the store fails.
 */
import type { VarveError } from '../base/index.ts'

interface Waiter {
  readonly until: number
  readonly resolve: () => void
  readonly reject: (error: VarveError) => void
}

/** Answered waiters stay at the front until there are this many, so that answering does not move the others. */
const ANSWERED_MAX = 1024

export class FlushWaiters {
  readonly #waiters: Waiter[] = []
  #answered = 0

  get count(): number {
    return this.#waiters.length - this.#answered
  }

  /** The nearest position that anybody waits for; infinite if nobody does. */
  get first(): number {
    return this.#waiters[this.#answered]?.until ?? Number.POSITIVE_INFINITY
  }

  /** The furthest position that anybody waits for. */
  get until(): number {
    return this.#waiters[this.#waiters.length - 1]?.until ?? 0
  }

  add(until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { until, resolve, reject }
      if (until >= this.until || this.count === 0) this.#waiters.push(waiter)
      else this.#waiters.splice(this.#placeOf(until), 0, waiter)
    })
  }

  answerBelow(flushed: number): void {
    const waiters = this.#waiters
    while (this.#answered < waiters.length) {
      const waiter = waiters[this.#answered] as Waiter // Below length.
      if (waiter.until > flushed) break
      this.#answered++
      waiter.resolve()
    }
    if (this.#answered === waiters.length) {
      waiters.length = 0
      this.#answered = 0
    } else if (this.#answered >= ANSWERED_MAX) {
      waiters.splice(0, this.#answered)
      this.#answered = 0
    }
  }

  failAll(error: VarveError): void {
    const waiting = this.#waiters.slice(this.#answered)
    this.#waiters.length = 0
    this.#answered = 0
    for (const { reject } of waiting) reject(error)
  }

  #placeOf(until: number): number {
    let place = this.#waiters.length
    while (place > this.#answered && (this.#waiters[place - 1] as Waiter).until > until) place--
    return place
  }
}
