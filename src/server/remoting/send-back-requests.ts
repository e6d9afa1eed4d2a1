/** The request by which a consumer gives back a message that it could not do anything with, to have it again later. */
import { field, REQUEST, VERSION_MAX_RECONSUME_TIMES } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'

const F = {
  group: field('group'),
  offset: field('offset'),
  delayLevel: field('delayLevel'),
  maxReconsumeTimes: field('maxReconsumeTimes'),
  unitMode: field('unitMode')
}

export function sendBackRequests({ broker }: BrokerWorld): Handlers {
  return [
    [
      REQUEST.CONSUMER_SEND_MSG_BACK,
      async (request, session) => {
        const { opaque, isOneway, version } = request
        const isInHeader = version >= VERSION_MAX_RECONSUME_TIMES && !request.isAbsent(F.maxReconsumeTimes)
        await broker.sendBack.take({
          group: request.requiredInterned(F.group),
          physicalOffset: request.long(F.offset),
          delayLevel: request.int(F.delayLevel),
          retriesMax: isInHeader ? request.int(F.maxReconsumeTimes) : undefined,
          isUnit: request.bool(F.unitMode)
        })
        session.succeed({ opaque, isOneway })
      }
    ]
  ]
}
