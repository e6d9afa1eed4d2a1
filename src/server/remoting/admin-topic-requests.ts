/** Requests by which tools create, change, delete and describe topics. */
import { VarveError } from '../../base/index.ts'
import {
  attributeChange,
  type JsonObject,
  listOf,
  objectOf,
  parseAttributeChanges,
  readTopicConfig,
  type TopicConfig,
  textsOf,
  topicConfig,
  topicConfigJson
} from '../../broker/index.ts'
import { field, printWire, REQUEST, RESPONSE, type RemotingRequest } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'
import { pageOf } from './page.ts'
import { bodyOf } from './request-body.ts'

const F = {
  topic: field('topic'),
  readQueueNums: field('readQueueNums'),
  writeQueueNums: field('writeQueueNums'),
  perm: field('perm'),
  topicFilterType: field('topicFilterType'),
  topicSysFlag: field('topicSysFlag'),
  order: field('order'),
  attributes: field('attributes'),
  topicSeq: field('topicSeq'),
  dataVersion: field('dataVersion'),
  maxTopicNum: field('maxTopicNum'),
  totalTopicNum: field('totalTopicNum')
}

export function adminTopicRequests({ broker }: BrokerWorld): Handlers {
  const { topics, offsets, clients, queries, stats } = broker
  return [
    [
      REQUEST.UPDATE_AND_CREATE_TOPIC,
      async (request, session) => {
        const { opaque, isOneway } = request
        topics.update(readTopic(request), parseAttributeChanges(request.text(F.attributes) ?? ''))
        await topics.saved()
        session.succeed({ opaque, isOneway })
      }
    ],
    [
      REQUEST.UPDATE_AND_CREATE_TOPIC_LIST,
      async (request, session) => {
        const { opaque, isOneway } = request
        topics.updateAll(listOf(bodyOf(request).topicConfigList).map(item => readUpdate(objectOf(item))))
        await topics.saved()
        session.succeed({ opaque, isOneway })
      }
    ],
    [
      REQUEST.DELETE_TOPIC_IN_BROKER,
      async (request, session) => {
        const { opaque, isOneway } = request
        await broker.deleteTopic(request.requiredText(F.topic))
        session.succeed({ opaque, isOneway })
      }
    ],
    [
      REQUEST.GET_TOPIC_CONFIG,
      (request, session) => {
        session.succeed(request, printWire(topicConfigJson(topics.get(request.requiredInterned(F.topic)))))
      }
    ],
    [
      REQUEST.GET_ALL_TOPIC_CONFIG,
      (request, { connection }) => {
        const { page, isPaged } = pageOf(request, {
          seq: F.topicSeq,
          dataVersion: F.dataVersion,
          countMax: F.maxTopicNum,
          count: topics.count,
          version: topics.version
        })
        const table = [...topics.all(page.from, page.until)].map(topic => [topic.name, topicConfigJson(topic)])
        const body = printWire({
          dataVersion: topics.version,
          mappingDataVersion: { counter: 0, stateVersion: 0, timestamp: topics.version.timestamp },
          topicConfigTable: Object.fromEntries(table),
          topicQueueMappingDetailMap: {},
          topicQueueMappingInfoMap: {}
        })
        const writer = connection.begin(request.opaque, RESPONSE.SUCCESS)
        if (isPaged) writer.int(F.totalTopicNum, topics.count)
        writer.endWith(body)
      }
    ],
    [
      REQUEST.GET_TOPIC_STATS_INFO,
      async (request, session) => {
        const { opaque, isOneway } = request
        const config = topics.get(request.requiredInterned(F.topic))
        const queueCount = Math.max(config.readQueueCount, config.writeQueueCount)
        const offsetTable = new Map<object, object>()
        for (let queueId = 0; queueId < queueCount; queueId++) {
          const queue = { topic: config.name, queueId }
          offsetTable.set(broker.wireQueue(queue), {
            lastUpdateTimestamp: Math.max(0, await queries.latestStoredAtMs(queue)),
            maxOffset: queries.maxOffset(queue),
            minOffset: Math.max(0, queries.minOffset(queue))
          })
        }
        const topicPutTps = stats.putsPerSecond(config.name)
        session.succeed({ opaque, isOneway }, printWire({ offsetTable, topicPutTps }))
      }
    ],
    [
      REQUEST.QUERY_TOPIC_CONSUME_BY_WHO,
      (request, session) => {
        const topic = request.requiredInterned(F.topic)
        const groupList = [...new Set([...clients.groupsOf(topic), ...offsets.groupsOf(topic)])].sort()
        session.succeed(request, printWire({ groupList }))
      }
    ],
    [
      REQUEST.GET_SYSTEM_TOPIC_LIST_FROM_BROKER,
      (request, session) => session.succeed(request, printWire({ topicList: topics.systemNames() }))
    ]
  ]
}

function readTopic(request: RemotingRequest): TopicConfig {
  return topicConfig(request.requiredText(F.topic), {
    readQueueCount: request.int(F.readQueueNums),
    writeQueueCount: request.int(F.writeQueueNums),
    perm: request.int(F.perm),
    filterType: request.text(F.topicFilterType) ?? 'SINGLE_TAG',
    sysFlag: request.int(F.topicSysFlag, 0),
    isOrdered: request.bool(F.order)
  })
}

/** One topic of a list: there the attributes stand as a map, each key with its sign. */
function readUpdate(json: JsonObject | undefined) {
  const config = readTopicConfig(json)
  if (config === undefined) throw new VarveError('PARAMETER_INVALID', { parameter: 'topicConfigList' })
  const changes = Object.entries(textsOf(json?.attributes)).map(([key, value]) => attributeChange(key, value))
  return { config: { ...config, attributes: {} }, changes }
}
