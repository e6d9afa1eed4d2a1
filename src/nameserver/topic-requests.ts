/** What clients and tools ask about topics and clusters. */
import { REQUEST, RESPONSE, type RemotingRequest } from '../protocol/index.ts'
import { clusterBody, routeBody, topicListBody } from './answers.ts'
import { F } from './fields.ts'
import { membersOf, parseBody, textOf } from './json.ts'
import { ORDER_TOPIC_NAMESPACE } from './kv-config.ts'
import { readTopicQueues } from './registration-body.ts'
import type { Reply } from './reply.ts'
import { type QueueRoute, TOPIC_UNIT, TOPIC_UNIT_SUBSCRIPTION } from './route-types.ts'
import type { Handler, Handlers, ServerParts } from './server-parts.ts'

const isUnit = ({ topicSysFlag }: QueueRoute) => (topicSysFlag & TOPIC_UNIT) !== 0
const isUnitSubscription = ({ topicSysFlag }: QueueRoute) => (topicSysFlag & TOPIC_UNIT_SUBSCRIPTION) !== 0

export const topicRequests: Handlers = [
  [REQUEST.GET_ROUTEINFO_BY_TOPIC, getRoute],
  [REQUEST.GET_BROKER_CLUSTER_INFO, getClusters],
  [REQUEST.GET_ALL_TOPIC_LIST_FROM_NAMESERVER, getAllTopics],
  [
    REQUEST.GET_TOPICS_BY_CLUSTER,
    topicLister((parts, request) => parts.routes.topicNamesOf(request.requiredText(F.cluster)))
  ],
  [REQUEST.GET_UNIT_TOPIC_LIST, topicLister(({ routes }) => routes.topicNamesWhere(isUnit))],
  [REQUEST.GET_HAS_UNIT_SUB_TOPIC_LIST, topicLister(({ routes }) => routes.topicNamesWhere(isUnitSubscription))],
  [
    REQUEST.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST,
    topicLister(({ routes }) => routes.topicNamesWhere(queues => isUnitSubscription(queues) && !isUnit(queues)))
  ],
  [REQUEST.GET_SYSTEM_TOPIC_LIST_FROM_NS, getSystemTopics],
  [REQUEST.REGISTER_TOPIC_IN_NAMESRV, registerTopic],
  [REQUEST.DELETE_TOPIC_IN_NAMESRV, deleteTopic],
  [REQUEST.WIPE_WRITE_PERM_OF_BROKER, wipeWrite],
  [REQUEST.ADD_WRITE_PERM_OF_BROKER, addWrite]
]

function getRoute(parts: ServerParts, request: RemotingRequest, reply: Reply): void {
  const topic = request.requiredInterned(F.topic)
  if (!parts.isReady()) return reply.refuse(RESPONSE.SYSTEM_ERROR, 'name server not ready')
  const route = parts.routes.routeOf(topic)
  if (route === undefined) {
    return reply.refuse(RESPONSE.TOPIC_NOT_EXIST, `No topic route info in name server for the topic: ${topic}`)
  }
  const order = parts.settings.orderMessageEnable ? parts.kv.find(ORDER_TOPIC_NAMESPACE, topic) : undefined
  reply.ok([], routeBody(route, parts.addressesFor(reply.connection), order))
}

function getClusters({ routes, addressesFor }: ServerParts, _request: RemotingRequest, reply: Reply): void {
  reply.ok([], clusterBody(routes.brokers(), routes.clusters(), addressesFor(reply.connection)))
}

function getAllTopics({ routes, settings }: ServerParts, _request: RemotingRequest, reply: Reply): void {
  if (!settings.enableAllTopicList) return reply.refuse(RESPONSE.SYSTEM_ERROR, 'disable')
  reply.ok([], topicListBody(routes.topicNames()))
}

function topicLister(topicsOf: (parts: ServerParts, request: RemotingRequest) => string[]): Handler {
  return (parts, request, reply) => {
    if (!parts.settings.enableTopicList) return reply.refuse(RESPONSE.SYSTEM_ERROR, 'disable')
    reply.ok([], topicListBody(topicsOf(parts, request)))
  }
}

/** Every cluster and broker is a topic, too; the tool asks the broker that is named along with them for more. */
function getSystemTopics({ routes, addressesFor }: ServerParts, _request: RemotingRequest, reply: Reply): void {
  const topics = routes.clusters().flatMap(([cluster, brokerNames]) => [cluster, ...brokerNames])
  const [address] = routes.brokers().flatMap(({ addresses }) => [...addresses.values()])
  reply.ok([], topicListBody(topics, address === undefined ? undefined : addressesFor(reply.connection)(address)))
}

function registerTopic(parts: ServerParts, request: RemotingRequest, reply: Reply): void {
  const topic = request.requiredText(F.topic)
  const queueDatas = membersOf(parseBody(request.body)).get('queueDatas')
  const queues = (Array.isArray(queueDatas) ? queueDatas : []).map(json => ({
    brokerName: textOf(membersOf(json).get('brokerName')) ?? '',
    ...readTopicQueues(json)
  }))
  // Apache's name server answers success, too: the broker registers all its topics soon.
  if (!parts.routes.setTopic(topic, queues)) parts.log.warn('topic of an unknown broker not registered', { topic })
  reply.ok()
}

function deleteTopic({ routes }: ServerParts, request: RemotingRequest, reply: Reply): void {
  const cluster = request.text(F.clusterName)
  routes.deleteTopic(request.requiredText(F.topic), cluster === '' ? undefined : cluster)
  reply.ok()
}

function wipeWrite({ routes, log }: ServerParts, request: RemotingRequest, reply: Reply): void {
  const brokerName = request.requiredText(F.brokerName)
  const topicCount = routes.wipeWrite(brokerName)
  log.info('write permission of a broker wiped', { brokerName, topicCount })
  reply.ok([[F.wipeTopicCount, topicCount]])
}

function addWrite({ routes, log }: ServerParts, request: RemotingRequest, reply: Reply): void {
  const brokerName = request.requiredText(F.brokerName)
  const topicCount = routes.addWrite(brokerName)
  log.info('write permission of a broker given back', { brokerName, topicCount })
  reply.ok([[F.addTopicCount, topicCount]])
}
