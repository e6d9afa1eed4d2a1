/** Requests for queue locks, by which consumers that keep an order agree who reads which queue. */
import { printWire, REQUEST, type RemotingRequest } from '../../protocol/index.ts'
import type { BrokerWorld } from './broker-world.ts'
import type { Handlers } from './dispatch.ts'
import { bodyOf, queuesIn, requiredText } from './request-body.ts'

export function lockRequests({ broker }: BrokerWorld): Handlers {
  const { locks } = broker
  return [
    [
      REQUEST.LOCK_BATCH_MQ,
      (request, session) => {
        const { opaque, isOneway } = request
        const { group, clientId, queues } = readLocks(request)
        const answer = printWire({ lockOKMQSet: locks.lock(group, clientId, queues) })
        if (locks.isSaved) return session.succeed({ opaque, isOneway }, answer)
        return locks.saved().then(() => session.succeed({ opaque, isOneway }, answer))
      }
    ],
    [
      REQUEST.UNLOCK_BATCH_MQ,
      (request, session) => {
        const { group, clientId, queues } = readLocks(request)
        locks.unlock(group, clientId, queues)
        session.succeed(request)
      }
    ]
  ]
}

/** The same body for both. `onlyThisBroker` is for clusters with replicas that vote, which there are none of here. */
function readLocks(request: RemotingRequest) {
  const fields = bodyOf(request)
  return {
    group: requiredText(fields, 'consumerGroup'),
    clientId: requiredText(fields, 'clientId'),
    queues: queuesIn(fields, 'mqSet')
  }
}
