/**
 * Bodies of answers, as clients of any language read them: compact JSON with quoted keys, sorted as Java's writer does.
 *
 * Go cuts the text of `brokerAddrs` at commas and colons: no blanks, and no comma in an address.
 *
 * Not here: which addresses are answered; `AddressOf` turns what the table holds into what this client can reach.
 */
import { printBody } from './json.ts'
import type { BrokerRoute, DataVersion, QueueRoute, TopicRoute } from './route-types.ts'

/** The address of a broker for whoever asks. */
export type AddressOf = (address: string) => string

export function routeBody(route: TopicRoute, addressOf: AddressOf, orderTopicConf: string | undefined): Uint8Array {
  const filterServers = new Map([...route.filterServers].map(([address, servers]) => [addressOf(address), servers]))
  return printBody({
    brokerDatas: route.brokers.map(broker => brokerData(broker, addressOf)),
    filterServerTable: filterServers,
    orderTopicConf,
    queueDatas: route.queues.map(queueData),
    topicQueueMappingByBroker: route.mappings
  })
}

export function clusterBody(
  brokers: readonly BrokerRoute[],
  clusters: readonly (readonly [cluster: string, brokerNames: readonly string[]])[],
  addressOf: AddressOf
): Uint8Array {
  return printBody({
    brokerAddrTable: new Map(brokers.map(broker => [broker.brokerName, brokerData(broker, addressOf)])),
    clusterAddrTable: new Map(clusters)
  })
}

export function memberGroupBody(
  { cluster, brokerName }: { cluster: string; brokerName: string },
  addresses: ReadonlyMap<number, string>,
  addressOf: AddressOf
): Uint8Array {
  return printBody({ brokerMemberGroup: { brokerAddrs: addressesById(addresses, addressOf), brokerName, cluster } })
}

export const topicListBody = (topicList: readonly string[], brokerAddr?: string): Uint8Array =>
  printBody({ brokerAddr, topicList })

export const tableBody = (table: ReadonlyMap<string, string>): Uint8Array => printBody({ table })

export const versionBody = ({ counter, stateVersion, timestamp }: DataVersion): Uint8Array =>
  printBody({ counter, stateVersion, timestamp })

function brokerData(
  { addresses, brokerName, cluster, enableActingMaster, zoneName }: BrokerRoute,
  addressOf: AddressOf
) {
  return { brokerAddrs: addressesById(addresses, addressOf), brokerName, cluster, enableActingMaster, zoneName }
}

function queueData({ brokerName, perm, readQueueNums, topicSysFlag, writeQueueNums }: QueueRoute) {
  return { brokerName, perm, readQueueNums, topicSysFlag, writeQueueNums }
}

function addressesById(addresses: ReadonlyMap<number, string>, addressOf: AddressOf): ReadonlyMap<string, string> {
  const byId = [...addresses].sort(([a], [b]) => a - b)
  return new Map(byId.map(([id, address]) => [String(id), addressOf(address)]))
}
