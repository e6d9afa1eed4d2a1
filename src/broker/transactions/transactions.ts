/**
 * Transactions: half messages are kept from consumers until their producers say what becomes of them; who does not say
 * is asked, and who never says loses the message to a topic of the broker's.
 *
 * A decision is taken at once where the half message is in memory, as it nearly always is; nothing is then allocated but
 * the views of its record. What an earlier run has left is read in the background after the start; decisions that come
 * before that is done wait for it.
 *
 * Invariants:
 * - a message is committed at most once, however often and by whatever copy its producer says so
 * - a message that was rolled back is never committed; one that was committed stays so
 *
 * Not here: storing half messages (half-kind.ts), asking (transaction-check.ts), what is on record (half-ledger.ts).
 */
import { type Clock, type Log, VarveError } from '../../base/index.ts'
import { SYS_FLAG } from '../../layout/index.ts'
import type { HostAddress } from '../../model/index.ts'
import type { Store } from '../../store/index.ts'
import { type Appending, refusalOfStore } from '../appending.ts'
import type { ClientRegistry } from '../clients.ts'
import type { BrokerConfig } from '../config-keys.ts'
import type { ConsumerOffsets } from '../offsets.ts'
import { PropertyPass } from '../properties.ts'
import { emptyDraft } from '../send-draft.ts'
import { newOutgoingMessage, type OutgoingMessage, type SendKind, type SendTransform } from '../send-transform.ts'
import type { RecurringWork } from '../tables.ts'
import type { TopicTable } from '../topics.ts'
import { isCommitted, tracesOf } from './commit-search.ts'
import { HALF_IN_BITS_ALONE, HALF_QUEUE, halfKind } from './half-kind.ts'
import { type Decision, HalfLedger } from './half-ledger.ts'
import { HalfMessage } from './half-message.ts'
import { readHalfMessages } from './half-reading.ts'
import { HALF_STATE, type HalfState } from './half-states.ts'
import { TransactionCheck } from './transaction-check.ts'
import { TransactionCounts } from './transaction-counts.ts'

export interface TransactionsWorld {
  readonly store: Store
  readonly appending: Pick<Appending, 'append'>
  readonly offsets: ConsumerOffsets
  readonly topics: Pick<TopicTable, 'ensure'>
  readonly clients: Pick<ClientRegistry, 'producers'>
  readonly config: BrokerConfig
  readonly storeHost: HostAddress
  /** What becomes of a committed message that wants to be delivered later. */
  readonly delay: SendTransform
  /** Told of each committed message, with the place where it was stored: of a delayed one, where it waits. */
  readonly onCommitted: (topic: string, queueId: number, sizeBytes: number) => void
  readonly clock: Clock
  readonly log: Log
}

/** What a producer says about a half message. */
export interface TransactionEnd {
  readonly producerGroup: string
  readonly halfOffset: number
  readonly physicalOffset: number
  readonly decision: Decision
  /** It answers a question of the broker's. */
  readonly isFromCheck: boolean
}

/** Nothing more has to come onto the disk than is there. */
const NOTHING_STORED = 0
const NO_BYTES: Uint8Array = new Uint8Array(0)
type CommittedMessage = OutgoingMessage & { -readonly [Field in 'storeHost']: HostAddress } & {
  preparedTransactionOffset: number
}

export class Transactions {
  readonly kinds: readonly SendKind[]
  readonly recurring: readonly RecurringWork[]
  readonly counts = new TransactionCounts()
  readonly #world: TransactionsWorld
  readonly #ledger: HalfLedger
  readonly #half: HalfMessage
  readonly #check: TransactionCheck
  readonly #properties = new PropertyPass()
  readonly #draft = emptyDraft()
  readonly #committed: CommittedMessage
  /** Settled once what an earlier run has left is known. */
  readonly ready: Promise<void>
  #isReady = false

  constructor(world: TransactionsWorld) {
    const { config, storeHost } = world
    this.#world = world
    this.#half = new HalfMessage(storeHost)
    this.#ledger = new HalfLedger(world)
    this.#check = new TransactionCheck({ ...world, ledger: this.#ledger, counts: this.counts })
    this.kinds = [halfKind(topic => this.counts.of(topic).open++), HALF_IN_BITS_ALONE]
    this.recurring = [
      {
        name: 'check transactions',
        everyMs: config.transactionCheckInterval,
        run: () => void this.check()
      },
      {
        name: 'write operations of transactions',
        everyMs: config.transactionOpBatchInterval,
        run: () => this.writeOperations()
      }
    ]
    this.#committed = Object.assign(newOutgoingMessage(storeHost), { storeHost, preparedTransactionOffset: 0 })
    this.ready = this.#read()
  }

