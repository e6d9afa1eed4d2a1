/**
 * Recall: taking a timed message back before it is due, by the handle that its sender was given.
 *
 * What is stored is a message like a timed one, for the same second: when that comes up, whatever it names is not delivered.
 * So a recall that is acknowledged does not say that there was such a message.
 */
import { type Clock, VarveError } from '../../base/index.ts'
import { encodeProperties, PROPERTY } from '../../layout/index.ts'
import type { BrokerConfig } from '../config-keys.ts'
import { emptyDraft, type SendDraft } from '../send-draft.ts'
import { PERM } from '../topic-config.ts'
import type { TopicTable } from '../topics.ts'
import { deleteKeyOf } from './timed-record.ts'

const VERSION = 'v1'
const SEPARATOR = ' '
/** A handle names a moment within the second. */
const INTO_SECOND_MS = 1
const MS_PER_SECOND = 1000
const RECALL_TAG = '_RECALL_TAG_'
const BODY = new TextEncoder().encode('0')

export interface RecallHandle {
  readonly topic: string
  readonly brokerName: string
  readonly atMs: number
  readonly uniqueKey: string
}

/** The handle of a message of the second that begins at `outMs`, as clients are given it. */
export function recallHandleOf({
  topic,
  brokerName,
  outMs,
  uniqueKey
}: Omit<RecallHandle, 'atMs'> & { readonly outMs: number }): string {
  const text = [VERSION, topic, brokerName, outMs + INTO_SECOND_MS, uniqueKey].join(SEPARATOR)
  return Buffer.from(text).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
}

/** @throws VarveError RECALL_HANDLE_INVALID */
export function readRecallHandle(handle: string): RecallHandle {
  const [version, topic, brokerName, at, uniqueKey, ...more] = Buffer.from(handle, 'base64url')
    .toString()
    .split(SEPARATOR)
  const atMs = Number(at)
  const isWhole = version === VERSION && topic && brokerName && uniqueKey && at !== '' && Number.isSafeInteger(atMs)
  if (!isWhole || more.length > 0) throw invalid('it is none')
  return { topic, brokerName, atMs, uniqueKey }
}

export interface RecallWorld {
  readonly config: BrokerConfig
  readonly topics: Pick<TopicTable, 'find'>
  readonly clock: Clock
}

export interface RecallRequest {
  readonly producerGroup: string
  readonly topic: string
  readonly handle: string
  readonly bornHost: SendDraft['bornHost']
}

/**
 * What has to be sent to take the message back.
 * @throws VarveError PERMISSION_DENIED, BROKER_IS_SLAVE, BROKER_UNAVAILABLE, TOPIC_UNKNOWN, RECALL_HANDLE_INVALID
 */
export function draftOfRecall(
  { producerGroup, topic, handle, bornHost }: RecallRequest,
  world: RecallWorld
): SendDraft {
  const { config, topics, clock } = world
  const nowMs = clock.nowMs()
  if (!config.recallMessageEnable) throw new VarveError('PERMISSION_DENIED', { reason: 'recall is turned off', topic })
  if (config.brokerRole === 'SLAVE') throw new VarveError('BROKER_IS_SLAVE', { topic })
  const isWritable = (config.brokerPermission & PERM.write) !== 0
  if (nowMs < config.startAcceptSendRequestTimeStamp || !(isWritable || config.allowRecallWhenBrokerNotWriteable)) {
    throw new VarveError('BROKER_UNAVAILABLE', { because: 'the broker takes no messages', topic })
  }
  if (topics.find(topic) === undefined) throw new VarveError('TOPIC_UNKNOWN', { topic })
  const { uniqueKey, atMs, ...named } = readRecallHandle(handle)
  if (named.topic !== topic) throw invalid('it is of another topic')
  if (named.brokerName !== config.brokerName) throw invalid('it is of another broker')
  const leftMs = atMs - nowMs
  if (leftMs <= 0 || leftMs >= config.timerMaxDelaySec * MS_PER_SECOND)
    throw invalid('its time has passed, or lies too far ahead')
  return {
    ...emptyDraft(),
    producerGroup,
    topic,
    bornAtMs: nowMs,
    bornHost,
    body: BODY,
    properties: encodeProperties([
      [PROPERTY.TAGS, RECALL_TAG],
      [PROPERTY.UNIQUE_KEY, uniqueKey],
      ['TIMER_DELIVER_MS', String(atMs)],
      ['TIMER_DEL_UNIQKEY', deleteKeyOf(topic, uniqueKey)]
    ])
  }
}

const invalid = (reason: string): VarveError => new VarveError('RECALL_HANDLE_INVALID', { reason })
