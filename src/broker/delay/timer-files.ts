/**
 * Files of the timer, as Apache RocketMQ's broker has them: the wheel, the log of its units, and `config/timercheck`, which
 * says how far both are to be believed.
 *
 * Invariants:
 * - `timercheck` never runs ahead of what is on disk: first the units and the wheel, then the messages that were delivered,
 *   then the page that says so
 * - what a crash has cut off is found by its units: they are chained anew, and the queue is read on from behind the last
 *
 * Not here: what the units are for (timed-delivery.ts).
 */
import { join } from 'node:path'
import type { Clock } from '../../base/index.ts'
import {
  TIMER_CHECK,
  TIMER_CHECK_FILE_BYTES,
  TIMER_LOG_UNIT,
  TIMER_MARK,
  TIMER_SLOT_COUNT
} from '../../layout/index.ts'
import type { Files, OpenFile, Store } from '../../store/index.ts'
import { TimerLog } from './timer-log.ts'
import { type DeliveredMark, NOTHING_DELIVERED } from './timer-slots.ts'
import { NO_UNIT, STEP_MS, TimerWheel } from './timer-wheel.ts'

/** Units read in one step of recovery. */
const SCAN_COUNT = 20_000
const SCAN_BYTES = SCAN_COUNT * TIMER_LOG_UNIT.sizeBytes
/** Slots looked at in one step. */
const SLOT_SCAN_COUNT = 50_000
const WHEEL_TURN_MS = TIMER_SLOT_COUNT * STEP_MS
/** How far back slots may hold what was not delivered, if nothing says how far delivery was. */
const UNKNOWN_MS = WHEEL_TURN_MS / 2

export interface TimerFilesOptions {
  readonly directory: string
  readonly files: Files
  readonly fileBytes: number
  readonly store: Pick<Store, 'syncFiles' | 'flushed' | 'info'>
  readonly clock: Clock
}

/** How far the timer is. */
export interface TimerProgress {
  /** Everything in slots before it is delivered. */
  readonly readUntilMs: number
  /** The first message of the timer topic that has no unit yet. */
  readonly queueOffset: number
  /** Of slots from there on. */
  readonly delivered: DeliveredMark
}

export interface RecoveredTimer {
  readonly readUntilMs: number
  /** As `timercheck` says. */
  readonly queueOffset: number
  /** Of the record of the last unit; undefined if there is none. */
  readonly lastPhysicalOffset: number | undefined
  /** Whether the log holds all the units that `timercheck` counts on. */
  readonly isWhole: boolean
  readonly delivered: DeliveredMark
}

export class TimerFiles {
  readonly wheel = new TimerWheel()
  readonly log: TimerLog
  readonly #options: TimerFilesOptions
  readonly #wheelFile: OpenFile
  readonly #checkFile: OpenFile
  readonly #markFile: OpenFile
  readonly #mark: DeliveredMark
  /** Where the log of messages ended when these files were opened: a unit of what lies beyond is of what is lost. */
  readonly #appendedUntil: number
  #check: TimerCheck
  #saving: Promise<void> | undefined

  /** @throws VarveError STORE_FILE_CHANGED */
  constructor(options: TimerFilesOptions) {
    const { directory, files, fileBytes } = options
    this.#options = options
    this.#appendedUntil = options.store.info().appendedUntil
    this.log = new TimerLog({ directory: join(directory, 'timerlog'), files, fileBytes })
    files.makeDirectory(join(directory, 'config'))
    this.#wheelFile = files.open(join(directory, 'timerwheel'), 'create')
    this.#checkFile = files.open(join(directory, 'config', 'timercheck'), 'create')
    this.wheel.read(this.#wheelFile)
    this.wheel.prepare(this.#wheelFile)
    this.#check = readCheck(this.#checkFile)
    files.makeDirectory(join(directory, 'varve'))
    this.#markFile = files.open(join(directory, 'varve', 'timer'), 'create')
    this.#mark = readMark(this.#markFile, this.#check)
  }

  /** Brings log and wheel to agree, a bounded step at a time. */
  *recover(): Generator<undefined, RecoveredTimer> {
    const { clock } = this.#options
    const { log, wheel } = this
    const appendedUntil = this.#appendedUntil
    const { readUntilMs, queueOffset, timerLogFlushedUntil } = this.#check
    const nowMs = Math.floor(clock.nowMs() / STEP_MS) * STEP_MS
    const isNew = readUntilMs === 0
    const fromMs = isNew ? nowMs - UNKNOWN_MS : readUntilMs
    let last: number | undefined
    const chain = function* (from: number): Generator<undefined, number> {
      let position = from
      for (;;) {
        const until = Math.min(log.baseOf(position) + log.fileBytes, position + SCAN_BYTES)
        const next = log.scan(position, until, (unit, { slotMs, physicalOffset, totalBytes }) => {
          if (physicalOffset + totalBytes > appendedUntil) return false
          wheel.revise(slotMs, unit)
          last = physicalOffset
          return true
        })
        yield
        if (next < until || next === position) return next
        position = next
      }
    }
    const scanFrom = Math.max(log.first, log.baseOf(Math.max(0, timerLogFlushedUntil - log.fileBytes)))
    const end = yield* chain(scanFrom)
    log.endAt(end)
    const brokenFrom = yield* this.#cutChains(fromMs, end)
    if (brokenFrom !== undefined) yield* chain(log.baseOf(Math.max(log.first, brokenFrom)))
    return {
      readUntilMs: isNew && !log.hasFiles ? nowMs : fromMs,
      queueOffset,
      lastPhysicalOffset: last,
      isWhole: !isNew && end >= timerLogFlushedUntil,
      delivered: this.#mark
    }
  }

  /** Everything said so far becomes durable. One save at a time; a second call waits for a save that begins after it. */
  async save(progress: () => TimerProgress): Promise<void> {
    await this.#saving?.then(undefined, () => undefined) // Whoever began it hears of its failure.
    this.#saving ??= this.#save(progress()).finally(() => {
      this.#saving = undefined
    })
    await this.#saving
  }

