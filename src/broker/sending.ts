/**
 * Sending: from what a client asks to be stored to records in the log, checked, completed and appended in one turn.
 *
 * Invariants:
 * - what is refused leaves nothing behind, except a topic that was made for it
 * - while others wait for room nothing overtakes them (send-queue.ts)
 * - nothing is allocated per message but what the store returns
 *
 * Not here: the checks of topic and queue (send-checks.ts), half and delayed messages (send-transform.ts), the wire (server).
 */
import { type Clock, freshSeed, type Random, seededRandom, VarveError } from '../base/index.ts'
import { SYS_FLAG, TIMER_TOPIC } from '../layout/index.ts'
import type { HostAddress } from '../model/index.ts'
import type { Store } from '../store/index.ts'
import { type Appending, isShortOfRoom, refusalOfStore } from './appending.ts'
import type { BrokerConfig } from './config-keys.ts'
import { type Alarm, systemAlarm } from './deadlines.ts'
import { integerOfProperty, OUT_MS } from './delay/timer-properties.ts'
import type { GroupTable } from './groups.ts'
import { isRetryTopic } from './names.ts'
import { PropertyPass } from './properties.ts'
import { BatchMessages, type BatchProperties } from './send-batch.ts'
import { SendChecks } from './send-checks.ts'
import { type SendDraft, Sent } from './send-draft.ts'
import { Durability, type DurableAnswer } from './send-durability.ts'
import { type SendAnswer, SendQueue } from './send-queue.ts'
import { newOutgoingMessage, type OutgoingMessage, type SendTransform } from './send-transform.ts'
import { UniqueKeys } from './send-unique-key.ts'
import type { TopicConfig } from './topic-config.ts'
import type { TopicTable } from './topics.ts'

export interface SendingWorld {
  readonly store: Pick<Store, 'writable' | 'flushed'>
  readonly appending: Appending
  readonly topics: Pick<TopicTable, 'find' | 'get' | 'createForSend'>
  readonly groups: Pick<GroupTable, 'findOrCreate'>
  readonly config: BrokerConfig
  readonly clock: Clock
  /** As the store was opened with: it is part of message ids. */
  readonly storeHost: HostAddress
  readonly transform: SendTransform
  /** Told of what was stored, before whoever sent it. */
  readonly onSent?: (sent: Sent, draft: SendDraft) => void
  readonly random?: Random
  /** Makes the timers; default those of the system. */
  readonly alarm?: () => Alarm
  /** Runs it when everything else that this turn of the event loop has to do is done. */
  readonly defer: (run: () => void) => void
}

/** The bits that only the broker sets. */
const OWN_BITS = SYS_FLAG.BORN_HOST_V6 | SYS_FLAG.STORE_HOST_V6 | SYS_FLAG.NEED_UNWRAP | SYS_FLAG.INNER_BATCH
const BATCH_TOPIC_LENGTH_MAX = 127

export class Sending {
  readonly #config: BrokerConfig
  readonly #appending: Appending
  readonly #topics: Pick<TopicTable, 'get'>
  readonly #checks: SendChecks
  readonly #queue: SendQueue
  readonly #durability: Durability
  readonly #transform: SendTransform
  readonly #onSent: ((sent: Sent, draft: SendDraft) => void) | undefined
  readonly #properties = new PropertyPass()
  readonly #uniqueKeys: UniqueKeys
  readonly #batch = new BatchMessages()
  readonly #sent: Sent
  /** One object for all messages. */
  readonly #message: OutgoingMessage
  readonly #own = { region: '', isTraced: true, cluster: '' }

  constructor(world: SendingWorld) {
    const { config, clock, storeHost, random = seededRandom(freshSeed()), alarm = systemAlarm } = world
    this.#config = config
    this.#appending = world.appending
    this.#topics = world.topics
    this.#checks = new SendChecks({ ...world, random })
    this.#queue = new SendQueue({ ...world, alarm: alarm(), storeNow: draft => this.#storeNow(draft) })
    this.#durability = new Durability({ ...world, alarm: alarm() })
    this.#transform = world.transform
    this.#onSent = world.onSent
    this.#uniqueKeys = new UniqueKeys(clock, storeHost)
    this.#sent = new Sent(storeHost)
    this.#message = newOutgoingMessage(storeHost)
  }

  /**
   * Stores what the draft says, one message or the messages of a batch. Undefined if there is no room at the moment, or
   * others wait for some: then `sendLater` takes the same draft.
   * @throws VarveError BROKER_BUSY, BROKER_UNAVAILABLE, BROKER_NOT_ACCEPTING, PERMISSION_DENIED, TOPIC_NAME_INVALID,
   *   TOPIC_RESERVED, TOPIC_UNKNOWN, QUEUE_ID_INVALID, GROUP_UNKNOWN, MESSAGE_ILLEGAL, MESSAGE_BODY_TOO_LARGE,
   *   MESSAGE_PROPERTIES_TOO_LARGE, BATCH_INVALID, REQUEST_UNSUPPORTED
   */
  send(draft: SendDraft): Sent | undefined {
    return this.#queue.count > 0 ? undefined : this.#storeNow(draft)
  }

  /** Stores a copy of the draft as soon as there is room, or says after `waitTimeMillsInSendQueue` that there was none. */
  sendLater(draft: SendDraft, answer: SendAnswer): void {
    this.#queue.add(draft, answer)
  }

  /**
   * The queue that the draft would go to, if its topic and queue are found to be right; nothing is stored.
   * @throws VarveError as `send` for all that is not about the message itself
   */
  check(draft: SendDraft): number {
    return this.#checks.queueIdFor(draft, this.#checks.topicFor(draft))
  }

