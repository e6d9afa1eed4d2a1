/**
 * Sealer: writes down what each complete segment hashes to, so that rot can be told by reading it again.
 *
 * A seal is no promise to anybody who appends, so it waits for quiet moments: while a lot is being written, one segment
 * is sealed in a while; otherwise as soon as it is complete and on disk. The hash covers the whole file.
 *
 * Not here: comparing hashes (verify.ts).
 */
import { type Clock, MiB, secondMs } from '../base/index.ts'
import type { Files } from './files.ts'
import type { RunJob } from './jobs.ts'
import { readSeals } from './seals.ts'

/** More than this in a second means that the writer and the dispatcher want the machine for themselves. */
const BUSY_BYTES = 64 * MiB
const BUSY_INTERVAL_MS = 30 * secondMs

export class Sealer {
  readonly #clock: Clock
  readonly #runJob: RunJob
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #sealed: Set<number>
  #sealing: Promise<void> | undefined
  #lastAppended = 0
  #lastSealedMs: number

  constructor(
    files: Files,
    world: { clock: Clock; runJob: RunJob },
    options: { directory: string; segmentBytes: number }
  ) {
    this.#clock = world.clock
    this.#runJob = world.runJob
    this.#directory = options.directory
    this.#segmentBytes = options.segmentBytes
    this.#sealed = new Set(readSeals(files, options.directory).keys())
    this.#lastSealedMs = world.clock.monotonicMs()
  }

  /** Called once a second. Seals the oldest complete segment that has no seal, if there is one and it is time to. */
  step({ firstPosition, flushed, appended }: { firstPosition: number; flushed: number; appended: number }): void {
    const busy = appended - this.#lastAppended > BUSY_BYTES
    this.#lastAppended = appended
    const nowMs = this.#clock.monotonicMs()
    if (this.#sealing !== undefined || (busy && nowMs < this.#lastSealedMs + BUSY_INTERVAL_MS)) return
    const base = this.#nextUnsealed(firstPosition, flushed)
    if (base === undefined) return
    this.#lastSealedMs = nowMs
    this.#sealing = this.#seal(base, firstPosition)
  }

  /** Resolves when nothing is being sealed any more. */
  async settle(): Promise<void> {
    await this.#sealing
  }

  #nextUnsealed(firstPosition: number, flushed: number): number | undefined {
    for (let base = firstPosition; base + this.#segmentBytes <= flushed; base += this.#segmentBytes) {
      if (!this.#sealed.has(base)) return base
    }
    return undefined
  }

  async #seal(base: number, firstPosition: number): Promise<void> {
    // Tried or done: a segment that cannot be read now has no seal until the store is opened again, and its readers
    // are told what is wrong with it.
    this.#sealed.add(base)
    const job = { type: 'seal', directory: this.#directory, base, bytes: this.#segmentBytes, firstPosition } as const
    await Promise.allSettled([this.#runJob(job)])
    this.#sealing = undefined
  }
}
