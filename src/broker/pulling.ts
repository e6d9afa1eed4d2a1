/**
 * Pulling: from what a consumer asks of a queue to the records it gets, now or when there are some.
 *
 * A pull is checked, the records are selected, and the answer is given before the call returns, except when the answer has to
 * wait for the disk or for a message. What is cold is fetched by a worker: the thread that appends never waits for it.
 *
 * Invariants:
 * - every pull is answered exactly once, or its connection is gone
 * - a pull that waited is checked anew, and reads with the newest filter from where it was parked: what an older filter
 *   has refused is looked at again when the subscription has changed
 * - an offset is committed once, with the first look
 *
 * Not here: the checks (pull-checks.ts), filters (pull-filters.ts), who waits (long-polling.ts), the wire (server).
 */
import { totalmem } from 'node:os'
import { type Clock, hourMs, type Log, VarveError } from '../base/index.ts'
import { QUEUE_ENTRY_BYTES } from '../layout/index.ts'
import type { RecordFilter, Selection, SelectRequest, Store } from '../store/index.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type LongPolling, ParkedPull } from './long-polling.ts'
import type { ConsumerOffsets } from './offsets.ts'
import { PullChecks, type PullCheckWorld, type PullTerms } from './pull-checks.ts'
import { type ExpressionFilters, PullFilters } from './pull-filters.ts'
import {
  keptPull,
  PULL_FLAG,
  type PullAnswer,
  type PullFound,
  type PullRequest,
  type PullStatus,
  pullStatusOf,
  verdictOf
} from './pull-request.ts'

export interface PullingWorld extends PullCheckWorld {
  readonly store: Pick<Store, 'select' | 'selectFetching' | 'minOffset' | 'maxOffset'>
  readonly offsets: Pick<ConsumerOffsets, 'commit' | 'setPulled' | 'takeReset'>
  readonly longPolling: LongPolling
  readonly expressions: ExpressionFilters
  readonly clock: Clock
  readonly log: Log
  /** Default: of the machine. A part of it is taken to hold the newest messages. */
  readonly memoryBytes?: number
  /** Told of what was found for a group. */
  readonly onPulled?: (request: PullRequest, selection: Selection) => void
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

const MASTER_ID = 0
/** Clients wait some 20 s; none needs a pull to be kept for longer than this. */
const WAIT_MS_MAX = hourMs

export class Pulling {
  readonly #world: PullingWorld
  readonly #config: BrokerConfig
  readonly #checks: PullChecks
  readonly #memoryBytes: number
  /** One object each for all pulls. */
  readonly #select: Mutable<SelectRequest>
  readonly #found: Mutable<PullFound>

  constructor(world: PullingWorld) {
    this.#world = world
    this.#config = world.config
    this.#checks = new PullChecks(world, new PullFilters(world.expressions, world.config))
    this.#memoryBytes = world.memoryBytes ?? totalmem()
    this.#select = {
      topic: '',
      queueId: 0,
      offset: 0,
      countMax: 0,
      bytesMax: 0,
      scanMax: 0,
      diskDistanceBytes: 0,
      diskCountMax: 0,
      diskBytesMax: 0,
      filter: undefined
    }
    this.#found = {
      status: 'FOUND',
      verdict: 'found',
      nextOffset: 0,
      minOffset: 0,
      maxOffset: 0,
      suggestedBrokerId: MASTER_ID,
      topicSysFlag: 0,
      groupSysFlag: 0,
      selection: undefined
    }
    world.longPolling.onRetry((pull, isLast) => this.#lookAgain(pull, isLast))
  }

  /** Answers at once or later, exactly once; never throws what is the client's to hear. */
  pull(request: PullRequest, answer: PullAnswer): void {
    const terms = this.#check(request, answer)
    if (terms === undefined) return
    const { filter } = terms
    const selection = this.#selectFrom(request, request.offset, filter, answer)
    if (selection === undefined) {
      const kept = keptPull(request)
      this.#fetch(kept, kept.offset, filter, answer, fetched => this.#firstLook(kept, filter, fetched, answer))
    } else if (selection !== REFUSED) {
      this.#firstLook(request, filter, selection, answer)
    }
  }

