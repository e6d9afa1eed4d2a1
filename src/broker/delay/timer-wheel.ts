/**
 * The wheel: for each second of two weeks, where the chain of the timed messages ends that are due in it.
 *
 * It is kept in memory, where untouched pages take no room, and copied page by page into `timerwheel`, as Apache RocketMQ
 * does it. A slot that holds another time than it is asked for is empty.
 *
 * Not here: the chains (timer-log.ts), when the copy is made (timer-files.ts).
 */
import { VarveError } from '../../base/index.ts'
import {
  getInt53,
  setInt53,
  TIMER_SLOT_COUNT,
  TIMER_WHEEL_BYTES,
  TIMER_WHEEL_SLOT,
  timerSlotAt
} from '../../layout/index.ts'
import type { OpenFile } from '../../store/index.ts'

export const STEP_MS = 1000
const PAGE_BYTES = 4096
const PAGE_COUNT = TIMER_WHEEL_BYTES / PAGE_BYTES
const { time: TIME_AT, firstUnit: FIRST_AT, lastUnit: LAST_AT, unitCount: COUNT_AT } = TIMER_WHEEL_SLOT.at
/** No unit. */
export const NO_UNIT = -1

export class TimerWheel {
  readonly #bytes = new Uint8Array(TIMER_WHEEL_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)
  readonly #isDirty = new Uint8Array(PAGE_COUNT)
  /** Pages that may hold something else than zeros. */
  readonly #isUsed = new Uint8Array(PAGE_COUNT)
  #dirty: number[] = []

