/** Requests by which tools see who is connected and how far consumers have come, and send them elsewhere. */
import { VarveError } from '../../base/index.ts'
import {
  type ConsumerGroup,
  isRetryTopic,
  type Member,
  type QueueOfGroup,
  subscriptionJson
} from '../../broker/index.ts'
import { field, printWire, REQUEST, type RemotingRequest } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'

const F = {
  consumerGroup: field('consumerGroup'),
  producerGroup: field('producerGroup'),
  group: field('group'),
  topic: field('topic'),
  topicList: field('topicList'),
  queueId: field('queueId'),
  offset: field('offset'),
  timestamp: field('timestamp'),
  srcGroup: field('srcGroup'),
  destGroup: field('destGroup'),
  compareGroup: field('compareGroup'),
  filterGroups: field('filterGroups')
}

const ALL_QUEUES = -1
const TOPIC_LIST_SEPARATOR = ';'
const GROUP_LIST_SEPARATOR = ','

export function adminProgressRequests(world: BrokerWorld): Handlers {
  const { broker } = world
  const { topics, offsets, clients, offsetRequests } = broker
  return [
    [
      REQUEST.GET_CONSUMER_CONNECTION_LIST,
      (request, session) => {
        const group = clients.consumerGroup(request.requiredInterned(F.consumerGroup))
        if (group === undefined) throw offline(request.requiredInterned(F.consumerGroup))
        session.succeed(request, printWire(connectionsOf(group)))
      }
    ],
    [
      REQUEST.GET_PRODUCER_CONNECTION_LIST,
      (request, session) => {
        const group = request.requiredInterned(F.producerGroup)
        const members = clients.producers(group)
        if (members.length === 0) throw new VarveError('GROUP_EMPTY', { group })
        session.succeed(request, printWire({ connectionSet: members.map(connectionJson) }))
      }
    ],
    [
      REQUEST.GET_ALL_PRODUCER_INFO,
      (request, session) => {
        const data = [...clients.allProducers()].map(([group, members]) => [group, [...members].map(producerJson)])
        session.succeed(request, printWire({ data: Object.fromEntries(data) }))
      }
    ],
    [
      REQUEST.GET_CONSUME_STATS,
      async (request, session) => {
        const { opaque, isOneway } = request
        const group = request.requiredInterned(F.consumerGroup)
        const stats = await consumeStats(world, group, topicsAsked(request, world, group))
        session.succeed({ opaque, isOneway }, printWire(stats))
      }
    ],
    [
      REQUEST.GET_BROKER_CONSUME_STATS,
      async (request, session) => {
        const { opaque, isOneway } = request
        session.succeed({ opaque, isOneway }, printWire(await allConsumeStats(world)))
      }
    ],
    [
      REQUEST.QUERY_CONSUME_TIME_SPAN,
      async (request, session) => {
        const { opaque, isOneway } = request
        const topic = request.requiredInterned(F.topic)
        const group = request.requiredInterned(F.group)
        session.succeed({ opaque, isOneway }, printWire({ consumeTimeSpanSet: await timeSpans(world, topic, group) }))
      }
    ],
    [
      REQUEST.INVOKE_BROKER_TO_RESET_OFFSET,
      async (request, session) => {
        const { opaque, isOneway } = request
        const topic = request.requiredInterned(F.topic)
        const queueId = request.int(F.queueId, ALL_QUEUES)
        const targets = await offsetRequests.reset({
          topic,
          group: request.requiredInterned(F.group),
          queueId: queueId < 0 ? undefined : queueId,
          offset: request.isAbsent(F.offset) ? undefined : request.long(F.offset),
          timeMs: request.long(F.timestamp)
        })
        const offsetTable = new Map(
          [...targets].map(([id, offset]) => [broker.wireQueue({ topic, queueId: id }), offset])
        )
        session.succeed({ opaque, isOneway }, printWire({ offsetTable }))
      }
    ],
    [
      REQUEST.QUERY_CORRECTION_OFFSET,
      (request, session) => {
        const topic = request.requiredInterned(F.topic)
        const without = new Set(request.text(F.filterGroups)?.split(GROUP_LIST_SEPARATOR))
        const correctionOffsets: Record<string, number> = {}
        const compared = offsets.ofTopic(topic, request.requiredInterned(F.compareGroup))
        for (const [queueId, minimum] of offsets.minimumOf(topic, without)) {
          const own = compared.get(queueId)
          if (own === undefined || own > minimum) correctionOffsets[queueId] = minimum
        }
        session.succeed(request, printWire({ correctionOffsets }))
      }
    ],
    [
      REQUEST.CLONE_GROUP_OFFSET,
      (request, session) => {
        const topic = request.text(F.topic)
        offsets.clone({
          from: request.requiredInterned(F.srcGroup),
          to: request.requiredInterned(F.destGroup),
          ...(topic === undefined ? {} : { topic: topics.get(topic).name })
        })
        session.succeed(request)
      }
    ],
    [
      REQUEST.GET_ALL_CONSUMER_OFFSET,
      (request, session) => {
        session.succeed(request, printWire({ dataVersion: offsets.version, offsetTable: offsets.json() }))
      }
    ]
  ]
}

