/**
 * How far groups are behind, in messages and in time, under the names of RocketMQ 5's exporter: of groups that are online, as
 * there; what a group that is gone has not read is told by tools.
 *
 * Three numbers of each queue tell it: the offset that is committed, the one that was pulled, and the end. Messages between
 * the first two are at consumers, those beyond are still to be fetched. How old the first of either kind is stands in the
 * records, which may have to be fetched from the disk: `look` does that ahead, so that printing the metrics never waits.
 */
import { type Clock, secondMs, VarveError } from '../base/index.ts'
import { type Broker, type ConsumerGroup, isRetryTopic } from '../broker/index.ts'
import type { Registry, Sample } from '../metrics/index.ts'

/** Whoever asks for the metrics does not wait longer: of groups that are left over the ages of the last look stand. */
const LOOK_MS_MAX = 2 * secondMs

/** Of one queue that a group reads. */
interface Place {
  readonly queue: { readonly topic: string; readonly queueId: number }
  readonly committed: number
  readonly pulled: number
  readonly end: number
}

interface Ages {
  /** Store time of the oldest message that is not committed, and of the oldest that was not pulled; Infinity for none. */
  readonly uncommittedAtMs: number
  readonly unpulledAtMs: number
}

type LagBroker = Pick<Broker, 'clients' | 'offsets' | 'topics' | 'store'> & {
  readonly queries: Pick<Broker['queries'], 'storedAtMs'>
}

export class ConsumerLag {
  readonly #broker: LagBroker
  readonly #clock: Clock
  #ages = new Map<string, Ages>()
  #looking: Promise<void> | undefined

  constructor(broker: LagBroker, clock: Clock) {
    this.#broker = broker
    this.#clock = clock
  }

  /** Looks how old the first messages are. Whoever asks meanwhile gets the look that is under way. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  register(registry: Registry): void {
    const gauge = (
      name: string,
      help: string,
      value: (places: readonly Place[], ages: Ages | undefined) => number
    ): void => registry.sampled({ name: `rocketmq_consumer_${name}`, help }, 'gauge', () => this.#samples(value))
    gauge('lag_messages', 'Messages that groups which are online have not yet acknowledged.', places =>
      sum(places, ({ end, committed }) => end - committed)
    )
    gauge('inflight_messages', 'Messages that consumers have fetched and not yet acknowledged.', places =>
      sum(places, ({ pulled, committed }) => pulled - committed)
    )
    gauge('ready_messages', 'Messages that consumers have not yet fetched.', places =>
      sum(places, ({ end, pulled }) => end - pulled)
    )
    gauge('lag_latency', 'How long the oldest message has been stored that is not acknowledged, in ms.', (_, ages) =>
      this.#since(ages?.uncommittedAtMs)
    )
    gauge('queueing_latency', 'How long the oldest message has been stored that is not fetched, in ms.', (_, ages) =>
      this.#since(ages?.unpulledAtMs)
    )
  }

  *#samples(value: (places: readonly Place[], ages: Ages | undefined) => number): Iterable<Sample> {
    for (const [group, topic] of this.#subscriptions()) {
      const labels = {
        consumer_group: group.name,
        topic,
        is_retry: String(isRetryTopic(topic)),
        is_system: String(this.#broker.topics.isSystem(topic))
      }
      yield { labels, value: value(this.#places(group, topic), this.#ages.get(keyOf(group, topic))) }
    }
  }

  *#subscriptions(): Iterable<[group: ConsumerGroup, topic: string]> {
    for (const group of this.#broker.clients.consumerGroups())
      for (const { topic } of group.subscriptions()) yield [group, topic]
  }

  #places(group: ConsumerGroup, topic: string): Place[] {
    const { offsets, store } = this.#broker
    return [...offsets.ofTopic(topic, group.name)].map(([queueId, committed]) => {
      const queue = { topic, queueId }
      const end = Math.max(committed, store.maxOffset(queue))
      const pulled = Math.max(committed, offsets.findPulled({ ...queue, group: group.name }) ?? 0)
      return { queue, committed, pulled: Math.min(pulled, end), end }
    })
  }

  async #look(): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + LOOK_MS_MAX
    const ages = new Map<string, Ages>()
    for (const [group, topic] of [...this.#subscriptions()]) {
      const key = keyOf(group, topic)
      const isLate = this.#clock.monotonicMs() >= untilMs
      const found = isLate ? this.#ages.get(key) : await this.#agesOf(this.#places(group, topic))
      if (found !== undefined) ages.set(key, found)
    }
    this.#ages = ages
  }

  async #agesOf(places: readonly Place[]): Promise<Ages> {
    let [uncommittedAtMs, unpulledAtMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (const { queue, committed, pulled, end } of places) {
      if (committed < end) uncommittedAtMs = Math.min(uncommittedAtMs, await this.#storedAtMs(queue, committed))
      if (pulled < end) unpulledAtMs = Math.min(unpulledAtMs, await this.#storedAtMs(queue, pulled))
    }
    return { uncommittedAtMs, unpulledAtMs }
  }

  /** What retention has taken is as old as the first message that is left; of one that cannot be read nothing is told. */
  async #storedAtMs(queue: Place['queue'], offset: number): Promise<number> {
    const { store, queries } = this.#broker
    try {
      const atMs = await queries.storedAtMs(queue, Math.max(offset, store.minOffset(queue)))
      return atMs < 0 ? Number.POSITIVE_INFINITY : atMs
    } catch (error) {
      if (error instanceof VarveError) return Number.POSITIVE_INFINITY // Damaged, or the store is closing.
      throw error
    }
  }

  #since(atMs = Number.POSITIVE_INFINITY): number {
    return atMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#clock.nowMs() - atMs)
  }
}

const sum = (places: readonly Place[], of: (place: Place) => number): number =>
  places.reduce((total, place) => total + of(place), 0)

/** No name has a blank. */
const keyOf = ({ name }: ConsumerGroup, topic: string): string => `${name} ${topic}`
