/**
 * Delivery of timed messages: they are taken from the timer topic into the wheel, and stored under their own topics when
 * their time has come, in turns between which the broker serves its clients.
 *
 * Invariants:
 * - a turn takes in, looks at and delivers a bounded number of messages, and never waits for the disk
 * - a message is delivered not before the moment that it is due, and at rest within milliseconds after it
 * - nothing of a second is delivered before all of it is at hand, so that what is due keeps its order also when it is late
 * - `readUntilMs` passes a slot only once everything of it is delivered, gone, or taken back; after a crash the slots from
 *   there on are delivered anew
 *
 * Not here: which slots are looked at (timer-slots.ts), what is on disk (timer-files.ts).
 */
import { hourMs, KiB, secondMs, VarveError } from '../../base/index.ts'
import { getInt53, RECORD_HEAD, TIMER_MAGIC, TIMER_TOPIC } from '../../layout/index.ts'
import type { Files } from '../../store/index.ts'
import type { BrokerConfig } from '../config-keys.ts'
import type { DeliveryWorld } from './delivery-world.ts'
import { DueAppending, MUST_WAIT } from './due-appending.ts'
import { QueueWindow } from './queue-window.ts'
import { TimedMessage } from './timed-message.ts'
import { TimedRecord } from './timed-record.ts'
import type { TimerCounts } from './timer-counts.ts'
import { type RecoveredTimer, TimerFiles } from './timer-files.ts'
import { TimerSlots } from './timer-slots.ts'
import { STEP_MS } from './timer-wheel.ts'

const TAKE_COUNT = 256
const DELIVER_COUNT = 128
const DELIVER_BYTES = 512 * KiB
/** So long a turn delivers, however slow the machine is: those who send wait for its end. */
const DELIVER_MS = 1
/** Between two looks at that. */
const LOOK_COUNT = 16
/** What has been sent is taken in so much later, so that many are taken in at once. */
const TAKE_IN_MS = 20
/** Slots are opened so long before their second. */
const LEAD_MS = 2 * STEP_MS
/** So long no look at the clock is put off. */
const LOOK_MS = secondMs
/**
 * While slots of so long ago have not been opened nothing is taken in. A slot comes round after a wheel's turn: after a long
 * sleep, or with a clock that was set far ahead, what is taken in would stand in the place of what still waits there.
 */
const BEHIND_MS_MAX = 24 * hourMs
const QUEUE = { topic: TIMER_TOPIC, queueId: 0 }

export interface TimedDeliveryWorld extends DeliveryWorld {
  readonly directory: string
  readonly files: Files
  readonly config: Pick<BrokerConfig, 'mappedFileSizeTimerLog' | 'timerRollWindowSlot'>
  readonly counts: TimerCounts
}

/** What has come up from the disk: from then on messages are taken in and delivered. */
interface Running {
  readonly window: QueueWindow
  readonly slots: TimerSlots
  readUntilMs: number
}

export class TimedDelivery {
  readonly #world: TimedDeliveryWorld
  readonly #files: TimerFiles
  readonly #appending: DueAppending
  readonly #message: TimedMessage
  readonly #timed = new TimedRecord()
  #recovery: Generator<undefined, RecoveredTimer> | undefined
  #running: Running | undefined
  /** A record that had to be fetched, and which. */
  #fetched: { readonly position: number; readonly record: Uint8Array | undefined } | undefined
  #isTurnPending = false
  #isClosed = false
  #hasChanged = false
  /** When the last message was stored that has been taken in. */
  #takenStoredAtMs = Number.POSITIVE_INFINITY
  /** When the alarm rings, by the monotonic clock. */
  #alarmAtMs = Number.POSITIVE_INFINITY

