/**
 * A store on the simulated disk, small enough that a few dozen messages cross the end of a segment, of a queue file and of
 * an index file; and a random load for it.
 *
 * A `Defect` is planted here, between engine and disk or between producer and ledger: nothing of it is in the product.
 */
import { type Clock, KiB, type Random, VarveError } from '../../src/base/index.ts'
import type { Store, StoreOptions } from '../../src/index.ts'
import type { Files } from '../../src/store/files.ts'
import type { EverySecond } from '../../src/store/housekeeping.ts'
import { inlineThreads, openStoreWith, type StoreThreads } from '../../src/store/index.ts'
import type { Ledger, Recorder } from './ledger.ts'
import { type Body, idOf, QUEUES } from './messages.ts'
import type { Place } from './oracle.ts'
import { appendOnce, nextCount, type Producing } from './producer.ts'

export const DIRECTORY = '/store'
export const SMALL_BODY: Body = { bytesMax: 9 * KiB }

export interface Defect {
  readonly files?: (files: Files) => Files
  readonly threads?: (threads: StoreThreads, files: Files) => StoreThreads
  readonly recorder?: (recorder: Recorder) => Recorder
  /** Readers see what is not on disk, though flush is synchronous. */
  readonly readsEarly?: boolean
}

export const noDefect: Defect = {}

/**
 * Moves only when it is told to, so that what depends on time happens when the load says so. The housekeeping of the store
 * that was opened last is done each time it moves.
 */
export class LoadClock implements Clock {
  #ms = 1_700_000_000_000
  #step = (): void => {}

  nowMs(): number {
    return this.#ms
  }

  monotonicMs(): number {
    return this.#ms
  }

  advance(ms: number): void {
    this.#ms += ms
    this.#step()
  }

  readonly everySecond: EverySecond = step => {
    this.#step = step
    return () => {
      if (this.#step === step) this.#step = () => {}
    }
  }
}

export function openSimulated(files: Files, flush: 'sync' | 'async', clock: LoadClock, defect: Defect): Promise<Store> {
  const seen = defect.files?.(files) ?? files
  const threads = inlineThreads(seen, clock)
  const options: StoreOptions = {
    directory: DIRECTORY,
    segmentBytes: 64 * KiB,
    queueFileEntries: 16,
    indexSlots: 16,
    indexItems: 64,
    queueCountMax: 64,
    flush: defect.readsEarly ? 'async' : flush,
    clock,
    threads: 'none',
    files: seen,
    retention: { diskUsedRatioFull: 1, diskUsedRatioForced: 1, diskUsedRatioMax: 1 }
  }
  const { everySecond } = clock
  return openStoreWith(options, { files: seen, threads: defect.threads?.(threads, seen) ?? threads, everySecond })
}

/** For the oracle. */
export function simulatedPlace(files: Files, flush: 'sync' | 'async', clock: LoadClock, defect: Defect): Place {
  return { directory: DIRECTORY, files, open: () => openSimulated(files, flush, clock, defect) }
}

interface LoadOptions {
  readonly random: Random
  readonly clock: LoadClock
  readonly steps: number
  readonly defect: Defect
  /** Of the store; with `sync`, what is read counts as acknowledged. */
  readonly flush?: 'sync' | 'async'
  /** The newest messages are read after each step. */
  readonly readsAll?: boolean
}

/** Appends, batches, flushes, reads and passing time, as the random numbers say. What is refused is in the ledger. */
export async function load(
  store: Store,
  ledger: Ledger,
  { random, clock, steps, defect, flush: mode, readsAll }: LoadOptions
): Promise<void> {
  const recorder = defect.recorder?.(ledger) ?? ledger
  const producing: Producing = { store, recorder, seed: ledger.seed, body: ledger.body }
  for (let step = 0; step < steps; step++) {
    const chosen = random.below(20)
    if (chosen < 14) await appendWhenPossible(producing, ledger, random)
    else if (chosen < 18) await flush(store, recorder, random)
    else if (chosen < 19) await passTime(store, clock, random)
    else await readBack(store, mode === 'sync' ? ledger : undefined, random)
    if (readsAll) await readNewest(store, ledger)
  }
}

async function appendWhenPossible(producing: Producing, ledger: Ledger, random: Random): Promise<void> {
  const count = nextCount(random)
  const queue = random.below(QUEUES.length)
  try {
    appendOnce(producing, ledger.nextId, count, queue)
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== 'STORE_BUSY') throw error
    await producing.store.writable()
  }
}

async function flush(store: Store, recorder: Recorder, random: Random): Promise<void> {
  const until = store.info().appendedUntil
  await (random.chance(0.5) ? store.flushed() : store.flushed(until))
  recorder.flushed(until)
}

/** Long enough for an interval to flush, for the state to be saved and for queues to be made durable, or not. */
async function passTime(store: Store, clock: LoadClock, random: Random): Promise<void> {
  clock.advance(random.pick([1, 600, 1_500, 11_000, 61_000]))
  await store.writable()
}

async function readNewest(store: Store, ledger: Ledger): Promise<void> {
  for (const queue of QUEUES) {
    const { messages } = await store.read({ ...queue, offset: Math.max(0, store.maxOffset(queue) - 2) })
    for (const message of messages) ledger.seen(idOf(message) as number) // All are ours.
  }
}

/** With synchronous flush nobody reads what a loss of power could take back: the ledger holds the store to it. */
async function readBack(store: Store, ledger: Ledger | undefined, random: Random): Promise<void> {
  const queue = random.pick(QUEUES)
  const { messages } = await store.read({ ...queue, offset: random.below(store.maxOffset(queue) + 1) })
  for (const message of messages) ledger?.seen(idOf(message) as number) // All are ours.
}