  /** Undefined if the answer has been given: a refusal, or where an administrator sends the group. */
  #check(request: PullRequest, answer: PullAnswer): PullTerms | undefined {
    let terms: PullTerms
    try {
      terms = this.#checks.check(request)
    } catch (error) {
      refuse(answer, error)
      return undefined
    }
    const resetTo = this.#config.useServerSideResetOffset ? this.#world.offsets.takeReset(request) : undefined
    if (resetTo === undefined) return terms
    this.#answerReset(request, resetTo, terms, answer)
    return undefined
  }

  /** What the first look has found: the answer, unless there is nothing and the client can wait. */
  #firstLook(request: PullRequest, filter: RecordFilter | undefined, selection: Selection, answer: PullAnswer): void {
    const status = pullStatusOf(selection.status)
    if ((request.sysFlag & PULL_FLAG.commits) !== 0) {
      try {
        this.#world.offsets.commit(request, request.commitOffset)
      } catch (error) {
        return refuse(answer, error)
      }
    }
    const maySuspend = (request.sysFlag & PULL_FLAG.maySuspend) !== 0 && request.link.isOpen
    const nothing = verdictOf(status, request.offset) === 'nothing'
    if (nothing && maySuspend && this.#world.longPolling.count < this.#config.pullThreadPoolQueueCapacity) {
      const { longPollingEnable, shortPollingTimeMills } = this.#config
      const waitMs = longPollingEnable ? request.suspendTimeoutMs : shortPollingTimeMills
      const untilMs = this.#world.clock.monotonicMs() + Math.min(Math.max(0, waitMs), WAIT_MS_MAX)
      this.#world.longPolling.park(new ParkedPull(request, answer, filter, untilMs))
      return
    }
    this.#answer(request, status, selection, answer)
  }

  /** A message may have come for a pull that waits, or its time is up. */
  #lookAgain(pull: ParkedPull, isLast: boolean): void {
    const { request, answer } = pull
    const terms = this.#check(request, answer)
    if (terms === undefined) return
    const { filter } = terms
    if (filter !== pull.filter) {
      pull.filter = filter
      pull.scannedUntil = request.offset
    }
    const selection = this.#selectFrom(request, pull.scannedUntil, filter, answer)
    if (selection === undefined) {
      this.#fetch(request, pull.scannedUntil, filter, answer, fetched => this.#nextLook(pull, fetched, isLast))
    } else if (selection !== REFUSED) {
      this.#nextLook(pull, selection, isLast)
    }
  }

  #nextLook(pull: ParkedPull, selection: Selection, isLast: boolean): void {
    const { request, answer } = pull
    const { longPolling, clock } = this.#world
    let status = pullStatusOf(selection.status)
    const isRefused = status === 'NO_MATCHED_MESSAGE'
    const isNothing = isRefused || verdictOf(status, request.offset) === 'nothing'
    if (isRefused) pull.scannedUntil = selection.nextOffset
    if (isNothing && !isLast && pull.untilMs > clock.monotonicMs()) {
      const more = isRefused && selection.nextOffset < selection.maxOffset
      return longPolling.parkAgain(pull, { more })
    }
    // Everything since it was parked was refused: the client need not ask for it again.
    if (status === 'OFFSET_OVERFLOW_ONE' && pull.scannedUntil > request.offset) status = 'NO_MATCHED_MESSAGE'
    this.#answer(request, status, selection, answer)
  }

  /** Undefined if it is cold. */
  #selectFrom(
    request: PullRequest,
    offset: number,
    filter: RecordFilter | undefined,
    answer: PullAnswer
  ): Selection | undefined | typeof REFUSED {
    try {
      return this.#world.store.select(this.#selectRequest(request, offset, filter))
    } catch (error) {
      refuse(answer, error)
      return REFUSED
    }
  }

  #fetch(
    request: PullRequest,
    offset: number,
    filter: RecordFilter | undefined,
    answer: PullAnswer,
    look: (selection: Selection) => void
  ): void {
    this.#world.store.selectFetching({ ...this.#selectRequest(request, offset, filter) }).then(
      selection => {
        if (request.link.isOpen) look(selection)
      },
      error => refuse(answer, error)
    )
  }

  #selectRequest(request: PullRequest, offset: number, filter: RecordFilter | undefined): SelectRequest {
    const config = this.#config
    const select = this.#select
    select.topic = request.topic
    select.queueId = request.queueId
    select.offset = offset
    select.countMax = Math.min(
      request.countMax,
      config.pullBatchMaxMessageCount,
      config.maxTransferCountOnMessageInMemory
    )
    select.bytesMax = config.maxTransferBytesOnMessageInMemory
    select.scanMax = Math.max(Math.floor(config.maxFilterMessageSize / QUEUE_ENTRY_BYTES), select.countMax)
    select.diskDistanceBytes = this.#inMemoryBytes()
    select.diskCountMax = config.maxTransferCountOnMessageInDisk
    select.diskBytesMax = config.maxTransferBytesOnMessageInDisk
    select.filter = filter
    return select
  }

  #inMemoryBytes(): number {
    return (this.#memoryBytes / 100) * this.#config.accessMessageInMemoryMaxRatio
  }

  /** The offset that the client would commit is from before the reset: it is passed over. */
  #answerReset(request: PullRequest, resetTo: number, { topic, group }: PullTerms, answer: PullAnswer): void {
    const { store, offsets } = this.#world
    const found = this.#found
    found.status = 'OFFSET_RESET'
    found.verdict = 'moved'
    found.nextOffset = resetTo
    found.minOffset = store.minOffset(request)
    found.maxOffset = store.maxOffset(request)
    found.suggestedBrokerId = this.#config.slaveReadEnable ? group.brokerId : MASTER_ID
    found.topicSysFlag = topic.sysFlag
    found.groupSysFlag = group.sysFlag
    found.selection = undefined
    offsets.setPulled(request, resetTo)
    answer.found(found)
  }

  #answer(request: PullRequest, status: PullStatus, selection: Selection, answer: PullAnswer): void {
    const { topics, groups, offsets, onPulled } = this.#world
    const found = this.#found
    const group = groups.findOrCreate(request.group)
    this.#reportDamage(request, selection)
    found.status = status
    found.verdict = verdictOf(status, request.offset)
    found.nextOffset = selection.nextOffset
    found.minOffset = selection.minOffset
    found.maxOffset = selection.maxOffset
    found.suggestedBrokerId = MASTER_ID
    if (this.#config.slaveReadEnable && group !== undefined) {
      const isSlow = selection.distanceBytes > this.#inMemoryBytes()
      found.suggestedBrokerId = isSlow ? group.brokerIdWhenSlow : group.brokerId
    }
    found.topicSysFlag = topics.find(request.topic)?.sysFlag ?? 0
    found.groupSysFlag = group?.sysFlag ?? 0
    found.selection = found.verdict === 'found' ? selection : undefined
    offsets.setPulled(request, found.nextOffset)
    if (found.selection !== undefined) onPulled?.(request, found.selection)
    answer.found(found)
  }

  #reportDamage({ topic, queueId, group }: PullRequest, { damaged }: Selection): void {
    for (const error of damaged) this.#world.log.error('damage passed over', { topic, queueId, group, error })
  }
}

/** The answer has been given already. */
const REFUSED = Symbol('refused')

/** Tells the client what it is told to hear; anything else is a defect and goes on. */
function refuse(answer: PullAnswer, error: unknown): void {
  if (!(error instanceof VarveError)) throw error
  answer.refused(error)
}
