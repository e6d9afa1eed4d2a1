/**
 * Offsets as clients and administrators ask for them: the checks and rules round the table.
 *
 * Not here: the table itself (offsets.ts), the wire form (server).
 */
import { VarveError } from '../base/index.ts'
import type { BrokerConfig } from './config-keys.ts'
import type { GroupTable } from './groups.ts'
import type { ConsumerOffsets, QueueOfGroup } from './offsets.ts'
import type { TopicTable } from './topics.ts'

interface Queue {
  readonly topic: string
  readonly queueId: number
}

/** What the store knows of a queue. */
export interface QueueFacts {
  minOffset(queue: Queue): number
  /** The offset that the next message gets. */
  maxOffset(queue: Queue): number
  /** The first message stored at or after the time. */
  offsetAt(request: Queue & { readonly timeMs: number }): Promise<number>
  /** Whether message 0 of the queue is there and in memory. */
  isFirstInMemory(queue: Queue): boolean
}

export interface OffsetReset {
  readonly topic: string
  readonly group: string
  /** Undefined for all queues that consumers read. */
  readonly queueId: number | undefined
  /** Undefined: by time. */
  readonly offset: number | undefined
  /** Negative: to the end. */
  readonly timeMs: number
}

export interface OffsetRequestParts {
  readonly topics: TopicTable
  readonly groups: GroupTable
  readonly offsets: ConsumerOffsets
  readonly queues: QueueFacts
  readonly config: BrokerConfig
}

export class OffsetRequests {
  readonly #parts: OffsetRequestParts

  constructor(parts: OffsetRequestParts) {
    this.#parts = parts
  }

  /** False if a pending reset makes it void. @throws VarveError GROUP_UNKNOWN, TOPIC_UNKNOWN, PARAMETER_INVALID */
  update(queue: QueueOfGroup, offset: number): boolean {
    const { topics, groups, offsets } = this.#parts
    groups.get(queue.group)
    topics.get(queue.topic)
    return offsets.commit(queue, offset)
  }

  /**
   * Where the group goes on. A group without an offset starts at 0 in a young queue, whatever its policy: RocketMQ's
   * rule, which clients rely on. `isZeroAllowed` is false for clients that ask not to be given that answer.
   * @throws VarveError OFFSET_UNKNOWN: the client applies its policy
   */
  query(queue: QueueOfGroup, { isZeroAllowed }: { readonly isZeroAllowed: boolean }): number {
    const { offsets, queues } = this.#parts
    const known = offsets.find(queue)
    if (known !== undefined && known >= 0) return known
    if (isZeroAllowed && queues.minOffset(queue) <= 0 && queues.isFirstInMemory(queue)) return 0
    throw new VarveError('OFFSET_UNKNOWN', { ...queue })
  }

  /**
   * Sends a group elsewhere, also while it is offline. All queues or none.
   * @returns by queue, where it goes on
   * @throws VarveError TOPIC_UNKNOWN, GROUP_UNKNOWN, PARAMETER_INVALID for an offset outside the queue
   */
  async reset(request: OffsetReset): Promise<Map<number, number>> {
    const { topics, groups, offsets } = this.#parts
    const { topic, group } = request
    const { readQueueCount } = topics.get(topic)
    groups.get(group)
    const queueIds =
      request.queueId === undefined
        ? Array.from({ length: readQueueCount }, (_, queueId) => queueId)
        : [request.queueId]
    if (queueIds.length === 0) throw new VarveError('PARAMETER_INVALID', { topic, reason: 'it has no queue to read' })
    const targets = new Map<number, number>()
    for (const queueId of queueIds) targets.set(queueId, await this.#target({ topic, queueId }, request))
    for (const [queueId, offset] of targets) offsets.reset({ topic, group, queueId }, offset)
    return targets
  }

  async #target(queue: Queue, { queueId, offset, timeMs }: OffsetReset): Promise<number> {
    const { queues } = this.#parts
    if (queueId === undefined || offset === undefined) {
      return timeMs < 0 ? queues.maxOffset(queue) : await queues.offsetAt({ ...queue, timeMs })
    }
    const min = queues.minOffset(queue)
    const max = queues.maxOffset(queue) + 1
    if (offset < min || offset > max) {
      throw new VarveError('PARAMETER_INVALID', {
        ...queue,
        parameter: 'offset',
        value: offset,
        range: `${min} to ${max}`
      })
    }
    return offset
  }
}