  /** @throws VarveError STORE_FILE_CHANGED */
  constructor(world: TimedDeliveryWorld) {
    this.#world = world
    const { mappedFileSizeTimerLog: fileBytes } = world.config
    this.#files = new TimerFiles({ ...world, fileBytes })
    this.#appending = new DueAppending({ ...world, wake: () => this.#turnSoon() })
    this.#message = new TimedMessage(world.storeHost)
    this.#recovery = this.#files.recover()
    this.#turnSoon()
  }

  /** A message has been appended to the timer topic. */
  arrived(): void {
    if (this.#running === undefined) return
    this.#running.window.arrived()
    this.#wakeIn(TAKE_IN_MS)
  }

  /** Messages that have been sent and are not yet in the wheel. */
  get enqueueLag(): number {
    return this.#running === undefined ? 0 : this.#running.window.maxOffset - this.#running.window.nextOffset
  }

  /** For how long the next of these has been waiting for that, at least; in ms. */
  get enqueueLatencyMs(): number {
    return this.enqueueLag === 0 ? 0 : Math.max(0, this.#world.clock.nowMs() - this.#takenStoredAtMs)
  }

  /** Messages of the wheel that are due so many ms from now, `fromMs` included and `untilMs` not. */
  countIn(fromMs: number, untilMs: number): number {
    const second = Math.floor(this.#world.clock.nowMs() / STEP_MS) * STEP_MS
    return this.#files.wheel.unitCountIn(second + fromMs, second + untilMs)
  }

  /** Messages of the seconds at hand. */
  get openCount(): number {
    return this.#running?.slots.heap.count ?? 0
  }

  /** How late the first message is that is due; 0 if none is. */
  get lateMs(): number {
    const dueAtMs = this.#running?.slots.heap.dueAtMs ?? Number.POSITIVE_INFINITY
    return Math.max(0, this.#world.clock.nowMs() - dueAtMs)
  }

  /** Makes what has changed durable; for the timer, so a failure is logged. */
  saveSoon(): void {
    if (!this.#hasChanged || this.#files.isSaving || this.#running === undefined) return
    this.#save(this.#running).catch((error: unknown) => {
      this.#hasChanged = true
      this.#world.log.error('progress of timed messages not saved', { error: error as Error })
    })
  }

  /** Forgets units of messages that retention has deleted. */
  tidy(): void {
    if (this.#running === undefined || this.#files.isSaving) return // What is being saved is there until it is.
    this.#files.log.deleteBelow(this.#world.store.info().minPhysicalOffset)
  }

  /** Nothing is delivered after this, and everything is durable. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#world.alarm.clear()
    try {
      if (this.#running !== undefined) await this.#save(this.#running)
    } finally {
      this.#files.close()
    }
  }

  async #save(running: Running): Promise<void> {
    this.#hasChanged = false
    await this.#files.save(() => ({
      readUntilMs: running.readUntilMs,
      queueOffset: running.window.nextOffset,
      delivered: running.slots.mark()
    }))
  }

  readonly #turn = (): void => {
    this.#isTurnPending = false
    if (this.#isClosed) return
    try {
      if (this.#running === undefined) this.#recoverOn()
      else this.#work(this.#running)
    } catch (error) {
      if (!(error instanceof VarveError)) throw error
      this.#world.log.error('timed messages stand still', { error })
      this.#wakeIn(LOOK_MS)
    }
  }

  #recoverOn(): void {
    const step = this.#recovery?.next()
    if (step === undefined) return
    if (step.done !== true) return this.#turnSoon()
    this.#recovery = undefined
    this.#start(step.value).catch((error: unknown) => {
      this.#world.log.error('timed messages stand still', { error: error as Error })
    })
  }

  async #start(recovered: RecoveredTimer): Promise<void> {
    const { store, losses, log, config } = this.#world
    const behindLast = await this.#offsetBehind(recovered.lastPhysicalOffset)
    const nextOffset = recovered.isWhole ? Math.max(recovered.queueOffset, behindLast) : behindLast
    const wake = (): void => this.#turnSoon()
    const window = new QueueWindow(
      {
        store,
        wake,
        readsFromDisk: store.info().flush === 'sync',
        onLost: losses.lost,
        onFailed: (error: unknown) => log.error('timed messages not read', { error: error as Error })
      },
      QUEUE,
      nextOffset
    )
    const slots = new TimerSlots(
      {
        files: this.#files,
        store,
        rollWindowSlots: config.timerRollWindowSlot,
        wake,
        onLost: (physicalOffset, error) => this.#lose(physicalOffset, error)
      },
      recovered.readUntilMs,
      recovered.delivered
    )
    window.arrived() // For what was sent meanwhile.
    this.#running = { window, slots, readUntilMs: recovered.readUntilMs }
    this.#turnSoon()
  }

  /** The queue offset behind the record at the position, which is the last that has a unit; 0 if there is none. */
  async #offsetBehind(physicalOffset: number | undefined): Promise<number> {
    if (physicalOffset === undefined) return 0
    try {
      const record = await this.#world.store.recordAt(physicalOffset)
      const view = new DataView(record.buffer, record.byteOffset, record.length)
      return getInt53(view, RECORD_HEAD.at.queueOffset) + 1
    } catch (error) {
      // Retention has deleted it: then so has it what came before.
      if (error instanceof VarveError) return 0
      throw error
    }
  }

  #work(running: Running): void {
    const { clock } = this.#world
    const nowMs = clock.nowMs()
    const second = Math.floor(nowMs / STEP_MS) * STEP_MS
    this.#meetClock(running, second)
    const isFarBehind = running.slots.openedUntilMs < second - BEHIND_MS_MAX
    const hasMore = !isFarBehind && this.#takeIn(running, second)
    const openInMs = running.slots.open(second + LEAD_MS)
    this.#deliverDue(running, nowMs)
    const readUntilMs = running.slots.readUntilMs(second)
    if (readUntilMs > running.readUntilMs) {
      running.readUntilMs = readUntilMs
      running.slots.forgetBelow(readUntilMs)
    }
    const { heap, openedUntilMs } = running.slots
    const mayDeliver = !this.#appending.isBlocked && !this.#isFetching && heap.dueAtMs <= openedUntilMs
    const dueInMs = mayDeliver ? heap.dueAtMs - clock.nowMs() : Number.POSITIVE_INFINITY
    if (hasMore) this.#turnSoon()
    else this.#wakeIn(Math.min(openInMs, dueInMs, LOOK_MS))
  }

  /** A clock that was set back: slots that have been delivered take messages again, so they are emptied first. */
  #meetClock(running: Running, second: number): void {
    if (second >= running.readUntilMs - STEP_MS) return
    this.#files.wheel.clearIn(second, running.readUntilMs)
    running.readUntilMs = second
    this.#hasChanged = true
  }

  /** Takes messages into the wheel. Whether there are more. */
  #takeIn({ window, slots, readUntilMs }: Running, writeMs: number): boolean {
    const { counts, losses } = this.#world
    const timed = this.#timed
    const state = { writeMs, readUntilMs }
    for (let i = 0; i < TAKE_COUNT; i++) {
      const record = window.first()
      if (record === undefined) return false
      if (timed.read(record)) {
        this.#takenStoredAtMs = timed.positions.storedAtMs
        slots.add(timed, state)
        if (!timed.isDelete) counts.taken(timed.target.topic, writeMs)
        if (!timed.isDelete && !timed.hasBeenRound) counts.waits(timed.target.topic, timed.waitMs)
      } else losses.lost({ ...QUEUE, queueOffset: window.nextOffset, count: 1, error: undefined })
      window.passed()
      this.#hasChanged = true
    }
    return true
  }

