/** Every request that a broker serves, by its code. */
import { adminBrokerRequests } from './admin-broker-requests.ts'
import { adminGroupRequests } from './admin-group-requests.ts'
import { adminProgressRequests } from './admin-progress-requests.ts'
import { adminTopicRequests } from './admin-topic-requests.ts'
import type { BrokerWorld } from './broker-world.ts'
import { clientRequests } from './client-requests.ts'
import type { Handlers } from './dispatch.ts'
import { lockRequests } from './lock-requests.ts'
import { offsetRequests } from './offset-requests.ts'
import { pullRequests } from './pull-requests.ts'
import { queryRequests } from './query-requests.ts'
import { recallRequests } from './recall-requests.ts'
import { relayRequests } from './relay-requests.ts'
import { replyRequests } from './reply-requests.ts'
import { sendBackRequests } from './send-back-requests.ts'
import { sendRequests } from './send-requests.ts'
import { transactionRequests } from './transaction-requests.ts'

export function brokerRequests(world: BrokerWorld): Handlers {
  return [
    ...sendRequests(world),
    ...replyRequests(world),
    ...sendBackRequests(world),
    ...transactionRequests(world),
    ...recallRequests(world),
    ...pullRequests(world),
    ...offsetRequests(world),
    ...clientRequests(world),
    ...lockRequests(world),
    ...queryRequests(world),
    ...relayRequests(world),
    ...adminTopicRequests(world),
    ...adminGroupRequests(world),
    ...adminProgressRequests(world),
    ...adminBrokerRequests(world)
  ]
}