const offline = (group: string): VarveError => new VarveError('CONSUMER_OFFLINE', { group })

function connectionsOf(group: ConsumerGroup) {
  const table = [...group.subscriptions()].map(one => [one.topic, subscriptionJson(one)])
  return {
    connectionSet: [...group.members()].map(connectionJson),
    consumeFromWhere: group.consumeFromWhere,
    consumeType: group.consumeType,
    messageModel: group.messageModel,
    subscriptionTable: Object.fromEntries(table)
  }
}

const connectionJson = ({ clientId, language, version, link }: Member) => ({
  clientAddr: link.address,
  clientId,
  language,
  version
})

const producerJson = ({ clientId, language, version, link, seenAtMs }: Member) => ({
  clientId,
  language,
  lastUpdateTimestamp: seenAtMs,
  remoteIP: link.address,
  version
})

/** Topics that the request names, or all in which the group has offsets. */
function topicsAsked(request: RemotingRequest, { broker }: BrokerWorld, group: string): string[] {
  const named = request.text(F.topicList)?.split(TOPIC_LIST_SEPARATOR) ?? []
  const one = request.text(F.topic)
  if (one !== undefined) named.push(one)
  return named.length > 0 ? named : broker.offsets.topicsOf(group)
}

/** Topics that are not here are passed over: a tool that is told of one asks for its route, fails, and shows nothing. */
async function consumeStats(world: BrokerWorld, group: string, asked: readonly string[]) {
  const { topics, stats } = world.broker
  const offsetTable = new Map<object, object>()
  let consumeTps = 0
  for (const topic of asked) {
    const config = topics.find(topic)
    if (config === undefined) continue
    consumeTps += stats.getsPerSecond(topic, group)
    for (let queueId = 0; queueId < config.readQueueCount; queueId++) {
      offsetTable.set(world.broker.wireQueue({ topic, queueId }), await progressOf(world, { topic, queueId, group }))
    }
  }
  return { consumeTps, offsetTable }
}

async function progressOf({ broker }: BrokerWorld, queue: QueueOfGroup) {
  const { offsets, queries } = broker
  const consumerOffset = Math.max(0, offsets.find(queue) ?? 0)
  return {
    brokerOffset: queries.maxOffset(queue),
    consumerOffset,
    lastTimestamp: Math.max(0, await queries.storedAtMs(queue, consumerOffset - 1)),
    pullOffset: Math.max(consumerOffset, offsets.findPulled(queue) ?? 0)
  }
}

async function allConsumeStats(world: BrokerWorld) {
  const { broker } = world
  const consumeStatsList: object[] = []
  let totalDiff = 0
  let totalInflightDiff = 0
  for (const { name: group } of broker.groups.all()) {
    const asked = broker.offsets.topicsOf(group).filter(topic => !isRetryTopic(topic))
    const stats = await consumeStats(world, group, asked)
    if (stats.offsetTable.size === 0) continue
    consumeStatsList.push({ [group]: [stats] })
    for (const row of stats.offsetTable.values() as Iterable<Awaited<ReturnType<typeof progressOf>>>) {
      totalDiff += row.brokerOffset - row.consumerOffset
      totalInflightDiff += row.pullOffset - row.consumerOffset
    }
  }
  return { brokerAddr: broker.address, consumeStatsList, totalDiff, totalInflightDiff }
}

async function timeSpans({ broker, clock }: BrokerWorld, topic: string, group: string): Promise<object[]> {
  const { offsets, queries, topics } = broker
  const spans: object[] = []
  for (let queueId = 0; queueId < topics.get(topic).readQueueCount; queueId++) {
    const queue = { topic, queueId }
    const minTimeStamp = Math.max(0, await queries.earliestStoredAtMs(queue))
    const maxTimeStamp = Math.max(0, await queries.latestStoredAtMs(queue))
    const committed = offsets.find({ ...queue, group }) ?? 0
    const consumeTimeStamp = committed > 0 ? Math.max(0, await queries.storedAtMs(queue, committed - 1)) : minTimeStamp
    const nextMs = await queries.storedAtMs(queue, committed)
    spans.push({
      consumeTimeStamp,
      delayTime: nextMs < 0 ? 0 : clock.nowMs() - nextMs,
      maxTimeStamp,
      messageQueue: broker.wireQueue(queue),
      minTimeStamp
    })
  }
  return spans
}
