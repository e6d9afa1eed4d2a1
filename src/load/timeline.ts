/**
 * What a load looks like while it runs: its rate, its latencies and what the process under it uses, step by step. Those who
 * watch get each step as it ends, the report gets all of them.
 *
 * Not here: when a load counts and when it ends (meter.ts, loops.ts).
 */
import { Histogram, type Latency } from './histogram.ts'
import { privateMiB, processCpuUs } from './process-facts.ts'

/** One step, as it has just ended. */
export interface Instant {
  /** Since the load counts, or since it began while it does not count yet. */
  readonly seconds: number
  readonly isWarmUp: boolean
  readonly messages: number
  /** Messages a second within this step. */
  readonly rate: number
  readonly p50Us: number
  readonly p99Us: number
  /** Of one core; absent where the process is not known. */
  readonly cpuPercent?: number
  /** Resident and of no file. */
  readonly privateMiB?: number
}

/** The steps of the measured time, as columns. */
export interface Timeline {
  readonly seconds: readonly number[]
  readonly rate: readonly number[]
  readonly p99Us: readonly number[]
  readonly cpuPercent?: readonly number[]
  readonly privateMiB?: readonly number[]
}

export interface Watch {
  /** The process under the load, if it runs on this machine. */
  readonly pid?: number | undefined
  readonly onInstant?: ((instant: Instant) => void) | undefined
  /** How long a step is, if not as a plot wants it. */
  readonly stepMs?: number | undefined
  /** Ends the load before its time. */
  readonly signal?: AbortSignal | undefined
}

const STEP_MS_MIN = 250
/** However long a load runs, a plot needs no more. */
const STEPS_MAX = 600

export class Recorder {
  readonly #pid: number | undefined
  readonly #onInstant: ((instant: Instant) => void) | undefined
  readonly #stepMs: number
  readonly #all = new Histogram()
  readonly #step = new Histogram()
  #instants: Instant[] = []
  #isWarmUp = true
  #begunMs: number
  #begunCount = 0
  #stepFromMs: number
  #stepCount = 0
  #stepCpuUs: number | undefined

  constructor(
    { pid, onInstant, stepMs }: Watch,
    { nowMs, seconds = 0 }: { nowMs: number; seconds?: number | undefined }
  ) {
    this.#pid = pid
    this.#onInstant = onInstant
    this.#stepMs = stepMs ?? Math.max(STEP_MS_MIN, (seconds * 1000) / STEPS_MAX)
    this.#begunMs = nowMs
    this.#stepFromMs = nowMs
    this.#stepCpuUs = this.#cpuUs()
  }

  /** From now on it counts; what was recorded before is forgotten. */
  begin(nowMs: number, count: number): void {
    this.#isWarmUp = false
    this.#instants = []
    this.#begunMs = nowMs
    this.#begunCount = count
    this.#all.reset()
    this.#nextStep(nowMs, count)
  }

  record(ms: number): void {
    this.#step.recordMs(ms)
  }

  /** Called whenever the clock was read anyway. */
  look(nowMs: number, count: number): void {
    if (nowMs - this.#stepFromMs < this.#stepMs) return
    const tookMs = nowMs - this.#stepFromMs
    const cpuUs = this.#cpuUs()
    const used = cpuUs === undefined || this.#stepCpuUs === undefined ? undefined : cpuUs - this.#stepCpuUs
    const memoryMiB = this.#pid === undefined ? undefined : privateMiB(this.#pid)
    const instant: Instant = {
      seconds: (nowMs - this.#begunMs) / 1000,
      isWarmUp: this.#isWarmUp,
      messages: count - this.#begunCount,
      rate: ((count - this.#stepCount) * 1000) / tookMs,
      p50Us: this.#step.percentileUs(50),
      p99Us: this.#step.percentileUs(99),
      ...(used === undefined ? {} : { cpuPercent: used / (tookMs * 10) }),
      ...(memoryMiB === undefined ? {} : { privateMiB: memoryMiB })
    }
    this.#instants.push(instant)
    this.#nextStep(nowMs, count)
    this.#onInstant?.(instant)
  }

  latency(): Latency {
    this.#all.add(this.#step)
    this.#step.reset()
    return this.#all.latency()
  }

  /** Nothing for a load that was over within one step. */
  timeline(): Timeline | undefined {
    const steps = this.#instants
    if (steps.length === 0) return undefined
    const cpuPercent = steps.flatMap(step => step.cpuPercent ?? [])
    const memoryMiB = steps.flatMap(step => step.privateMiB ?? [])
    return {
      seconds: steps.map(step => rounded(step.seconds)),
      rate: steps.map(step => Math.round(step.rate)),
      p99Us: steps.map(step => rounded(step.p99Us)),
      ...(cpuPercent.length === steps.length ? { cpuPercent: cpuPercent.map(rounded) } : {}),
      ...(memoryMiB.length === steps.length ? { privateMiB: memoryMiB.map(rounded) } : {})
    }
  }

  #nextStep(nowMs: number, count: number): void {
    this.#all.add(this.#step)
    this.#step.reset()
    this.#stepFromMs = nowMs
    this.#stepCount = count
    this.#stepCpuUs = this.#cpuUs()
  }

  #cpuUs(): number | undefined {
    return this.#pid === undefined ? undefined : processCpuUs(this.#pid)
  }
}

const rounded = (value: number): number => Math.round(value * 100) / 100
