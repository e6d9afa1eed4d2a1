/**
 * The timer log: one unit for each timed message that has been taken into the wheel, chained backwards by the second in
 * which it is due. Files of equal size, named by their first byte.
 *
 * Units are written some at a time and read in blocks, because those of a busy second lie close together. Nothing waits
 * for the disk: a unit that is not in memory is asked for ahead, and read when it is there.
 *
 * Invariants:
 * - a unit lies in one file; the rest of a file that has no room for one is closed with a blank
 * - `previous` of a unit is below it
 *
 * Not here: which chain a unit belongs to (timer-wheel.ts), when files are durable (timer-files.ts).
 */
import { join } from 'node:path'
import { KiB } from '../../base/index.ts'
import {
  getInt53,
  parseSegmentName,
  segmentName,
  TIMER_LOG_BLANK,
  TIMER_LOG_UNIT,
  TIMER_LOG_UNIT_ROOM_BYTES,
  timerUnitShape,
  writeTimerLogBlank
} from '../../layout/index.ts'
import type { Files, OpenFile } from '../../store/index.ts'

const UNIT_BYTES = TIMER_LOG_UNIT.sizeBytes
const WRITE_BYTES = 64 * KiB
/** What is read for a unit whose neighbours are of other seconds, and for one of a chain that lies together. */
const BLOCK_BYTES_MIN = 4 * KiB
const BLOCK_BYTES_MAX = 64 * KiB
/** So many units out of a block make the next one larger. */
const LARGER_COUNT = 16
const { previousUnit, magic, enqueuedAtMs, delayMs, physicalOffset, totalBytes } = TIMER_LOG_UNIT.at

/** One unit as read. One object serves all. */
export class TimerUnit {
  previous = 0
  magic = 0
  /** The second in which it is due. */
  slotMs = 0
  physicalOffset = 0
  totalBytes = 0
}

export interface NewUnit {
  readonly previous: number
  readonly magic: number
  readonly enqueuedAtMs: number
  readonly slotMs: number
  readonly physicalOffset: number
  readonly totalBytes: number
  readonly topicHash: number
}

export interface TimerLogOptions {
  readonly directory: string
  readonly files: Files
  readonly fileBytes: number
}

export class TimerLog {
  readonly #options: TimerLogOptions
  readonly #files = new Map<number, OpenFile>()
  readonly #pending = new Uint8Array(WRITE_BYTES)
  readonly #pendingView = new DataView(this.#pending.buffer)
  #pendingCount = 0
  /** Where the next unit goes. */
  #end = 0
  #first = 0
  readonly #block = new Uint8Array(BLOCK_BYTES_MAX)
  readonly #blockView = new DataView(this.#block.buffer)
  #blockFrom = 0
  #blockUntil = 0
  #blockReads = 0
  #blockBytes = BLOCK_BYTES_MIN
  /** Files that have been written to since they were last asked for. */
  readonly #written = new Set<string>()

  constructor(options: TimerLogOptions) {
    this.#options = options
    const { files, directory } = options
    const bases = files
      .list(directory)
      .map(parseSegmentName)
      .filter(base => base !== undefined)
    for (const base of bases) this.#files.set(base, files.open(this.#pathOf(base), 'write'))
    if (bases.length === 0) return
    this.#first = Math.min(...bases)
    this.#end = this.#first // Until what is there has been scanned.
  }

  get fileBytes(): number {
    return this.#options.fileBytes
  }

  get hasFiles(): boolean {
    return this.#files.size > 0
  }

  get first(): number {
    return this.#first
  }

  get end(): number {
    return this.#end
  }

