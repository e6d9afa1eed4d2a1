/** Topics, with their queues on each broker that has them. Which of those brokers are there is not known here. */
import { PERM_READ, PERM_WRITE, type QueueRoute, type TopicMapping, type TopicQueues } from './route-types.ts'

export class TopicRoutes {
  readonly #topics = new Map<string, Map<string, QueueRoute>>()
  /** Static topics, by broker. */
  readonly #mappings = new Map<string, Map<string, TopicMapping>>()

  get count(): number {
    return this.#topics.size
  }

  /** Sorted. */
  names(): string[] {
    return [...this.#topics.keys()].sort()
  }

  /** Those of the topics for which one of their queues, or all, say so. */
  namesWhere(isWanted: (queues: QueueRoute) => boolean): string[] {
    return this.names().filter(topic => this.queuesOf(topic).some(isWanted))
  }

  /** In the order of the brokers' names; none for an unknown topic. */
  queuesOf(topic: string): QueueRoute[] {
    return [...(this.#topics.get(topic)?.values() ?? [])].sort((a, b) => (a.brokerName < b.brokerName ? -1 : 1))
  }

  has(topic: string, brokerName: string): boolean {
    return this.#topics.get(topic)?.has(brokerName) ?? false
  }

  set(topic: string, brokerName: string, { readQueueNums, writeQueueNums, perm, topicSysFlag }: TopicQueues): void {
    const brokers = this.#topics.get(topic) ?? new Map<string, QueueRoute>()
    this.#topics.set(topic, brokers)
    brokers.set(brokerName, { brokerName, readQueueNums, writeQueueNums, perm, topicSysFlag })
  }

  remove(topic: string): void {
    this.#topics.delete(topic)
    this.#mappings.delete(topic)
  }

  removeFrom(topic: string, brokerName: string): void {
    const brokers = this.#topics.get(topic)
    brokers?.delete(brokerName)
    if (brokers?.size === 0) this.remove(topic)
  }

  /** Every topic of a broker that is gone. */
  removeBroker(brokerName: string): void {
    for (const topic of [...this.#topics.keys()]) this.removeFrom(topic, brokerName)
  }

  /** Those of the broker's topics that are not in `topics`. */
  keepOnly(brokerName: string, topics: ReadonlyMap<string, unknown>): void {
    for (const topic of [...this.#topics.keys()]) if (!topics.has(topic)) this.removeFrom(topic, brokerName)
  }

  /** @returns how many topics the broker has */
  wipeWrite(brokerName: string): number {
    return this.#changePerm(brokerName, perm => perm & ~PERM_WRITE)
  }

  /** To read and write, whatever it was: as Apache's name server does. */
  addWrite(brokerName: string): number {
    return this.#changePerm(brokerName, () => PERM_READ | PERM_WRITE)
  }

  mappingsOf(topic: string): ReadonlyMap<string, TopicMapping> | undefined {
    return this.#mappings.get(topic)
  }

  setMapping(topic: string, brokerName: string, mapping: TopicMapping): void {
    const brokers = this.#mappings.get(topic) ?? new Map<string, TopicMapping>()
    this.#mappings.set(topic, brokers.set(brokerName, mapping))
  }

  #changePerm(brokerName: string, changed: (perm: number) => number): number {
    let count = 0
    for (const brokers of this.#topics.values()) {
      const queues = brokers.get(brokerName)
      if (queues === undefined) continue
      brokers.set(brokerName, { ...queues, perm: changed(queues.perm) })
      count++
    }
    return count
  }
}
