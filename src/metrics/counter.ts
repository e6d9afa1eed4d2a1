/** A number that only grows: messages, bytes, failures. Its rate is for the reader of the metrics to compute. */
import { assert } from '../base/index.ts'

export class Counter {
  #value = 0

  get value(): number {
    return this.#value
  }

  add(amount = 1): void {
    assert(amount >= 0, 'a counter never goes back')
    this.#value += amount
  }
}
