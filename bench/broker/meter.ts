/**
 * When a load counts: a warm-up, then the measured time, or exactly so many messages. Shared by all connections of a
 * load; the clock is read where bytes were received anyway, never for a message alone.
 */
import type { Extent } from '../case.ts'
import { processCpuUs } from '../process-facts.ts'
import { Histogram } from './histogram.ts'

export class Meter {
  readonly histogram = new Histogram()
  readonly #seconds: number | undefined
  readonly #countMax: number
  readonly #brokerPid: number
  #begunMs = 0
  #phaseMs: number
  #phase: 'warming' | 'measured' | 'over'
  #begin: { readonly count: number; readonly brokerCpuUs: number; readonly ownCpuUs: number }
  #endedMs = 0
  /** Messages that are done, of whatever kind the load counts, since the start; and those that were begun. */
  count = 0
  begun = 0
  #measuredUntil = 0

  constructor({ seconds, warmUpSeconds = 0, count }: Extent, brokerPid: number) {
    this.#seconds = seconds
    this.#countMax = count ?? Number.POSITIVE_INFINITY
    this.#brokerPid = brokerPid
    this.#phase = seconds === undefined || warmUpSeconds === 0 ? 'measured' : 'warming'
    this.#phaseMs = (this.#phase === 'warming' ? warmUpSeconds : (seconds ?? Number.POSITIVE_INFINITY)) * 1000
    this.#begin = this.#looked(performance.now())
  }

  get goesOn(): boolean {
    return this.#phase !== 'over'
  }

  /** Whether what happens now is part of the figures. */
  get counts(): boolean {
    return this.#phase === 'measured'
  }

  mayBegin(count: number): boolean {
    return this.#phase !== 'over' && this.begun + count <= this.#countMax
  }

  record(ms: number): void {
    if (this.counts) this.histogram.recordMs(ms)
  }

  tick(nowMs: number): void {
    if (nowMs - this.#begunMs < this.#phaseMs) return
    if (this.#phase === 'warming') {
      this.#phase = 'measured'
      this.#phaseMs = (this.#seconds ?? 0) * 1000
      this.#begin = this.#looked(nowMs)
    } else if (this.#phase === 'measured') {
      this.#phase = 'over'
      this.#endedMs = nowMs
      this.#measuredUntil = this.count
    }
  }

  /** Called when all that was begun is done and the broker has caught up: its CPU until then counts. */
  end(): Measured {
    if (this.#phase !== 'over') {
      this.#endedMs = performance.now()
      this.#measuredUntil = this.count
    }
    const { count, brokerCpuUs, ownCpuUs } = this.#begin
    return {
      messages: this.#measuredUntil - count,
      all: this.count,
      seconds: (this.#endedMs - this.#begunMs) / 1000,
      brokerCpuUs: processCpuUs(this.#brokerPid) - brokerCpuUs,
      ownCpuUs: ownCpuUsNow() - ownCpuUs,
      latency: this.histogram.latency()
    }
  }

  #looked(nowMs: number): { count: number; brokerCpuUs: number; ownCpuUs: number } {
    this.#begunMs = nowMs
    return { count: this.count, brokerCpuUs: processCpuUs(this.#brokerPid), ownCpuUs: ownCpuUsNow() }
  }
}

export interface Measured {
  /** Within the measured time; `all` counts the warm-up and what came after, too. */
  readonly messages: number
  readonly all: number
  readonly seconds: number
  /** Both until the load had ended and the broker had caught up. */
  readonly brokerCpuUs: number
  readonly ownCpuUs: number
  readonly latency: ReturnType<Histogram['latency']>
}

function ownCpuUsNow(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