  /**
   * Commits or rolls back. A decision that was taken already is confirmed, another one refused.
   * @returns below which position everything has to be on disk for the decision to be safe
   * @throws VarveError TRANSACTION_UNKNOWN, TRANSACTION_DECIDED, TRANSACTION_TOO_LATE, BROKER_BUSY, BROKER_UNAVAILABLE
   */
  end(request: TransactionEnd): number | Promise<number> {
    return this.#isReady ? this.#end(request) : this.ready.then(() => this.#end(request))
  }

  /** Asks the producers of what has been open for too long, and gives up what was asked about too often. */
  async check(): Promise<void> {
    await this.ready
    await this.#check.run()
  }

  /** Writes which half messages are decided, so that nobody asks about them after a restart. */
  writeOperations(): void {
    if (!this.#isReady) return
    this.#ledger.operations.writeIfRoom()
    this.#ledger.advance()
  }

  /** Half messages that may be open, from the oldest one that is. */
  get windowLength(): number {
    return this.#ledger.end - this.#ledger.states.base
  }

  /** Everything decided is on record. */
  async close(): Promise<void> {
    this.#check.close()
    await this.ready
    this.writeOperations()
  }

  async #read(): Promise<void> {
    const { store, log } = this.#world
    const half = new HalfMessage(this.#world.storeHost)
    try {
      await readHalfMessages({ store, ledger: this.#ledger, half, counts: this.counts, log })
    } catch (error) {
      // What was not read counts as open: producers are asked.
      log.error('transactions of an earlier run are not known', { error: error as Error })
    }
    this.#isReady = true
  }

  #end(request: TransactionEnd): number | Promise<number> {
    if (this.#takeNamed(request)) this.#checkTaken(request)
    else {
      const named = this.#resident(request.halfOffset)
      if (named === undefined) return this.#endFetched(request)
      this.#checkNamed(request, named)
    }
    const offset = this.#ledger.current(request.halfOffset)
    if (offset !== request.halfOffset) {
      const current = this.#resident(offset)
      if (current === undefined) return this.#endFetched(request)
      if (!this.#half.take(current)) throw unknown(request, 'its record is damaged')
    }
    return this.#decide(request, offset)
  }

  /** The same, where the records are not in memory. */
  async #endFetched(request: TransactionEnd): Promise<number> {
    const named = await this.#fetched(request.halfOffset)
    const offset = this.#ledger.current(request.halfOffset)
    const current = offset === request.halfOffset ? named : await this.#fetched(offset)
    this.#checkNamed(request, named)
    if (!this.#half.take(current)) throw unknown(request, 'its record is damaged')
    return this.#decide(request, offset)
  }

  /** The half message that stands for the transaction has been taken. */
  #decide(request: TransactionEnd, offset: number): number | Promise<number> {
    const ledger = this.#ledger
    const state = ledger.states.stateOf(offset)
    if (state !== HALF_STATE.pending) return this.#repeated(request, state)
    this.#checkInTime(request)
    if (request.decision === 'commit' && ledger.inherited.has(offset)) return this.#commitInherited(request, offset)
    try {
      return request.decision === 'commit' ? this.#commit(offset) : this.#rollBack(offset)
    } catch (error) {
      throw refusalOfStore(error)
    }
  }

  #commit(offset: number): number {
    const half = this.#half
    const message = this.#committed
    Object.assign(message, half.due.message)
    message.sysFlag = (message.sysFlag & ~SYS_FLAG.TRANSACTION_MASK) | SYS_FLAG.TRANSACTION_COMMIT
    message.preparedTransactionOffset = half.physicalOffset
    const { topic } = message
    if (half.isDelayed) this.#delay(message)
    const { physicalOffset, sizeBytes } = this.#world.appending.append(message)
    this.#ledger.decide(offset, 'commit')
    this.counts.ended(topic, 'committed')
    this.#world.onCommitted(message.topic, message.queueId, sizeBytes)
    return physicalOffset + sizeBytes
  }

  #rollBack(offset: number): number {
    this.#ledger.decide(offset, 'rollback')
    this.counts.ended(this.#half.due.message.topic, 'rolledBack')
    return this.#world.store.info().appendedUntil
  }

  /** The broker's own properties are cleaned away and added again; everything else stays. */
  #delay(message: CommittedMessage): void {
    const { config, delay } = this.#world
    const properties = this.#properties
    properties.read(message.properties)
    properties.addOwn({ region: config.regionId, isTraced: config.traceOn, cluster: config.brokerClusterName })
    message.properties = properties.view()
    delay(message, properties, this.#draft)
  }

  /** It may have been committed just before the broker died. */
  async #commitInherited(request: TransactionEnd, offset: number): Promise<number> {
    const { store } = this.#world
    const { topic } = this.#half.due.message
    const wasCommitted = await isCommitted(store, tracesOf(this.#half))
    if (this.#ledger.inherited.delete(offset) && wasCommitted) {
      this.#ledger.close(offset)
      this.counts.ended(topic, 'committed')
      return NOTHING_STORED
    }
    return this.#end(request)
  }

  /** A decision that was taken is confirmed. How, is remembered for a while; after that the log tells. */
  #repeated(request: TransactionEnd, state: HalfState): number | Promise<number> {
    switch (state) {
      case HALF_STATE.committed:
        return confirm(request, 'commit')
      case HALF_STATE.rolledBack:
        return confirm(request, 'rollback')
      default:
        return isCommitted(this.#world.store, tracesOf(this.#half)).then(wasCommitted =>
          confirm(request, wasCommitted ? 'commit' : 'rollback')
        )
    }
  }

  /**
   * Takes what lies in the log where the request says, which is quicker to find than through the queue. False where that is
   * not the half message that the request names, or not in memory: the queue tells then.
   */
  #takeNamed({ halfOffset, physicalOffset }: TransactionEnd): boolean {
    if (!this.#isInQueue(halfOffset)) return false
    const half = this.#half
    try {
      const record = this.#world.store.recordViewResident(physicalOffset)
      return record !== undefined && half.take(record) && half.queueOffset === halfOffset && half.isAmongHalves(record)
    } catch (error) {
      if (error instanceof VarveError) return false
      throw error
    }
  }

  /** @throws VarveError TRANSACTION_UNKNOWN */
  #checkNamed(request: TransactionEnd, record: Uint8Array): void {
    if (!this.#half.take(record)) throw unknown(request, 'the prepared transaction message does not exist')
    this.#checkTaken(request)
  }

  /** @throws VarveError TRANSACTION_UNKNOWN */
  #checkTaken(request: TransactionEnd): void {
    const half = this.#half
    if (half.producerGroup !== request.producerGroup) throw unknown(request, 'the producer group wrong')
    if (half.queueOffset !== request.halfOffset) throw unknown(request, 'the transaction state table offset wrong')
    if (half.physicalOffset !== request.physicalOffset) throw unknown(request, 'the commit log offset wrong')
  }

  /** Whoever has set a time of immunity of its own is asked after it, and believed only then. */
  #checkInTime({ isFromCheck, halfOffset }: TransactionEnd): void {
    if (isFromCheck) return
    const immunityMs = this.#half.immunityMs(this.#world.config.transactionTimeOut)
    const ageMs = this.#world.clock.nowMs() - this.#half.due.message.bornAtMs
    if (immunityMs !== undefined && ageMs > immunityMs) {
      throw new VarveError('TRANSACTION_TOO_LATE', { halfOffset, ageMs, immunityMs })
    }
  }

