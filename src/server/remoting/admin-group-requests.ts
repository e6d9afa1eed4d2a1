/** Requests by which tools create, change, delete and describe consumer groups. */
import { VarveError } from '../../base/index.ts'
import {
  FORBIDDEN_READ_BIT,
  type GroupConfig,
  groupConfigJson,
  listOf,
  readGroupConfig,
  subscriptionJson
} from '../../broker/index.ts'
import type { JavaJson } from '../../layout/index.ts'
import { field, printWire, REQUEST, RESPONSE } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'
import { pageOf } from './page.ts'
import { bodyOf, jsonOf } from './request-body.ts'

const F = {
  group: field('group'),
  groupName: field('groupName'),
  topic: field('topic'),
  cleanOffset: field('cleanOffset'),
  readable: field('readable'),
  groupSeq: field('groupSeq'),
  dataVersion: field('dataVersion'),
  maxGroupNum: field('maxGroupNum'),
  totalGroupNum: field('totalGroupNum')
}

export function adminGroupRequests({ broker }: BrokerWorld): Handlers {
  const { groups, offsets, clients } = broker
  return [
    [
      REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
      async (request, session) => {
        const { opaque, isOneway } = request
        groups.update(readGroup(jsonOf(request)))
        await groups.saved()
        session.succeed({ opaque, isOneway })
      }
    ],
    [
      REQUEST.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST,
      async (request, session) => {
        const { opaque, isOneway } = request
        groups.updateAll(listOf(bodyOf(request).groupConfigList).map(readGroup))
        await groups.saved()
        session.succeed({ opaque, isOneway })
      }
    ],
    [
      REQUEST.GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
      (request, { connection }) => {
        const { page, isPaged } = pageOf(request, {
          seq: F.groupSeq,
          dataVersion: F.dataVersion,
          countMax: F.maxGroupNum,
          count: groups.count,
          version: groups.version
        })
        const shown = [...groups.all(page.from, page.until)]
        const body = printWire({
          dataVersion: groups.version,
          forbiddenTable: groups.forbiddenJson(shown.map(({ name }) => name)),
          subscriptionGroupTable: Object.fromEntries(shown.map(group => [group.name, groupConfigJson(group)]))
        })
        const writer = connection.begin(request.opaque, RESPONSE.SUCCESS)
        if (isPaged) writer.int(F.totalGroupNum, groups.count)
        writer.endWith(body)
      }
    ],
    [
      REQUEST.DELETE_SUBSCRIPTIONGROUP,
      async (request, session) => {
        const { opaque, isOneway } = request
        await broker.deleteGroup(request.requiredText(F.groupName), { withOffsets: request.bool(F.cleanOffset) })
        session.succeed({ opaque, isOneway })
      }
    ],
    [
      REQUEST.GET_SUBSCRIPTIONGROUP_CONFIG,
      (request, session) => {
        session.succeed(request, printWire(groupConfigJson(groups.get(request.requiredInterned(F.group)))))
      }
    ],
    [
      REQUEST.UPDATE_AND_GET_GROUP_FORBIDDEN,
      async (request, session) => {
        const { opaque, isOneway } = request
        const group = request.requiredInterned(F.group)
        const topic = request.requiredInterned(F.topic)
        if (!request.isAbsent(F.readable)) {
          const isForbidden = !request.bool(F.readable)
          groups.setForbidden({ group, topic, bit: FORBIDDEN_READ_BIT, isForbidden })
          await groups.saved()
        }
        const readable = !groups.isForbidden(group, topic, FORBIDDEN_READ_BIT)
        session.succeed({ opaque, isOneway }, printWire({ group, readable, topic }))
      }
    ],
    [
      REQUEST.QUERY_TOPICS_BY_CONSUMER,
      (request, session) => {
        const topicList = offsets.topicsOf(request.requiredInterned(F.group))
        session.succeed(request, printWire({ brokerAddr: broker.address, topicList }))
      }
    ],
    [
      REQUEST.QUERY_SUBSCRIPTION_BY_CONSUMER,
      (request, session) => {
        const group = request.requiredInterned(F.group)
        const topic = request.requiredInterned(F.topic)
        const subscription = clients.subscription(group, topic)
        const subscriptionData = subscription && subscriptionJson(subscription)
        session.succeed(request, printWire({ group, subscriptionData, topic }))
      }
    ]
  ]
}

function readGroup(json: JavaJson): GroupConfig {
  const group = readGroupConfig(json)
  if (group === undefined) throw new VarveError('PARAMETER_INVALID', { parameter: 'groupName' })
  return group
}
