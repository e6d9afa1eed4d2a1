/**
 * Progress: how far each part of the store has come, as numbers in shared memory.
 *
 * The watermarks are byte positions in the commit log; none goes back, and
 * `flushed ≤ appended`, `queuesWritten ≤ dispatched ≤ appended`, with synchronous flush also `dispatched ≤ flushed`.
 *
 * `Atomics` works on 32 bits without allocating, positions need 53. A slot therefore holds the low 32 bits, and a
 * reader completes them from a position that it knows to lie within 2 GiB of the answer, or within 4 GiB where it also
 * knows which of the two is ahead. That the watermarks stay so close together is not luck: `append` refuses to run further
 * ahead (commit-log.ts).
 *
 * Not here: what the numbers are used for (commit-log, flush, dispatch, allocate).
 */
import { assert, GiB } from '../base/index.ts'

/** No watermark may be further than this behind `appended`, or its high bits could not be recovered. */
export const LAG_BYTES_MAX = 4 * GiB - 1
/** Nor may those that are asked for with `position`. */
export const NEAR_BYTES_MAX = 2 * GiB - 1
/** So far `append` lets the queues be behind: a batch, and what a segment has left before it, may come to that. */
export const UNWRITTEN_BYTES_MAX = 2.5 * GiB

const SLOT_NAMES = [
  // Watermarks: low 32 bits of a position.
  'appended', // Written by the owner, after every byte of the record.
  'flushed', // On disk below. Written by the flusher, or by the owner when it syncs itself: advanceTo keeps the larger.
  'dispatched', // Consumed by the dispatcher below.
  'queuesWritten', // Queue entries and key index of everything below are in the system's hands.
  'flushWanted', // The owner has waiters below this. The flusher keeps it from falling behind `flushed`.
  'flushListeners', // Not 0 while the owner wants to be told of every flush.
  // Segments, as ordinals (base / segmentBytes).
  'segmentPrepared', // Allocated, named and durable up to and including this one; the owner may map it.
  'segmentMapped', // Mapped by the owner up to and including this one; addresses are in `addresses`.
  // Pages ahead of the writer: whoever wants to write beyond takes them by moving this on. See allocate.ts.
  'pagesTaken',
  'pagesZeroing', // Not 0 while the allocator takes pages and writes zeros to them.
  // Flags and counters.
  'stop',
  'failed',
  'shortages', // Bits by part and kind: see shortage.ts.
  'writeQueuesNow', // Counts requests to write out every staged queue entry.
  'queuesWrittenRequests', // The last such request that was fulfilled.
  // One pair a thread: a counter to wait on, and whether anybody waits there.
  'wakeAllocator',
  'sleepsAllocator',
  'wakeFlusher',
  'sleepsFlusher',
  'wakeDispatcher',
  'sleepsDispatcher'
] as const

export type Slot = (typeof SLOT_NAMES)[number]
export type Role = 'allocator' | 'flusher' | 'dispatcher'

export const SLOT = Object.fromEntries(SLOT_NAMES.map((name, index) => [name, index])) as Readonly<Record<Slot, number>>

const WAKE: Readonly<Record<Role, { wake: number; sleeps: number }>> = {
  allocator: { wake: SLOT.wakeAllocator, sleeps: SLOT.sleepsAllocator },
  flusher: { wake: SLOT.wakeFlusher, sleeps: SLOT.sleepsFlusher },
  dispatcher: { wake: SLOT.wakeDispatcher, sleeps: SLOT.sleepsDispatcher }
}

/** Addresses of this many neighbouring segments are remembered; more are never mapped for writing at once. */
export const ADDRESS_COUNT = 4
const TIME_COUNT = 3
const COUNTER_BYTES = 128
const SHARED_BYTES = COUNTER_BYTES + 8 * (ADDRESS_COUNT + TIME_COUNT)

