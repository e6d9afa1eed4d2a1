/**
 * Topics: what the owner of the store knows of each queue, and which number it has in shared memory.
 *
 * Invariants:
 * - a queue's `nextOffset` is the offset of the next message appended to it, dispatched or not
 * - a queue keeps its index while the store is open; the dispatcher learns it before it can meet a record of the queue
 *
 * Not here: topic configuration such as permissions (broker), queue files (queue-files.ts).
 */
import { VarveError } from '../base/index.ts'
import { checkTopicName, encodeText } from '../layout/index.ts'

export interface Topic {
  readonly name: string
  readonly bytes: Uint8Array
  /** By queue number; with holes. */
  readonly queues: Queue[]
}

export interface Queue {
  readonly topic: Topic
  readonly queueId: number
  readonly index: number
  nextOffset: number
  /** Ordinal in the gap of the queue's newest message. */
  newestOrdinal: number
  /** Lowest offset that can still be read, as of the log's first position `minKnownFor`. */
  minOffset: number
  minKnownFor: number
}

export interface TopicLimits {
  readonly queueIdMax: number
  readonly queueCountMax: number
}

export class Topics {
  readonly #topics = new Map<string, Topic>()
  readonly #limits: TopicLimits
  #queueCount = 0

  constructor(limits: TopicLimits) {
    this.#limits = limits
  }

  get topicCount(): number {
    return this.#topics.size
  }

  get queueCount(): number {
    return this.#queueCount
  }

  /** The topic of this name; one that is not known yet becomes known with its first queue. @throws VarveError TOPIC_NAME_INVALID */
  open(name: string): Topic {
    const known = this.#topics.get(name)
    if (known !== undefined) return known
    checkTopicName(name)
    return { name, bytes: encodeText(name), queues: [] }
  }

  find(name: string): Topic | undefined {
    return this.#topics.get(name)
  }

  findQueue(name: string, queueId: number): Queue | undefined {
    return this.#topics.get(name)?.queues[queueId]
  }

  /** A queue that does not exist before `add`. @throws VarveError QUEUE_ID_INVALID, STORE_TOO_MANY_QUEUES */
  newQueue(topic: Topic, queueId: number, nextOffset = 0, index = this.#queueCount): Queue {
    const { queueIdMax, queueCountMax } = this.#limits
    if (!Number.isInteger(queueId) || queueId < 0 || queueId > queueIdMax) {
      throw new VarveError('QUEUE_ID_INVALID', { topic: topic.name, queueId: String(queueId), queueIdMax })
    }
    if (index >= queueCountMax) throw new VarveError('STORE_TOO_MANY_QUEUES', { queueCountMax })
    return { topic, queueId, index, nextOffset, newestOrdinal: -1, minOffset: 0, minKnownFor: -1 }
  }

  /** Makes the queue known, and its topic with it. */
  add(queue: Queue): void {
    this.#topics.set(queue.topic.name, queue.topic)
    queue.topic.queues[queue.queueId] = queue
    this.#queueCount = Math.max(this.#queueCount, queue.index + 1)
  }

  delete(name: string): void {
    this.#topics.delete(name)
  }

  names(): string[] {
    const names: string[] = []
    for (const [name, topic] of this.#topics) if (topic.queues.some(queue => queue !== undefined)) names.push(name)
    return names.sort()
  }

  *all(): Iterable<Queue> {
    for (const topic of this.#topics.values()) for (const queue of topic.queues) if (queue !== undefined) yield queue
  }
}