  /** Where the file begins that the position lies in. */
  baseOf(position: number): number {
    return position - (position % this.#options.fileBytes)
  }

  /** Everything from here on is no unit. */
  endAt(position: number): void {
    this.#end = position
    this.#forgetBlock()
  }

  /** Returns the position of the new unit. */
  append(unit: NewUnit): number {
    const { fileBytes } = this.#options
    if (fileBytes - (this.#end % fileBytes) < TIMER_LOG_UNIT_ROOM_BYTES) this.#closeFile()
    if (this.#pendingCount + TIMER_LOG_UNIT_ROOM_BYTES > WRITE_BYTES) this.write()
    TIMER_LOG_UNIT.write(this.#pendingView, this.#pendingCount, {
      unitBytes: UNIT_BYTES,
      previousUnit: unit.previous,
      magic: unit.magic,
      enqueuedAtMs: unit.enqueuedAtMs,
      delayMs: unit.slotMs - unit.enqueuedAtMs,
      physicalOffset: unit.physicalOffset,
      totalBytes: unit.totalBytes,
      topicHash: unit.topicHash,
      reserved: 0
    })
    this.#pendingCount += UNIT_BYTES
    const position = this.#end
    this.#end += UNIT_BYTES
    return position
  }

  /** Hands what has been appended to the system. */
  write(): void {
    if (this.#pendingCount === 0) return
    const from = this.#end - this.#pendingCount
    const base = this.baseOf(from)
    const file = this.#open(base)
    file.write(this.#pending.subarray(0, this.#pendingCount), from - base)
    this.#written.add(file.path)
    this.#pendingCount = 0
    this.#forgetBlock()
  }

  /** The files that have been written to since the last call. */
  takeWritten(): string[] {
    const paths = [...this.#written]
    this.#written.clear()
    return paths
  }

  /** Reads the unit at a position. Undefined if it is not in memory yet; false if there is none. */
  read(position: number, into: TimerUnit): boolean | undefined {
    if (position < this.#first || position >= this.#end) return false
    const pendingFrom = this.#end - this.#pendingCount
    if (position >= pendingFrom) return take(this.#pendingView, position - pendingFrom, this.#pendingCount, into)
    if (position < this.#blockFrom || position + UNIT_BYTES > this.#blockUntil) {
      if (!this.#readBlock(position)) return undefined
    }
    this.#blockReads++
    return take(this.#blockView, position - this.#blockFrom, this.#blockUntil - this.#blockFrom, into)
  }

  /**
   * Hands every unit in `[from, until)` of one file to `sink`, whether in memory or not; returns where it stopped: `until`,
   * the next file at a blank, or before what is no unit or what `sink` refuses.
   */
  scan(from: number, until: number, sink: (position: number, unit: TimerUnit) => boolean): number {
    const base = this.baseOf(from)
    const file = this.#files.get(base)
    if (file === undefined) return from
    const bytes = new Uint8Array(until - from)
    const count = file.read(bytes, from - base)
    const view = new DataView(bytes.buffer)
    const unit = new TimerUnit()
    let at = 0
    while (at < count) {
      switch (timerUnitShape(view, at, count)) {
        case 'blank':
          return base + this.#options.fileBytes
        case 'end':
          return from + at
        default:
          take(view, at, count, unit)
          if (!sink(from + at, unit)) return from + at
          at += UNIT_BYTES
      }
    }
    return from + at
  }

  /** Removes files whose units all point below the position: their messages are gone. */
  deleteBelow(minPhysicalOffset: number): void {
    const { fileBytes, files } = this.#options
    const unit = new TimerUnit()
    const lastInFile = Math.floor((fileBytes - TIMER_LOG_BLANK.sizeBytes) / UNIT_BYTES - 1) * UNIT_BYTES
    for (const [base, file] of [...this.#files].sort(([a], [b]) => a - b)) {
      if (base + fileBytes > this.#end - this.#pendingCount) return
      if (this.read(base + lastInFile, unit) !== true || unit.physicalOffset >= minPhysicalOffset) return
      file.close()
      files.remove(file.path)
      this.#written.delete(file.path)
      this.#files.delete(base)
      this.#first = base + fileBytes
    }
  }

  close(): void {
    for (const file of this.#files.values()) file.close()
    this.#files.clear()
  }

  #closeFile(): void {
    this.write()
    const { fileBytes } = this.#options
    const base = this.baseOf(this.#end)
    const at = this.#end - base
    writeTimerLogBlank(this.#pendingView, 0, fileBytes - at)
    const file = this.#open(base)
    file.write(this.#pending.subarray(0, TIMER_LOG_BLANK.sizeBytes), at)
    this.#end = base + fileBytes
  }

  /** What was read may end where new units begin. */
  #forgetBlock(): void {
    this.#blockUntil = this.#blockFrom
  }

  #readBlock(position: number): boolean {
    if (this.#blockReads >= LARGER_COUNT) this.#blockBytes = Math.min(BLOCK_BYTES_MAX, 2 * this.#blockBytes)
    else this.#blockBytes = BLOCK_BYTES_MIN
    this.#blockReads = 0
    const base = this.baseOf(position)
    const file = this.#files.get(base)
    if (file === undefined) return true // `take` finds no unit in an empty block.
    const until = position + UNIT_BYTES - base
    const from = Math.max(0, until - this.#blockBytes)
    const count = file.readResident(this.#block.subarray(0, until - from), from)
    if (count === undefined) {
      file.readAhead(from, until - from)
      return false
    }
    this.#blockFrom = base + from
    this.#blockUntil = base + from + count
    return true
  }

  #open(base: number): OpenFile {
    const known = this.#files.get(base)
    if (known !== undefined) return known
    const { files, directory, fileBytes } = this.#options
    if (this.#files.size === 0) {
      files.makeDirectory(directory)
      this.#first = base
    }
    const file = files.open(this.#pathOf(base), 'create')
    file.setSize(fileBytes)
    this.#files.set(base, file)
    return file
  }

  #pathOf(base: number): string {
    return join(this.#options.directory, segmentName(base))
  }
}

function take(view: DataView, at: number, until: number, into: TimerUnit): boolean {
  if (at < 0 || timerUnitShape(view, at, until) !== 'unit') return false
  into.previous = getInt53(view, at + previousUnit)
  into.magic = view.getInt32(at + magic)
  into.slotMs = getInt53(view, at + enqueuedAtMs) + view.getInt32(at + delayMs)
  into.physicalOffset = getInt53(view, at + physicalOffset)
  into.totalBytes = view.getInt32(at + totalBytes)
  return true
}