  get isSaving(): boolean {
    return this.#saving !== undefined
  }

  close(): void {
    this.log.close()
    this.#wheelFile.close()
    this.#checkFile.close()
    this.#markFile.close()
  }

  async #save({ readUntilMs, queueOffset, delivered }: TimerProgress): Promise<void> {
    const { store, clock } = this.#options
    this.log.write()
    this.wheel.write(this.#wheelFile)
    const timerLogFlushedUntil = this.log.end
    await store.syncFiles([...this.log.takeWritten(), this.#wheelFile.path])
    await store.flushed()
    const { stateVersion, versionCounter } = this.#check
    const masterQueueOffset = queueOffset
    this.#check = {
      readUntilMs,
      timerLogFlushedUntil,
      queueOffset,
      masterQueueOffset,
      stateVersion,
      versionAtMs: clock.nowMs(),
      versionCounter: versionCounter + 1
    }
    writeCheck(this.#checkFile, this.#check)
    writeMark(this.#markFile, this.#check, delivered)
    await store.syncFiles([this.#checkFile.path, this.#markFile.path])
  }

  /** Empties the slots whose chains end in units that are gone. Where the first of these chains began; undefined if none is. */
  *#cutChains(fromMs: number, end: number): Generator<undefined, number | undefined> {
    const { wheel } = this
    let brokenFrom: number | undefined
    for (let at = fromMs; at < fromMs + WHEEL_TURN_MS; at += SLOT_SCAN_COUNT * STEP_MS) {
      const until = Math.min(at + SLOT_SCAN_COUNT * STEP_MS, fromMs + WHEEL_TURN_MS)
      for (let slotMs = wheel.nextSlot(at, until); slotMs < until; slotMs = wheel.nextSlot(slotMs + STEP_MS, until)) {
        if (wheel.lastUnit(slotMs) < end) continue
        const first = wheel.firstUnit(slotMs)
        if (first !== NO_UNIT && first < end) brokenFrom = Math.min(first, brokenFrom ?? first)
        wheel.clear(slotMs)
      }
      yield
    }
    return brokenFrom
  }
}

type TimerCheck = ReturnType<typeof TIMER_CHECK.read>

function readCheck(file: OpenFile): TimerCheck {
  const page = new Uint8Array(TIMER_CHECK_FILE_BYTES)
  file.read(page, 0)
  const check = TIMER_CHECK.read(new DataView(page.buffer), 0)
  return isPlausible(check) ? check : TIMER_CHECK.read(new DataView(new ArrayBuffer(TIMER_CHECK_FILE_BYTES)), 0)
}

/** Numbers that no timer can have written say nothing: the timer topic is gone through again, as without the file. */
function isPlausible(check: TimerCheck): boolean {
  const areCounts = Object.values(check).every(value => Number.isSafeInteger(value) && value >= 0)
  return areCounts && check.readUntilMs % STEP_MS === 0
}

function writeCheck(file: OpenFile, check: TimerCheck): void {
  const page = new Uint8Array(TIMER_CHECK_FILE_BYTES)
  TIMER_CHECK.write(new DataView(page.buffer), 0, check)
  file.write(page, 0)
}

/** Nothing, if the checkpoint is not the one that the mark was written after: Apache RocketMQ has gone on since. */
function readMark(file: OpenFile, check: TimerCheck): DeliveredMark {
  const bytes = new Uint8Array(TIMER_MARK.sizeBytes)
  if (file.read(bytes, 0) < bytes.length) return NOTHING_DELIVERED
  const mark = TIMER_MARK.read(new DataView(bytes.buffer), 0)
  const isOfCheck =
    mark.readUntilMs === check.readUntilMs &&
    mark.queueOffset === check.queueOffset &&
    mark.versionAtMs === check.versionAtMs &&
    mark.versionCounter === check.versionCounter
  return isOfCheck ? mark : NOTHING_DELIVERED
}

function writeMark(file: OpenFile, check: TimerCheck, { dueMs, rank, unitsUntil }: DeliveredMark): void {
  const { readUntilMs, queueOffset, versionAtMs, versionCounter } = check
  const bytes = new Uint8Array(TIMER_MARK.sizeBytes)
  const mark = { readUntilMs, queueOffset, versionAtMs, versionCounter, dueMs, rank, unitsUntil }
  TIMER_MARK.write(new DataView(bytes.buffer), 0, mark)
  file.write(bytes, 0)
}