  #deliverDue({ slots }: Running, nowMs: number): void {
    const { heap } = slots
    const { clock } = this.#world
    const turnUntilMs = clock.monotonicMs() + DELIVER_MS
    let bytes = DELIVER_BYTES
    const untilMs = Math.min(nowMs, slots.openedUntilMs)
    for (let count = DELIVER_COUNT; count > 0 && bytes > 0 && heap.dueAtMs <= untilMs; count--) {
      if (this.#appending.isBlocked || this.#isFetching) return
      if (count % LOOK_COUNT === 0 && clock.monotonicMs() > turnUntilMs) return
      const { position } = heap
      let record: Uint8Array | undefined
      try {
        record = this.#recordAt(position)
      } catch (error) {
        this.#lose(position, error as Error)
        heap.pop()
        continue
      }
      if (record === undefined || !this.#deliver(slots, record, nowMs)) return
      bytes -= record.length
      heap.pop()
      this.#hasChanged = true
    }
  }

  /** Stores what is due under its own topic, or in the timer topic once more. False if it has to wait. */
  #deliver(slots: TimerSlots, record: Uint8Array, nowMs: number): boolean {
    const { heap } = slots
    const { counts, deliveries } = this.#world
    const timed = this.#timed
    const goesRound = (heap.magic & TIMER_MAGIC.ROLL) !== 0
    // Most are delivered as they are, without another look at all that their properties say.
    if ((goesRound || slots.hasDeletes(heap.slotMs)) && !timed.read(record)) return this.#passLost(heap.position)
    if (!goesRound && slots.hasDeletes(heap.slotMs) && slots.isDeleted(timed, heap.slotMs)) {
      counts.left(timed.target.topic, nowMs)
      return true
    }
    const message = goesRound ? this.#message.goRound(record, nowMs, timed.rank) : this.#message.deliver(record, nowMs)
    if (message === undefined) return this.#passLost(heap.position)
    const outcome = this.#appending.append(message)
    if (outcome === MUST_WAIT) return false
    if (!goesRound) counts.left(message.topic, nowMs)
    else if (!timed.isDelete) counts.left(timed.target.topic, nowMs)
    if (outcome instanceof Error) this.#lose(heap.position, outcome)
    else if (!goesRound) {
      deliveries.delivered(message.topic, message.queueId, outcome.sizeBytes, Math.max(0, nowMs - heap.dueAtMs))
    }
    return true
  }

