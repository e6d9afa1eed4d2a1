/**
 * Flow: what passes through one topic, queue or group, in total and over the last minute, hour and day.
 *
 * Counting is four additions. The windows are samples taken from outside (stats.ts); they exist only while something has
 * passed within a day, so that ten thousand idle topics cost no memory for them.
 */
import { hourMs, minuteMs, secondMs } from '../base/index.ts'

/** How often a sample is taken of each window, and how many of them make it up. */
export const WINDOWS = {
  minute: { everyMs: 10 * secondMs, samples: 6 },
  hour: { everyMs: 10 * minuteMs, samples: 6 },
  day: { everyMs: hourMs, samples: 24 }
} as const

export type WindowName = keyof typeof WINDOWS

/** What passed in a window. */
export interface Passed {
  readonly messages: number
  readonly bytes: number
  readonly latencyMs: number
  /** How many requests carried it. */
  readonly calls: number
  readonly elapsedMs: number
}

/** Told once when something passes through a flow that was idle. */
export type OnActive = (flow: Flow) => void

export class Flow {
  messages = 0
  bytes = 0
  latencyMs = 0
  calls = 0
  #isActive = false
  readonly #windows: readonly WindowName[]
  readonly #rings = new Map<WindowName, Ring>()
  readonly #onActive: OnActive

  constructor(onActive: OnActive, windows: readonly WindowName[] = ['minute', 'hour', 'day']) {
    this.#onActive = onActive
    this.#windows = windows
  }

  add(messages: number, bytes: number, latencyMs: number): void {
    if (!this.#isActive) this.#onActive(this)
    this.messages += messages
    this.bytes += bytes
    this.latencyMs += latencyMs
    this.calls++
  }

  /** Begins the windows, with what had passed before. */
  activate(nowMs: number): void {
    this.#isActive = true
    for (const name of this.#windows) this.sample(name, nowMs)
  }

  sample(name: WindowName, nowMs: number): void {
    if (!this.#windows.includes(name)) return
    let ring = this.#rings.get(name)
    if (ring === undefined) {
      ring = new Ring(WINDOWS[name].samples)
      this.#rings.set(name, ring)
    }
    ring.push(nowMs, this)
  }

  /** False, and the windows are given up, once nothing has passed in any of them. */
  staysActive(): boolean {
    for (const ring of this.#rings.values()) if (ring.oldestCalls !== this.calls) return true
    this.#rings.clear()
    this.#isActive = false
    return false
  }

  /** Up to now, from at most one window ago. */
  passed(name: WindowName, nowMs: number): Passed {
    const { messages, bytes, latencyMs, calls } = this
    const ring = this.#rings.get(name)
    if (ring === undefined) return { messages: 0, bytes: 0, latencyMs: 0, calls: 0, elapsedMs: WINDOWS[name].everyMs }
    return ring.since({ messages, bytes, latencyMs, calls }, nowMs, WINDOWS[name].everyMs)
  }
}

const FIELDS = 5

/** Samples, the oldest written over by the newest. */
class Ring {
  readonly #values: Float64Array
  readonly #capacity: number
  #next = 0
  #count = 0

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#values = new Float64Array(capacity * FIELDS)
  }

  get oldestCalls(): number {
    return this.#values[this.#oldestAt + 4]!
  }

  push(nowMs: number, { messages, bytes, latencyMs, calls }: Flow): void {
    this.#values.set([nowMs, messages, bytes, latencyMs, calls], this.#next * FIELDS)
    this.#next = (this.#next + 1) % this.#capacity
    this.#count = Math.min(this.#capacity, this.#count + 1)
  }

  since(now: Omit<Passed, 'elapsedMs'>, nowMs: number, elapsedMsMin: number): Passed {
    const [atMs, messages, bytes, latencyMs, calls] = this.#values.subarray(this.#oldestAt, this.#oldestAt + FIELDS)
    return {
      messages: now.messages - messages!,
      bytes: now.bytes - bytes!,
      latencyMs: now.latencyMs - latencyMs!,
      calls: now.calls - calls!,
      elapsedMs: Math.max(elapsedMsMin, nowMs - atMs!)
    }
  }

  get #oldestAt(): number {
    return ((this.#next - this.#count + this.#capacity) % this.#capacity) * FIELDS
  }
}
