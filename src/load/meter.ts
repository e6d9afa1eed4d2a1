/**
 * When a load counts: a warm-up, then the measured time, or exactly so many messages. Shared by all connections of a
 * load; the clock is read where bytes were received anyway, never for a message alone.
 */
import { systemClock } from '../base/index.ts'
import type { Latency } from './histogram.ts'
import { processCpuUs } from './process-facts.ts'
import { Recorder, type Timeline, type Watch } from './timeline.ts'

/** One of the two: for a time after a warm-up that does not count, or exactly so many messages. */
export interface Extent {
  readonly seconds?: number
  readonly warmUpSeconds?: number
  readonly count?: number
}

export class Meter {
  readonly #seconds: number | undefined
  readonly #countMax: number
  readonly #brokerPid: number | undefined
  readonly #recorder: Recorder
  #begunMs = 0
  #phaseMs: number
  #phase: 'warming' | 'measured' | 'over'
  #begin: { readonly count: number; readonly brokerCpuUs: number | undefined; readonly ownCpuUs: number }
  #endedMs = 0
  /** Messages that are done, of whatever kind the load counts, since the start; and those that were begun. */
  count = 0
  begun = 0
  #measuredUntil = 0

  constructor({ seconds, warmUpSeconds = 0, count }: Extent, watch: Watch = {}) {
    const nowMs = systemClock.monotonicMs()
    this.#seconds = seconds
    this.#countMax = count ?? Number.POSITIVE_INFINITY
    this.#brokerPid = watch.pid
    this.#recorder = new Recorder(watch, { nowMs, seconds })
    this.#phase = seconds === undefined || warmUpSeconds === 0 ? 'measured' : 'warming'
    this.#phaseMs = (this.#phase === 'warming' ? warmUpSeconds : (seconds ?? Number.POSITIVE_INFINITY)) * 1000
    if (this.#phase === 'measured') this.#recorder.begin(nowMs, 0)
    this.#begin = this.#looked(nowMs)
    watch.signal?.addEventListener('abort', () => this.#end(systemClock.monotonicMs()), { once: true })
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
    if (this.#phase !== 'over') this.#recorder.record(ms)
  }

  tick(nowMs: number): void {
    if (this.#phase === 'over') return
    this.#recorder.look(nowMs, this.count)
    if (this.count >= this.#countMax) this.#end(nowMs)
    if (nowMs - this.#begunMs < this.#phaseMs) return
    if (this.#phase === 'warming') {
      this.#phase = 'measured'
      this.#phaseMs = (this.#seconds ?? 0) * 1000
      this.#begin = this.#looked(nowMs)
      this.#recorder.begin(nowMs, this.count)
    } else {
      this.#end(nowMs)
    }
  }

  /** Called when all that was begun is done and the broker has caught up: its CPU until then counts. */
  end(): Measured {
    this.#end(systemClock.monotonicMs())
    const { count, brokerCpuUs, ownCpuUs } = this.#begin
    const timeline = this.#recorder.timeline()
    return {
      messages: this.#measuredUntil - count,
      all: this.count,
      seconds: (this.#endedMs - this.#begunMs) / 1000,
      ...(this.#brokerPid === undefined || brokerCpuUs === undefined
        ? {}
        : { brokerCpuUs: processCpuUs(this.#brokerPid) - brokerCpuUs }),
      ownCpuUs: ownCpuUsNow() - ownCpuUs,
      latency: this.#recorder.latency(),
      ...(timeline === undefined ? {} : { timeline })
    }
  }

  #end(nowMs: number): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#endedMs = nowMs
    this.#measuredUntil = this.count
  }

  #looked(nowMs: number): { count: number; brokerCpuUs: number | undefined; ownCpuUs: number } {
    this.#begunMs = nowMs
    const brokerCpuUs = this.#brokerPid === undefined ? undefined : processCpuUs(this.#brokerPid)
    return { count: this.count, brokerCpuUs, ownCpuUs: ownCpuUsNow() }
  }
}

export interface Measured {
  /** Within the measured time; `all` counts the warm-up and what came after, too. */
  readonly messages: number
  readonly all: number
  readonly seconds: number
  /** Both until the load had ended and the broker had caught up; the first where its process is known. */
  readonly brokerCpuUs?: number
  readonly ownCpuUs: number
  readonly latency: Latency
  readonly timeline?: Timeline
}

function ownCpuUsNow(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
