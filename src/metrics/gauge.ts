/**
 * A number that goes up and down: open connections, bytes not yet on disk.
 *
 * Either it is set, or it is read where the truth lies (a watermark in shared memory) at the moment somebody asks,
 * which costs the hot path nothing and cannot be stale.
 */
export interface Gauge {
  readonly value: number
}

export class SettableGauge implements Gauge {
  value = 0

  set(value: number): void {
    this.value = value
  }

  add(amount: number): void {
    this.value += amount
  }
}

export class ReadGauge implements Gauge {
  readonly #read: () => number

  constructor(read: () => number) {
    this.#read = read
  }

  get value(): number {
    return this.#read()
  }
}