  /** The record at the offset; empty if there is none. Undefined if it would have to come from the disk. */
  #resident(offset: number): Uint8Array | undefined {
    if (!this.#isInQueue(offset)) return NO_BYTES
    const views = this.#world.store.readViewsResident({ ...HALF_QUEUE, offset, countMax: 1 })
    return views && (views.bytes[0] ?? NO_BYTES)
  }

  async #fetched(offset: number): Promise<Uint8Array> {
    if (!this.#isInQueue(offset)) return NO_BYTES
    const views = await this.#world.store.readViews({ ...HALF_QUEUE, offset, countMax: 1 })
    return views.bytes[0] ?? NO_BYTES
  }

  #isInQueue(offset: number): boolean {
    const { store } = this.#world
    return offset >= store.minOffset(HALF_QUEUE) && offset < store.maxOffset(HALF_QUEUE)
  }
}

function confirm({ decision, halfOffset }: TransactionEnd, taken: Decision): number {
  if (decision !== taken) throw new VarveError('TRANSACTION_DECIDED', { halfOffset, decision, taken })
  return NOTHING_STORED
}

const unknown = ({ halfOffset, physicalOffset, producerGroup }: TransactionEnd, reason: string): VarveError =>
  new VarveError('TRANSACTION_UNKNOWN', { reason, halfOffset, physicalOffset, producerGroup })
