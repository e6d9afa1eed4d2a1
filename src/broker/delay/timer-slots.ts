/**
 * Seconds at hand: taking timed messages into the wheel, and opening the slots whose seconds come up, so that their messages
 * stand in the order in which they are due.
 *
 * A slot is opened a little ahead: its chain is walked, each record is looked at, and what is due goes into a heap. From
 * then on messages for that second go there as well as into the wheel, which keeps them for the next start.
 *
 * Invariants:
 * - everything of a slot below `openedUntilMs` that has not been delivered stands in the heap
 * - a step does a bounded amount of work and never waits for the disk
 *
 * Not here: delivering (timed-delivery.ts), the files (timer-files.ts).
 */
import { javaHash, TIMER_MAGIC } from '../../layout/index.ts'
import type { Store } from '../../store/index.ts'
import { DueHeap } from './due-heap.ts'
import { TimedRecord } from './timed-record.ts'
import type { TimerFiles } from './timer-files.ts'
import { TimerUnit } from './timer-log.ts'
import { NO_UNIT, STEP_MS } from './timer-wheel.ts'

/** Units of a chain walked, records looked at, and empty slots passed in one step. */
const WALK_COUNT = 4096
const LOOK_COUNT = 256
const SKIP_COUNT = 20_000
/** Records that are fetched from the disk at once. */
const FETCH_COUNT_MAX = 32
/** While so many are due, no further slot is opened. */
const HEAP_COUNT_MAX = 100_000
/** After so long a unit that was asked for is looked for again. */
export const COLD_MS = 5
/**
 * What goes round does so no more than so many in a second, as long as seconds before have room: what was sent in a burst for
 * days ahead would else come back in one, and hold up what is due then.
 */
const ROUND_COUNT_MAX = 2000
/** So many seconds are looked at for room. */
const ROOM_LOOK_COUNT = 64

export interface TimerSlotsWorld {
  readonly files: TimerFiles
  readonly store: Pick<Store, 'recordViewResident' | 'recordAt'>
  /** In slots: what is due later goes round again. */
  readonly rollWindowSlots: number
  /** A record that was fetched has been taken in. */
  readonly wake: () => void
  /** Told of a unit whose record is damaged or gone. */
  readonly onLost: (physicalOffset: number, error: Error | undefined) => void
}

/**
 * What has been delivered of slots that are not done with: everything before `unitsUntil` in the timer log that is due before
 * `dueMs`, or then and is of a lower rank.
 */
export interface DeliveredMark {
  readonly dueMs: number
  readonly rank: number
  readonly unitsUntil: number
}

export const NOTHING_DELIVERED: DeliveredMark = { dueMs: 0, rank: 0, unitsUntil: 0 }

/** The slot that is being opened. */
interface Opening {
  readonly slotMs: number
  /** The next unit of its chain to look at, from the last to the first. */
  unit: number
  /** Of the units walked: where they stand, where their records do, and what they are. Taken from the end. */
  readonly units: number[]
  readonly positions: number[]
  readonly magics: number[]
  fetching: number
}

export class TimerSlots {
  readonly heap = new DueHeap()
  readonly #world: TimerSlotsWorld
  readonly #timed = new TimedRecord()
  readonly #unit = new TimerUnit()
  /** By slot, what is not to be delivered in it. */
  readonly #deletes = new Map<number, Set<string>>()
  readonly #delivered: DeliveredMark
  /** The last second that had room for what goes round a whole window, and for what goes half of one. */
  readonly #room = { whole: 0, half: 0 }
  #openedUntilMs: number
  #opening: Opening | undefined

  /** What `delivered` says is not delivered again. */
  constructor(world: TimerSlotsWorld, openedUntilMs: number, delivered: DeliveredMark) {
    this.#world = world
    this.#openedUntilMs = openedUntilMs
    this.#delivered = delivered
  }

  /** What has been delivered so far. */
  mark(): DeliveredMark {
    const unitsUntil = this.#world.files.log.end
    // Of the slot that is being opened not everything stands in the heap yet.
    const untilMs = this.#openedUntilMs + 1
    const { dueAtMs } = this.heap
    return dueAtMs < untilMs
      ? { dueMs: dueAtMs, rank: this.heap.rank, unitsUntil }
      : { dueMs: untilMs, rank: 0, unitsUntil }
  }

