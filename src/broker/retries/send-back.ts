/**
 * Send-back: a message that a consumer could not do anything with comes again later, to its group alone; after too many
 * attempts it becomes a dead letter.
 *
 * The message is read from the log and stored again, as it was, under the retry topic of the group, with a delay that grows
 * with each attempt; from the wait on it is a delayed message like others.
 *
 * Invariants:
 * - what is confirmed is stored, and its topics are on disk
 * - the first topic and the first id of a message go with it through all attempts
 *
 * Not here: waiting (delay/), what consumers send to the retry topic themselves (dead-letter-kind.ts).
 */
import { type Random, VarveError } from '../../base/index.ts'
import {
  type DecodedRecord,
  decodeRecord,
  encodeMessageId,
  encodeProperties,
  hostToBytes,
  locate,
  PROPERTY,
  RecordPositions
} from '../../layout/index.ts'
import type { Store } from '../../store/index.ts'
import type { BrokerConfig } from '../config-keys.ts'
import type { GroupConfig } from '../group-config.ts'
import type { GroupTable } from '../groups.ts'
import { retryTopicOf } from '../names.ts'
import { emptyDraft, type SendDraft } from '../send-draft.ts'
import type { Sending } from '../sending.ts'
import type { BrokerStats } from '../stats.ts'
import { isWritable, PERM } from '../topic-config.ts'
import type { TopicTable } from '../topics.ts'
import { deadLetterProperties, ensureDeadLetterTopic, ORIGIN_ID_PROPERTY, RETRY_TOPIC_PROPERTY } from './dead-letter.ts'

export interface SendBackWorld {
  readonly store: Pick<Store, 'recordAt'>
  readonly sending: Pick<Sending, 'send' | 'sendLater'>
  readonly topics: Pick<TopicTable, 'find' | 'ensure' | 'ensureRetryTopic' | 'saved' | 'isSaved'>
  readonly groups: Pick<GroupTable, 'findOrCreate'>
  readonly stats: Pick<BrokerStats, 'count'>
  readonly config: Pick<BrokerConfig, 'brokerPermission'>
  readonly random: Random
}

export interface SendBackRequest {
  readonly group: string
  /** Where the record of the message is in the log. */
  readonly physicalOffset: number
  /** 0: the broker chooses, by how often the message has been sent back. Below 0: to the dead letters at once. */
  readonly delayLevel: number
  /** Undefined: what the group is set up with. */
  readonly retriesMax: number | undefined
  readonly isUnit: boolean
}

/** Delay level after the first attempt: 10 s with the levels that RocketMQ has by default. */
const FIRST_LEVEL = 3
const NO_DELAY = '0'
/** They say when the message was to come for the first time. */
const PAST_TIMES = ['TIMER_DELAY_SEC', 'TIMER_DELAY_MS', 'TIMER_DELIVER_MS', '__STARTDELIVERTIME']

export class SendBack {
  readonly #world: SendBackWorld

  constructor(world: SendBackWorld) {
    this.#world = world
  }

  /**
   * @throws VarveError GROUP_UNKNOWN, PERMISSION_DENIED, RECORD_NOT_FOUND, RECORD_DAMAGED, and what `Sending.send` throws
   *   of messages themselves
   */
  async take(request: SendBackRequest): Promise<void> {
    const { groups, topics, config, store } = this.#world
    const group = groups.findOrCreate(request.group)
    if (group === undefined) throw new VarveError('GROUP_UNKNOWN', { group: request.group })
    if ((config.brokerPermission & PERM.write) === 0) {
      throw new VarveError('PERMISSION_DENIED', { reason: 'the broker may not be written to', group: group.name })
    }
    // Whoever sets a group up so wants its failed messages to be dropped.
    if (group.retryQueueCount <= 0) return
    this.#checkRetryTopic(group, request.isUnit)

    const record = await store.recordAt(request.physicalOffset)
    const positions = new RecordPositions()
    const view = new DataView(record.buffer, record.byteOffset, record.length)
    locate(view, 0, record.length, positions) // It was found whole.
    const message = decodeRecord(record, view, positions)
    const draft = this.#draft(message, group, request)
    await this.#send(draft)
    this.#world.stats.count('SNDBCK_PUT_NUMS', `${draft.origin}@${group.name}`)
    if (draft.isDeadLetter) this.#world.stats.count('DLQ_PUT_NUMS', `${draft.origin}@${group.name}`)
    if (!topics.isSaved) await topics.saved()
  }

  #checkRetryTopic({ name, retryQueueCount }: GroupConfig, isUnit: boolean): void {
    const topic = this.#world.topics.ensureRetryTopic({
      group: name,
      queueCount: retryQueueCount,
      isOrdered: this.#world.topics.find(retryTopicOf(name))?.isOrdered ?? false,
      isUnit
    })
    if (isWritable(topic)) return
    throw new VarveError('PERMISSION_DENIED', { reason: 'the retry topic may not be written to', topic: topic.name })
  }

  #draft(message: DecodedRecord, group: GroupConfig, request: SendBackRequest): BackDraft {
    const { random, topics } = this.#world
    const { properties, reconsumeTimes } = message
    const retriesMax = request.retriesMax ?? group.retryCountMax
    const isDeadLetter = reconsumeTimes >= retriesMax || request.delayLevel < 0
    const origin = properties[RETRY_TOPIC_PROPERTY] ?? message.topic
    const originId =
      properties[ORIGIN_ID_PROPERTY] ?? encodeMessageId(hostToBytes(message.storeHost), message.physicalOffset)
    const level = request.delayLevel > 0 ? request.delayLevel : FIRST_LEVEL + reconsumeTimes
    const changed: Record<string, string> = {
      ...properties,
      [RETRY_TOPIC_PROPERTY]: origin,
      [ORIGIN_ID_PROPERTY]: originId,
      [PROPERTY.DELAY_LEVEL]: isDeadLetter ? NO_DELAY : String(level),
      WAIT: 'false',
      ...(isDeadLetter ? deadLetterProperties(origin, originId) : {})
    }
    for (const name of PAST_TIMES) delete changed[name]
    return {
      ...emptyDraft(),
      topic: isDeadLetter ? ensureDeadLetterTopic(topics, group.name).name : retryTopicOf(group.name),
      queueId: isDeadLetter ? 0 : random.below(group.retryQueueCount),
      sysFlag: message.sysFlag,
      flag: message.flag,
      bornAtMs: message.bornAtMs,
      bornHost: message.bornHost,
      properties: encodeProperties(Object.entries(changed)),
      body: message.body,
      reconsumeTimes: reconsumeTimes + 1,
      isOfBroker: true,
      origin,
      isDeadLetter
    }
  }

  #send(draft: BackDraft): Promise<void> {
    const { sending } = this.#world
    if (sending.send(draft) !== undefined) return Promise.resolve()
    return new Promise((resolve, reject) => {
      sending.sendLater(draft, outcome => (outcome instanceof Error ? reject(outcome) : resolve()))
    })
  }
}

type BackDraft = SendDraft & { readonly origin: string; readonly isDeadLetter: boolean }