  #passLost(physicalOffset: number): true {
    this.#lose(physicalOffset, undefined)
    return true
  }

  get #isFetching(): boolean {
    return this.#fetched !== undefined && this.#fetched.record === undefined
  }

  /** The record, if it is in memory; else it is fetched. @throws VarveError RECORD_NOT_FOUND, RECORD_DAMAGED */
  #recordAt(position: number): Uint8Array | undefined {
    const record = this.#fetched?.position === position ? this.#fetched.record : undefined
    this.#fetched = undefined
    const found = record ?? this.#world.store.recordViewResident(position)
    if (found === undefined) void this.#fetch(position)
    return found
  }

  async #fetch(position: number): Promise<void> {
    this.#fetched = { position, record: undefined }
    try {
      this.#fetched = { position, record: await this.#world.store.recordAt(position) }
    } catch {
      this.#fetched = undefined // Whoever looks again hears of it.
    }
    this.#turnSoon()
  }

  #lose(physicalOffset: number, error: Error | undefined): void {
    this.#world.losses.lost({ ...QUEUE, physicalOffset, count: 1, error })
  }

  #turnSoon(): void {
    if (this.#isTurnPending || this.#isClosed) return
    this.#isTurnPending = true
    this.#world.defer(this.#turn)
  }

  /** A turn no later than in so many ms. */
  #wakeIn(ms: number): void {
    if (ms <= 0) return this.#turnSoon()
    const atMs = this.#world.clock.monotonicMs() + ms
    if (this.#isTurnPending || this.#isClosed || atMs >= this.#alarmAtMs) return
    this.#alarmAtMs = atMs
    this.#world.alarm.set(Math.ceil(ms), this.#ring)
  }

  readonly #ring = (): void => {
    this.#alarmAtMs = Number.POSITIVE_INFINITY
    this.#turnSoon()
  }
}