export class Progress {
  readonly shared: SharedArrayBuffer
  readonly #slots: Int32Array
  /** Float64 without Atomics: each is written before, and read after, an atomic access to the slot that announces it. */
  readonly #numbers: Float64Array

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(SHARED_BYTES)) {
    assert(SLOT_NAMES.length * 4 <= COUNTER_BYTES, 'the slots fit before the numbers')
    this.shared = shared
    this.#slots = new Int32Array(shared, 0, COUNTER_BYTES / 4)
    this.#numbers = new Float64Array(shared, COUNTER_BYTES, ADDRESS_COUNT + TIME_COUNT)
  }

  /** The watermark, completed from a position known to be within 2 GiB of it. */
  position(slot: number, near: number): number {
    return near + ((Atomics.load(this.#slots, slot) - (near | 0)) | 0)
  }

  /** A watermark that is not ahead of `until`, and at most LAG_BYTES_MAX behind it. */
  positionBehind(slot: number, until: number): number {
    return until - (((until | 0) - Atomics.load(this.#slots, slot)) >>> 0)
  }

  /** A watermark that is not behind `from`, and at most LAG_BYTES_MAX ahead of it. */
  positionAhead(slot: number, from: number): number {
    return from + ((Atomics.load(this.#slots, slot) - (from | 0)) >>> 0)
  }

  /** For the one writer of a watermark. */
  publish(slot: number, position: number): void {
    Atomics.store(this.#slots, slot, position | 0)
  }

  /** For a watermark that two threads move: keeps whichever is further. */
  advanceTo(slot: number, position: number): void {
    const wanted = position | 0
    let seen = Atomics.load(this.#slots, slot)
    while (((wanted - seen) | 0) > 0) {
      const found = Atomics.compareExchange(this.#slots, slot, seen, wanted)
      if (found === seen) return
      seen = found
    }
  }

  /** Moves a position on if it is still where the caller saw it. */
  exchange(slot: number, seen: number, position: number): boolean {
    return Atomics.compareExchange(this.#slots, slot, seen | 0, position | 0) === (seen | 0)
  }

  count(slot: number): number {
    return Atomics.load(this.#slots, slot)
  }

  setCount(slot: number, value: number): void {
    Atomics.store(this.#slots, slot, value)
  }

  addCount(slot: number): number {
    return Atomics.add(this.#slots, slot, 1) + 1
  }

  setBits(slot: number, bits: number): void {
    Atomics.or(this.#slots, slot, bits)
  }

  clearBits(slot: number, bits: number): void {
    Atomics.and(this.#slots, slot, ~bits)
  }

  /** Blocks until `slot` differs from `seen`; false after `waitMs`. */
  waitForChange(slot: number, seen: number, waitMs: number): boolean {
    return Atomics.wait(this.#slots, slot, seen, waitMs) !== 'timed-out'
  }

  notify(slot: number): void {
    Atomics.notify(this.#slots, slot)
  }

  /** Written before `segmentMapped` announces the segment. */
  setAddress(segment: number, address: number): void {
    this.#numbers[segment % ADDRESS_COUNT] = address
  }

  address(segment: number): number {
    return this.#numbers[segment % ADDRESS_COUNT] as number // Inside the array by the remainder.
  }

  /** Store time of the newest record below `appended`; of use only for RocketMQ's checkpoint, which allows 3 s of error. */
  get appendedAtMs(): number {
    return this.#numbers[ADDRESS_COUNT] as number // The array is longer than that.
  }

  set appendedAtMs(ms: number) {
    this.#numbers[ADDRESS_COUNT] = ms
  }

  /** Store time of the newest record below which queues and index are durable. */
  get queuesDurableAtMs(): number {
    return this.#numbers[ADDRESS_COUNT + 1] as number // The array is longer than that.
  }

  set queuesDurableAtMs(ms: number) {
    this.#numbers[ADDRESS_COUNT + 1] = ms
  }

  /** Everything stored before this is below `flushed`. */
  get flushedAtMs(): number {
    return this.#numbers[ADDRESS_COUNT + 2] as number // The array is longer than that.
  }

  set flushedAtMs(ms: number) {
    this.#numbers[ADDRESS_COUNT + 2] = ms
  }

  /** Cheap when the thread is awake: one load. Lossless because the sleeper looks for work after saying that it sleeps. */
  wakeIfAsleep(role: Role): void {
    const { wake, sleeps } = WAKE[role]
    if (Atomics.load(this.#slots, sleeps) !== 0) {
      Atomics.add(this.#slots, wake, 1)
      Atomics.notify(this.#slots, wake)
    }
  }

  /** Sleeps until woken or `waitMs` have passed. `hasWork` is asked once more after the sleep has been announced. */
  sleep(role: Role, waitMs: number, hasWork: () => boolean): void {
    const { wake, sleeps } = WAKE[role]
    const seen = Atomics.load(this.#slots, wake)
    Atomics.store(this.#slots, sleeps, 1)
    if (!hasWork() && Atomics.load(this.#slots, SLOT.stop) === 0) Atomics.wait(this.#slots, wake, seen, waitMs)
    Atomics.store(this.#slots, sleeps, 0)
  }

  /** A short pause that no `wakeIfAsleep` ends: cheaper for both sides while work comes all the time. */
  pause(role: Role, waitMs: number): void {
    const { wake } = WAKE[role]
    Atomics.wait(this.#slots, wake, Atomics.load(this.#slots, wake), waitMs)
  }
}
