/** Dead letters as the verbs know them: where each lies, where it came from, and which of them are meant. */
import { DEAD_LETTER_ORIGIN, deadLetterTopicOf, ORIGIN_ID_PROPERTY, RETRY_TOPIC_PROPERTY } from '../../broker/index.ts'
import { type DecodedRecord, encodeMessageId, hostToBytes } from '../../layout/index.ts'
import type { BrokerClient } from '../broker-client.ts'

export interface DeadLetter {
  readonly broker: BrokerClient
  readonly group: string
  readonly message: DecodedRecord
  /** The offset id of the record. */
  readonly id: string
  /** Where the message was sent first; undefined if it does not say. */
  readonly origin: string | undefined
}

/** Everything that is said must hold. */
export interface LetterFilter {
  readonly id?: readonly string[]
  readonly origin?: string
  readonly tag?: string
  readonly key?: string
  readonly since?: number
  readonly before?: number
  readonly from?: number
  readonly to?: number
  readonly limit?: number
}

/** The dead letters of the group on the broker that the filter lets pass, oldest first. */
export async function* deadLetters(
  broker: BrokerClient,
  group: string,
  filter: LetterFilter
): AsyncGenerator<DeadLetter> {
  const topic = deadLetterTopicOf(group)
  for (const range of await broker.queues(topic)) {
    const from = Math.max(range.from, filter.from ?? 0)
    const until = Math.min(range.until, (filter.to ?? Number.MAX_SAFE_INTEGER - 1) + 1)
    for await (const message of broker.messages(topic, { queueId: range.queueId, from, until })) {
      const letter = letterOf(broker, group, message)
      if (isMeant(letter, filter)) yield letter
    }
  }
}

function letterOf(broker: BrokerClient, group: string, message: DecodedRecord): DeadLetter {
  const { properties, storeHost, physicalOffset } = message
  return {
    broker,
    group,
    message,
    id: encodeMessageId(hostToBytes(storeHost), physicalOffset),
    origin: properties[DEAD_LETTER_ORIGIN.topic] ?? properties[RETRY_TOPIC_PROPERTY]
  }
}

function isMeant({ id, origin, message }: DeadLetter, filter: LetterFilter): boolean {
  const { properties, tag, keys, storedAtMs } = message
  const ids = [id, properties.UNIQ_KEY, properties[ORIGIN_ID_PROPERTY]]
  return (
    (filter.id === undefined || filter.id.some(wanted => ids.includes(wanted))) &&
    (filter.origin === undefined || filter.origin === origin) &&
    (filter.tag === undefined || filter.tag === tag) &&
    (filter.key === undefined || keys.includes(filter.key)) &&
    (filter.since === undefined || storedAtMs >= filter.since) &&
    (filter.before === undefined || storedAtMs < filter.before)
  )
}

/** One as JSON, without its body. */
export function headOf({ broker, group, message, id, origin }: DeadLetter) {
  const { queueId, queueOffset, storedAtMs, bornAtMs, bornHost, reconsumeTimes, tag, keys, properties, body } = message
  return {
    group,
    broker: broker.name,
    queueId,
    offset: queueOffset,
    id,
    uniqueKey: properties.UNIQ_KEY ?? null,
    origin: origin ?? null,
    originId: properties[ORIGIN_ID_PROPERTY] ?? null,
    deadSince: new Date(storedAtMs).toISOString(),
    bornAt: new Date(bornAtMs).toISOString(),
    bornHost: `${bornHost.address}:${bornHost.port}`,
    reconsumeTimes,
    tag: tag ?? null,
    keys,
    bodyBytes: body.length
  }
}