  get openedUntilMs(): number {
    return this.#openedUntilMs
  }

  /**
   * Takes a message of the timer topic in, which has been read into `timed`. `writeMs` is the second that it is now;
   * everything in slots before `readUntilMs` is delivered.
   */
  add(timed: TimedRecord, { writeMs, readUntilMs }: { readonly writeMs: number; readonly readUntilMs: number }): void {
    const { wheel, log } = this.#world.files
    const { outMs, isDelete, positions, target } = timed
    const windowMs = this.#world.rollWindowSlots * STEP_MS
    const goesRound = outMs - writeMs >= windowMs
    const slotMs = goesRound ? this.#roundTo(outMs, writeMs) : Math.max(outMs, readUntilMs)
    const magic = TIMER_MAGIC.DEFAULT | (goesRound ? TIMER_MAGIC.ROLL : 0) | (isDelete ? TIMER_MAGIC.DELETE : 0)
    const unit = log.append({
      previous: wheel.lastUnit(slotMs),
      magic,
      enqueuedAtMs: writeMs,
      slotMs,
      physicalOffset: positions.physicalOffset,
      totalBytes: positions.totalBytes,
      topicHash: javaHash(target.topic)
    })
    wheel.add(slotMs, unit, isDelete)
    if (slotMs < this.#openedUntilMs || this.#opening?.slotMs === slotMs) this.#enter(timed, slotMs, unit, magic)
  }

  /** Whether any message that is due in the slot has been taken back. */
  hasDeletes(slotMs: number): boolean {
    return this.#deletes.size > 0 && this.#deletes.has(slotMs)
  }

  /** Whether a message that is due in the slot has been taken back. */
  isDeleted(timed: TimedRecord, slotMs: number): boolean {
    return this.#deletes.get(slotMs)?.has(timed.key) === true
  }

  /** Everything in slots before is delivered. */
  forgetBelow(readUntilMs: number): void {
    if (this.#deletes.size === 0) return
    for (const slotMs of this.#deletes.keys()) if (slotMs < readUntilMs) this.#deletes.delete(slotMs)
  }

  /** Where everything before is delivered, at most at `untilMs`. */
  readUntilMs(untilMs: number): number {
    const { dueAtMs } = this.heap
    // What is due in (s, s + 1 s] is of slot s.
    const undelivered = dueAtMs === Number.POSITIVE_INFINITY ? dueAtMs : (Math.ceil(dueAtMs / STEP_MS) - 1) * STEP_MS
    return Math.min(untilMs, this.#openedUntilMs, undelivered)
  }

  /** Opens slots before `untilMs`, as far as one step goes. When to go on: 0 at once, Infinity when woken or not at all. */
  open(untilMs: number): number {
    let looks = LOOK_COUNT
    while (looks > 0) {
      const opening = this.#opening ?? this.#begin(untilMs)
      if (opening === undefined) {
        const hasMore = this.#openedUntilMs < untilMs && this.heap.count <= HEAP_COUNT_MAX
        return hasMore ? 0 : Number.POSITIVE_INFINITY
      }
      if (opening.unit !== NO_UNIT) {
        const goesOn = this.#walk(opening)
        if (goesOn !== undefined) return goesOn
      }
      looks = this.#look(opening, looks)
      if (opening.units.length > 0) return opening.fetching >= FETCH_COUNT_MAX ? Number.POSITIVE_INFINITY : 0
      if (opening.fetching > 0) return Number.POSITIVE_INFINITY
      this.#opening = undefined
      this.#openedUntilMs = opening.slotMs + STEP_MS
    }
    return 0
  }

  /** The next slot that holds anything. Undefined if there is none as far as one step looks. */
  #begin(untilMs: number): Opening | undefined {
    const limit = Math.min(untilMs, this.#openedUntilMs + SKIP_COUNT * STEP_MS)
    if (limit <= this.#openedUntilMs || this.heap.count > HEAP_COUNT_MAX) return undefined
    const { wheel } = this.#world.files
    const slotMs = wheel.nextSlot(this.#openedUntilMs, limit)
    this.#openedUntilMs = slotMs
    if (slotMs === limit) return undefined
    this.#opening = { slotMs, unit: wheel.lastUnit(slotMs), units: [], positions: [], magics: [], fetching: 0 }
    return this.#opening
  }

  /** Undefined once the chain has been walked; else when to go on. */
  #walk(opening: Opening): number | undefined {
    const unit = this.#unit
    for (let left = WALK_COUNT; opening.unit !== NO_UNIT; left--) {
      if (left === 0) return 0
      const found = this.#world.files.log.read(opening.unit, unit)
      if (found === undefined) return COLD_MS
      // A chain that leads elsewhere ends: what it held before is delivered, or was never whole.
      if (!found || unit.slotMs !== opening.slotMs) {
        opening.unit = NO_UNIT
        break
      }
      opening.units.push(opening.unit)
      opening.positions.push(unit.physicalOffset)
      opening.magics.push(unit.magic)
      opening.unit = unit.previous < opening.unit ? unit.previous : NO_UNIT
    }
    return undefined
  }

  /** Looks at records of what has been walked, the oldest first. How many looks are left. */
  #look(opening: Opening, looks: number): number {
    const { store } = this.#world
    let left = looks
    while (left > 0 && opening.units.length > 0 && opening.fetching < FETCH_COUNT_MAX) {
      const unit = opening.units.pop() as number // There is one, and of each of the three.
      const position = opening.positions.pop() as number
      const magic = opening.magics.pop() as number
      left--
      try {
        const record = store.recordViewResident(position)
        if (record === undefined) void this.#fetch(opening, unit, position, magic)
        else this.#take(record, opening.slotMs, unit, position, magic)
      } catch (error) {
        this.#world.onLost(position, error as Error)
      }
    }
    return left
  }

  async #fetch(opening: Opening, unit: number, position: number, magic: number): Promise<void> {
    opening.fetching++
    try {
      this.#take(await this.#world.store.recordAt(position), opening.slotMs, unit, position, magic)
    } catch (error) {
      this.#world.onLost(position, error as Error)
    } finally {
      opening.fetching--
      this.#world.wake()
    }
  }

  #take(record: Uint8Array, slotMs: number, unit: number, position: number, magic: number): void {
    const timed = this.#timed
    if (!timed.read(record)) this.#world.onLost(position, undefined)
    else this.#enter(timed, slotMs, unit, magic, position)
  }

  #enter(
    timed: TimedRecord,
    slotMs: number,
    unit: number,
    magic: number,
    position = timed.positions.physicalOffset
  ): void {
    const goesRound = (magic & TIMER_MAGIC.ROLL) !== 0
    if (timed.isDelete && !goesRound) {
      const deletes = this.#deletes.get(slotMs)
      if (deletes === undefined) this.#deletes.set(slotMs, new Set([timed.deletes]))
      else deletes.add(timed.deletes)
      return
    }
    // What goes round does so as soon as its second begins.
    const dueMs = goesRound ? slotMs + 1 : timed.dueMs
    if (!isBefore(dueMs, timed.rank, unit, this.#delivered)) this.heap.push(dueMs, timed.rank, slotMs, position, magic)
  }

  /**
   * The second in which a message is stored anew: a window ahead, or half of one if less than a third would be left; before
   * that, by a quarter at most, where so many others are.
   */
  #roundTo(outMs: number, writeMs: number): number {
    const { files, rollWindowSlots } = this.#world
    const leftMs = outMs - writeMs - rollWindowSlots * STEP_MS
    const way = leftMs < Math.floor(rollWindowSlots / 3) * STEP_MS ? 'half' : 'whole'
    const wantedMs = writeMs + (way === 'half' ? Math.floor(rollWindowSlots / 2) : rollWindowSlots) * STEP_MS
    if (files.wheel.unitCount(wantedMs) < ROUND_COUNT_MAX) return wantedMs
    const earliestMs = wantedMs - Math.floor(rollWindowSlots / 4) * STEP_MS
    const known = this.#room[way]
    let slotMs = known >= earliestMs && known < wantedMs ? known : wantedMs
    for (let left = ROOM_LOOK_COUNT; left > 0 && files.wheel.unitCount(slotMs) >= ROUND_COUNT_MAX; left--) {
      slotMs = slotMs > earliestMs ? slotMs - STEP_MS : wantedMs
    }
    this.#room[way] = slotMs
    return slotMs
  }
}

const isBefore = (dueMs: number, rank: number, unit: number, mark: DeliveredMark): boolean =>
  unit < mark.unitsUntil && (dueMs < mark.dueMs || (dueMs === mark.dueMs && rank < mark.rank))
