/** What brokers ask: to be registered, to be forgotten, whether their topics are known, who else has their name. */
import { crc32 } from 'node:zlib'
import { minuteMs } from '../base/index.ts'
import { REQUEST, RESPONSE, type RemotingRequest } from '../protocol/index.ts'
import { memberGroupBody, tableBody, versionBody } from './answers.ts'
import { F } from './fields.ts'
import { parseBody } from './json.ts'
import { ORDER_TOPIC_NAMESPACE } from './kv-config.ts'
import { type RegistrationBody, readDataVersion, readRegistration } from './registration-body.ts'
import type { Reply } from './reply.ts'
import { type BrokerIdentity, type BrokerRegistration, isSameVersion } from './route-types.ts'
import type { Handlers, ServerParts } from './server-parts.ts'

/** For brokers that say nothing of how long they may be silent. */
const TIMEOUT_MS_DEFAULT = 2 * minuteMs

/** Java compares checksums without their sign. */
const CHECKSUM_MASK = 0x7fffffff

export const brokerRequests: Handlers = [
  [REQUEST.REGISTER_BROKER, register],
  [REQUEST.UNREGISTER_BROKER, unregister],
  [REQUEST.QUERY_DATA_VERSION, queryDataVersion],
  [REQUEST.BROKER_HEARTBEAT, heartbeat],
  [REQUEST.GET_BROKER_MEMBER_GROUP, getMemberGroup]
]

function register(parts: ServerParts, request: RemotingRequest, reply: Reply): void {
  const wanted = request.int(F.bodyCrc32, 0)
  if (wanted !== 0 && wanted !== (crc32(request.body) & CHECKSUM_MASK)) {
    return reply.refuse(RESPONSE.SYSTEM_ERROR, 'crc32 not match')
  }
  const { version } = request
  const body = readRegistration(request.body, { compressed: request.bool(F.compressed), version })
  const registration = registrationOf(request, body)
  const { brokerName, brokerId, address, topics } = registration

  const outcome = parts.routes.register(registration, parts.nowMs(), reply.connection)
  switch (outcome.type) {
    case 'refused':
      parts.log.warn('registration refused: the first one has to bring all topics', { brokerName, brokerId, address })
      return reply.refuse(RESPONSE.SYSTEM_ERROR, 'register broker failed')
    case 'outranked':
      parts.log.warn('registration ignored: another broker has this name and id', {
        brokerName,
        brokerId,
        address,
        by: outcome.by
      })
      return reply.ok([], orderTopics(parts))
    case 'registered': {
      if (outcome.replaced !== undefined) {
        const { replaced } = outcome
        parts.log.warn('a broker took over name and id of another address', { brokerName, brokerId, address, replaced })
      }
      if (outcome.isNew) parts.log.info('broker registered', { brokerName, brokerId, address, topicCount: topics.size })
      parts.watch(reply.connection)
      const addressOf = parts.addressesFor(reply.connection)
      const resolved = (text: string | undefined) => (text === undefined ? undefined : addressOf(text))
      return reply.ok(
        [
          [F.masterAddr, resolved(outcome.masterAddress)],
          [F.haServerAddr, resolved(outcome.haAddress)]
        ],
        orderTopics(parts)
      )
    }
  }
}

function registrationOf(request: RemotingRequest, body: RegistrationBody): BrokerRegistration {
  return {
    ...identityOf(request),
    ...body,
    haAddress: request.text(F.haServerAddr) ?? '',
    timeoutMs: request.long(F.heartbeatTimeoutMillis, TIMEOUT_MS_DEFAULT),
    enableActingMaster: request.isAbsent(F.enableActingMaster) ? undefined : request.bool(F.enableActingMaster),
    zoneName: request.text(F.zoneName)
  }
}

function orderTopics({ kv, settings }: ServerParts): Uint8Array | undefined {
  const topics = settings.returnOrderTopicConfigToBroker ? kv.namespace(ORDER_TOPIC_NAMESPACE) : undefined
  return topics === undefined ? undefined : tableBody(topics)
}

function unregister(parts: ServerParts, request: RemotingRequest, reply: Reply): void {
  const broker = identityOf(request)
  parts.routes.unregister(broker)
  const { brokerName, brokerId, address } = broker
  parts.log.info('broker unregistered', { brokerName, brokerId, address })
  reply.ok()
}

function queryDataVersion(parts: ServerParts, request: RemotingRequest, reply: Reply): void {
  const { cluster, address } = identityOf(request)
  const theirs = readDataVersion(parseBody(request.body))
  const ours = parts.routes.versionOf(cluster, address)
  parts.routes.heard(cluster, address, parts.nowMs())
  const changed = ours === undefined || !isSameVersion(ours, theirs)
  reply.ok([[F.changed, changed]], ours === undefined ? undefined : versionBody(ours))
}

function heartbeat(parts: ServerParts, request: RemotingRequest, reply: Reply): void {
  parts.routes.heard(request.requiredText(F.clusterName), request.requiredText(F.brokerAddr), parts.nowMs())
  reply.ok()
}

function getMemberGroup(parts: ServerParts, request: RemotingRequest, reply: Reply): void {
  const group = { cluster: request.requiredText(F.clusterName), brokerName: request.requiredText(F.brokerName) }
  const addresses = parts.routes.findBroker(group.brokerName)?.addresses ?? new Map<number, string>()
  reply.ok([], memberGroupBody(group, addresses, parts.addressesFor(reply.connection)))
}

function identityOf(request: RemotingRequest): BrokerIdentity {
  return {
    cluster: request.requiredText(F.clusterName),
    brokerName: request.requiredText(F.brokerName),
    brokerId: request.long(F.brokerId),
    address: request.requiredText(F.brokerAddr)
  }
}
