/** One line that says what is being run, how far the whole is and how long it may still take. */
import type { Benchmark } from './harness.ts'

/** Of one benchmark of a quick run on two cores, by folder; only their proportions matter once some have run. */
const SECONDS: Readonly<Record<string, number>> = {
  layout: 1,
  'native-bindings': 1,
  protocol: 2,
  store: 15,
  broker: 12,
  long: 40
}
const SECONDS_OTHERWISE = 5

/** Where it is written: the process's stderr, as far as it is of interest here. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export class Progress {
  readonly #benchmarks: readonly Benchmark[]
  readonly #out: ProgressOutput
  readonly #beganMs = performance.now()
  #index = -1
  #width = 0

  constructor(benchmarks: readonly Benchmark[], out: ProgressOutput) {
    this.#benchmarks = benchmarks
    this.#out = out
  }

  get seconds(): number {
    return (performance.now() - this.#beganMs) / 1000
  }

  begin(benchmark: Benchmark): void {
    this.#index = this.#benchmarks.indexOf(benchmark)
    if (this.#out.isTTY === true) this.say(benchmark.name) // Elsewhere its first step says so.
  }

  say(text: string): void {
    const line = `[${this.#index + 1}/${this.#benchmarks.length}] ${clock(this.seconds)}${this.#left()}  ${text.trim()}`
    if (this.#out.isTTY !== true) {
      this.#out.write(`${line}\n`)
      return
    }
    const shown = line.slice(0, (this.#out.columns ?? 100) - 1)
    this.#out.write(`\r${shown.padEnd(this.#width)}`)
    this.#width = shown.length
  }

  /** Before something else is printed. */
  clear(): void {
    if (this.#width > 0) this.#out.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }

  #left(): string {
    const done = expected(this.#benchmarks.slice(0, this.#index))
    const all = expected(this.#benchmarks)
    if (this.#index < 1) return `, about ${clock(all)} in all`
    return `, about ${clock((this.seconds / done) * (all - done))} left`
  }
}

const expected = (benchmarks: readonly Benchmark[]): number =>
  benchmarks.reduce((sum, { name }) => sum + (SECONDS[name.split('/')[0] ?? ''] ?? SECONDS_OTHERWISE), 0)

const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`
