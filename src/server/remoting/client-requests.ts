/**
 * Requests by which clients say who they are and learn who else there is: heartbeats, leaving, the members of a group,
 * and the check of a subscription before a consumer starts.
 */
import { VarveError } from '../../base/index.ts'
import {
  objectOf,
  parseSubscription,
  readHeartbeat,
  readSubscription,
  SQL_EXPRESSION,
  TAG_EXPRESSION
} from '../../broker/index.ts'
import { field, printWire, REQUEST, RESPONSE } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'
import { bodyOf, jsonOf } from './request-body.ts'

const F = {
  clientId: field('clientID'),
  producerGroup: field('producerGroup'),
  consumerGroup: field('consumerGroup'),
  /** Of a heartbeat's answer: the client may leave its subscriptions out next time. */
  supportsFingerprints: field('IS_SUPPORT_HEART_BEAT_V2'),
  isSubscriptionChanged: field('IS_SUB_CHANGE')
}

export function clientRequests({ broker }: BrokerWorld): Handlers {
  const { clients, config, filters } = broker

  return [
    [
      REQUEST.HEART_BEAT,
      (request, session) => {
        const { opaque, language, version, isOneway } = request
        const { isSubscriptionChanged } = clients.heartbeat(
          session,
          readHeartbeat(jsonOf(request), { language, version })
        )
        if (isOneway) return
        session.connection
          .begin(opaque, RESPONSE.SUCCESS)
          .bool(F.supportsFingerprints, true)
          .bool(F.isSubscriptionChanged, isSubscriptionChanged)
          .end()
      }
    ],
    [
      REQUEST.UNREGISTER_CLIENT,
      (request, session) => {
        const producerGroup = request.text(F.producerGroup)
        const consumerGroup = request.text(F.consumerGroup)
        clients.unregister(session, {
          clientId: request.requiredText(F.clientId),
          ...(producerGroup === undefined ? {} : { producerGroup }),
          ...(consumerGroup === undefined ? {} : { consumerGroup })
        })
        session.succeed(request)
      }
    ],
    [
      REQUEST.GET_CONSUMER_LIST_BY_GROUP,
      (request, session) => {
        const group = request.requiredInterned(F.consumerGroup)
        const consumerIdList = clients.consumerIds(group)
        // SYSTEM_ERROR, not CONSUMER_NOT_ONLINE: what clients have always been told here.
        if (consumerIdList.length === 0) throw new VarveError('GROUP_EMPTY', { group })
        session.succeed(request, printWire({ consumerIdList }))
      }
    ],
    [
      REQUEST.CHECK_CLIENT_CONFIG,
      (request, session) => {
        const subscription = readSubscription(objectOf(bodyOf(request).subscriptionData) ?? null)
        if (subscription === undefined) throw new VarveError('PARAMETER_INVALID', { parameter: 'subscriptionData' })
        const { topic, expression, expressionType } = subscription
        if (expressionType === SQL_EXPRESSION) {
          if (!config.enablePropertyFilter) throw new VarveError('FILTER_DISABLED', { topic, expressionType })
          filters.compiled(expression)
        } else if (expressionType !== TAG_EXPRESSION) {
          throw new VarveError('FILTER_INVALID', { topic, expressionType })
        } else {
          parseSubscription({ topic, expression, expressionType, version: 0 })
        }
        session.succeed(request)
      }
    ]
  ]
}