  /** Takes over a file. Holes in it stay holes here. @throws VarveError STORE_FILE_CHANGED if it is none of a wheel */
  read(file: OpenFile): void {
    const sizeBytes = file.sizeBytes()
    if (sizeBytes === 0) return
    if (sizeBytes !== TIMER_WHEEL_BYTES) {
      throw new VarveError('STORE_FILE_CHANGED', { path: file.path, sizeBytes, expected: TIMER_WHEEL_BYTES })
    }
    for (let at = file.nextData(0); at !== undefined && at < sizeBytes; at = file.nextData(at)) {
      const from = at - (at % PAGE_BYTES)
      const until = Math.min(sizeBytes, from + READ_BYTES)
      file.read(this.#bytes.subarray(from, until), from)
      this.#isUsed.fill(1, from / PAGE_BYTES, Math.ceil(until / PAGE_BYTES))
      at = until
    }
  }

  /** Gives a new file its size, which Apache RocketMQ insists on. */
  prepare(file: OpenFile): void {
    if (file.sizeBytes() === 0) file.setSize(TIMER_WHEEL_BYTES)
  }

  /** Position of the last unit of the slot; NO_UNIT if it is empty. */
  lastUnit(slotMs: number): number {
    const at = timerSlotAt(slotMs, STEP_MS)
    return this.#holds(at, slotMs) ? getInt53(this.#view, at + LAST_AT) : NO_UNIT
  }

  firstUnit(slotMs: number): number {
    const at = timerSlotAt(slotMs, STEP_MS)
    return this.#holds(at, slotMs) ? getInt53(this.#view, at + FIRST_AT) : NO_UNIT
  }

  /** Units of the slot, less those that take another back. */
  unitCount(slotMs: number): number {
    const at = timerSlotAt(slotMs, STEP_MS)
    return this.#holds(at, slotMs) ? this.#view.getInt32(at + COUNT_AT) : 0
  }

  /** Units of the slots in `[fromMs, untilMs)`, less those that take another back. */
  unitCountIn(fromMs: number, untilMs: number): number {
    let count = 0
    for (
      let slotMs = this.nextSlot(fromMs, untilMs);
      slotMs < untilMs;
      slotMs = this.nextSlot(slotMs + STEP_MS, untilMs)
    ) {
      count += this.unitCount(slotMs)
    }
    return count
  }

  /** Adds a unit to the chain of the slot. */
  add(slotMs: number, unit: number, isDelete: boolean): void {
    const at = timerSlotAt(slotMs, STEP_MS)
    const count = isDelete ? -1 : 1
    if (!this.#holds(at, slotMs)) {
      setInt53(this.#view, at + TIME_AT, slotMs / STEP_MS)
      setInt53(this.#view, at + FIRST_AT, unit)
      this.#view.setInt32(at + COUNT_AT, count)
    } else {
      this.#view.setInt32(at + COUNT_AT, this.#view.getInt32(at + COUNT_AT) + count)
    }
    setInt53(this.#view, at + LAST_AT, unit)
    this.#touch(at)
  }

  /** Says again where the chain of the slot ends, as the log has it; counts stay. */
  revise(slotMs: number, unit: number): void {
    const at = timerSlotAt(slotMs, STEP_MS)
    if (!this.#holds(at, slotMs)) return this.add(slotMs, unit, false)
    setInt53(this.#view, at + LAST_AT, unit)
    this.#touch(at)
  }

  clear(slotMs: number): void {
    const at = timerSlotAt(slotMs, STEP_MS)
    if (!this.#holds(at, slotMs)) return
    this.#bytes.fill(0, at, at + TIMER_WHEEL_SLOT.sizeBytes)
    this.#touch(at)
  }

  /** Empties the slots in `[fromMs, untilMs)`: costs at most one look at each slot, however far apart the two are. */
  clearIn(fromMs: number, untilMs: number): void {
    if (untilMs - fromMs <= TIMER_SLOT_COUNT * STEP_MS) {
      for (let slotMs = fromMs; slotMs < untilMs; slotMs += STEP_MS) this.clear(slotMs)
      return
    }
    for (let at = 0; at < TIMER_WHEEL_BYTES; at += TIMER_WHEEL_SLOT.sizeBytes) {
      if (this.#isUsed[Math.floor(at / PAGE_BYTES)] === 0) continue
      const slotMs = getInt53(this.#view, at + TIME_AT) * STEP_MS
      if (slotMs >= fromMs && slotMs < untilMs) this.clear(slotMs)
    }
  }

  /** The first slot in `[fromMs, untilMs)` that is not empty; `untilMs` if all are. */
  nextSlot(fromMs: number, untilMs: number): number {
    const until = Math.min(untilMs, fromMs + TIMER_SLOT_COUNT * STEP_MS)
    for (let slotMs = fromMs; slotMs < until; ) {
      const at = timerSlotAt(slotMs, STEP_MS)
      if (this.#isUsed[Math.floor(at / PAGE_BYTES)] === 0) {
        slotMs += ((PAGE_BYTES - (at % PAGE_BYTES)) / TIMER_WHEEL_SLOT.sizeBytes) * STEP_MS
        continue
      }
      if (this.#holds(at, slotMs)) return slotMs
      slotMs += STEP_MS
    }
    return untilMs
  }

  get hasChanged(): boolean {
    return this.#dirty.length > 0
  }

  /** Copies what has changed into the file. */
  write(file: OpenFile): void {
    const pages = this.#dirty.sort((a, b) => a - b)
    this.#dirty = []
    for (let i = 0; i < pages.length; ) {
      const first = pages[i] as number // Below length.
      let count = 0
      while (pages[i] === first + count) {
        this.#isDirty[first + count] = 0
        count++
        i++
      }
      file.write(this.#bytes.subarray(first * PAGE_BYTES, (first + count) * PAGE_BYTES), first * PAGE_BYTES)
    }
  }

  #holds(at: number, slotMs: number): boolean {
    return getInt53(this.#view, at + TIME_AT) === slotMs / STEP_MS && slotMs > 0
  }

  #touch(at: number): void {
    const page = Math.floor(at / PAGE_BYTES)
    this.#isUsed[page] = 1
    if (this.#isDirty[page] === 1) return
    this.#isDirty[page] = 1
    this.#dirty.push(page)
  }
}
const READ_BYTES = 1 << 20