  /**
   * Tells, exactly once and not within this call, whether everything below `until` (of what was sent) came onto the disk
   * within `syncFlushTimeout`; if it did not, it is stored all the same.
   */
  durable(until: number, answer: DurableAnswer): void {
    this.#durability.durable(until, answer)
  }

  /** How many sends wait for room. */
  get waitingCount(): number {
    return this.#queue.count
  }

  close(): void {
    this.#queue.close()
    this.#durability.close()
  }

  #storeNow(draft: SendDraft): Sent | undefined {
    const topic = draft.isOfBroker ? this.#topics.get(draft.topic) : this.#checks.topicFor(draft)
    const message = this.#message
    message.topic = draft.topic
    message.queueId = this.#checks.queueIdFor(draft, topic)
    message.sysFlag = (draft.sysFlag & ~OWN_BITS) | (topic.filterType === 'MULTI_TAG' ? SYS_FLAG.MULTI_TAGS : 0)
    message.flag = draft.flag
    message.bornAtMs = draft.bornAtMs
    message.bornHost = draft.bornHost
    message.reconsumeTimes = draft.reconsumeTimes
    const { queueId } = message
    try {
      const sent = draft.isBatch ? this.#storeBatch(draft) : this.#storeOne(draft, topic)
      sent.topic = draft.topic
      sent.queueId = queueId
      sent.storedTopic = message.topic
      sent.storedQueueId = message.queueId
      sent.outMs = message.topic === TIMER_TOPIC ? this.#outMs() : 0
      sent.until = (sent.positions[0] as number) + sent.sizeBytes // There is one record at least.
      sent.waitsForDisk = this.#config.flushDiskType === 'SYNC_FLUSH' && this.#properties.waits
      this.#onSent?.(sent, draft)
      return sent
    } catch (error) {
      if (isShortOfRoom(error)) return undefined
      throw refusalOfStore(error)
    }
  }

  #storeOne(draft: SendDraft, topic: TopicConfig): Sent {
    const properties = this.#properties
    const message = this.#message
    properties.read(draft.properties)
    if (topic.attributes['cleanup.policy'] === 'COMPACTION' && !properties.hasKeys) {
      throw illegal(draft, 'a message of a compacted topic needs a key')
    }
    if (properties.isTransaction && !draft.isOfBroker && this.#config.rejectTransactionMessage) {
      throw new VarveError('PERMISSION_DENIED', { reason: 'transactional messages are refused', topic: draft.topic })
    }
    if (draft.body.length === 0) throw illegal(draft, 'it has no body')
    if (properties.isInnerBatch || (draft.sysFlag & SYS_FLAG.INNER_BATCH) !== 0) {
      throw illegal(draft, 'only the broker makes records that hold a batch')
    }
    this.#complete()
    if (properties.uniqueKey.empty) properties.addUniqueKey(this.#uniqueKeys)
    message.body = draft.body
    message.properties = properties.view()
    this.#transform(message, properties, draft)

    const { queueOffset, physicalOffset, sizeBytes } = this.#appending.append(message)
    const sent = this.#sent
    sent.queueOffset = queueOffset
    sent.count = 1
    sent.positions.length = 1
    sent.positions[0] = physicalOffset
    sent.sizeBytes = sizeBytes
    this.#tellKey(sent)
    return sent
  }

  #storeBatch(draft: SendDraft): Sent {
    const properties = this.#properties
    if (draft.topic.length > BATCH_TOPIC_LENGTH_MAX) throw illegal(draft, 'the topic of a batch is too long')
    if (isRetryTopic(draft.topic)) throw illegal(draft, 'batches do not go to retry topics')
    if (draft.body.length === 0) throw illegal(draft, 'it has no body')
    properties.read(draft.properties)
    if (properties.isTransaction || (draft.sysFlag & SYS_FLAG.TRANSACTION_MASK) !== 0 || properties.isDelayed) {
      throw illegal(draft, 'messages of a batch are neither transactional nor delayed')
    }
    if (draft.body.length > this.#config.maxMessageSize) {
      throw new VarveError('BATCH_INVALID', { bytes: draft.body.length, bytesMax: this.#config.maxMessageSize })
    }
    this.#complete()
    const messages = this.#batch.take(draft.body, this.#batchProperties(), this.#message)

    const sent = this.#sent
    const appended = this.#appending.appendBatch(messages, sent.positions)
    sent.queueOffset = appended.queueOffset
    sent.count = messages.length
    sent.sizeBytes = appended.sizeBytes
    this.#tellKey(sent)
    return sent
  }

  #complete(): void {
    const own = this.#own
    own.region = this.#config.regionId
    own.isTraced = this.#config.traceOn
    own.cluster = this.#config.brokerClusterName
    this.#properties.addOwn(own)
  }

  #batchProperties(): BatchProperties {
    const bytes = this.#properties.view()
    const { empty } = this.#properties.uniqueKey
    return { bytes, bytesWithoutKey: empty ? bytes : this.#properties.withoutUniqueKey() }
  }

  #outMs(): number {
    const { bytes, length } = this.#properties
    return integerOfProperty(bytes, 0, length, OUT_MS)
  }

  #tellKey(sent: Sent): void {
    const { bytes, uniqueKey } = this.#properties
    sent.keyBytes = bytes
    sent.keyFrom = uniqueKey.from
    sent.keyUntil = uniqueKey.until
  }
}

const illegal = ({ topic }: SendDraft, reason: string): VarveError =>
  new VarveError('MESSAGE_ILLEGAL', { reason, topic })
