/** What name servers know of brokers and topics, in the words of the protocol. */

/** Bits of a topic's permission. */
export const PERM_READ = 4
export const PERM_WRITE = 2

/** Bits of `topicSysFlag`. */
export const TOPIC_UNIT = 1
export const TOPIC_UNIT_SUBSCRIPTION = 2

/** The broker that takes sends; the others are its slaves. */
export const MASTER_ID = 0

/** Which state of its topics a broker has told; the same only if all three are. */
export interface DataVersion {
  readonly stateVersion: number
  readonly timestamp: number
  readonly counter: number
}

export const NO_VERSION: DataVersion = { stateVersion: 0, timestamp: 0, counter: 0 }

export function isSameVersion(a: DataVersion, b: DataVersion): boolean {
  return a.stateVersion === b.stateVersion && a.timestamp === b.timestamp && a.counter === b.counter
}

/** One topic on one broker. */
export interface TopicQueues {
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly perm: number
  readonly topicSysFlag: number
}

/** Of a static topic: passed on as it came. */
export type TopicMapping = unknown

export interface BrokerIdentity {
  readonly cluster: string
  readonly brokerName: string
  readonly brokerId: number
  readonly address: string
}

/** A broker says that it is there, and all its topics or those that have changed. */
export interface BrokerRegistration extends BrokerIdentity {
  readonly haAddress: string
  /** Silent for longer it is dropped; infinite for a broker of this process. */
  readonly timeoutMs: number
  /** Undefined for brokers from before 5.0, whose slaves never stand in for a master. */
  readonly enableActingMaster: boolean | undefined
  readonly zoneName: string | undefined
  readonly version: DataVersion
  readonly topics: ReadonlyMap<string, TopicQueues>
  /** By topic; each with the broker that it belongs to. */
  readonly mappings: ReadonlyMap<string, { readonly brokerName: string; readonly mapping: TopicMapping }>
  /** Undefined where the request says nothing about them. */
  readonly filterServers: readonly string[] | undefined
}

export interface BrokerRoute {
  readonly brokerName: string
  readonly cluster: string
  readonly enableActingMaster: boolean
  readonly zoneName: string | undefined
  /** By id. */
  readonly addresses: ReadonlyMap<number, string>
}

export interface QueueRoute extends TopicQueues {
  readonly brokerName: string
}

/** Where a topic is, as one answer. */
export interface TopicRoute {
  readonly brokers: readonly BrokerRoute[]
  readonly queues: readonly QueueRoute[]
  /** By address of the broker. */
  readonly filterServers: ReadonlyMap<string, readonly string[]>
  /** By name of the broker; undefined for a topic that is not static. */
  readonly mappings: ReadonlyMap<string, TopicMapping> | undefined
}
