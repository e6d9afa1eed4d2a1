/**
 * Writer: appends messages, one or many, and makes them readable.
 *
 * The three steps of an append, reserve, encode and publish, are kept apart (commit-log.ts, message-encoder.ts); here
 * is their order, and what happens when one fails: nothing has changed then.
 *
 * Invariants:
 * - a queue begins to exist with its first message, and the dispatcher knows of it before the message is published
 * - store times do not go back, even if the clock does
 */
import { type Clock, type PhysicalOffset, type QueueOffset, VarveError } from '../base/index.ts'
import { SYS_FLAG } from '../layout/index.ts'
import type { Appended, MessageInput } from '../model/index.ts'
import type { CommitLog } from './commit-log.ts'
import type { QueueSeed } from './dispatch.ts'
import type { Followers } from './followers.ts'
import type { Gap } from './gap.ts'
import type { MessageEncoder } from './message-encoder.ts'
import { type MessageFields, MessageTaker } from './message-fields.ts'
import { type Progress, SLOT } from './progress.ts'
import { shortageOf } from './shortage.ts'
import type { StoreThreads } from './threads.ts'
import type { Queue, Topic, Topics } from './topics.ts'

export interface WriterWorld {
  readonly clock: Clock
  readonly progress: Progress
  readonly threads: StoreThreads
  readonly log: CommitLog
  readonly gap: Gap
  readonly topics: Topics
  readonly encoder: MessageEncoder
  readonly followers: Followers
}

export class Writer {
  readonly #clock: Clock
  readonly #progress: Progress
  readonly #threads: StoreThreads
  readonly #log: CommitLog
  readonly #gap: Gap
  readonly #topics: Topics
  readonly #encoder: MessageEncoder
  readonly #followers: Followers
  readonly #taker = new MessageTaker()
  readonly #place = { topic: NO_TOPIC, queueOffset: 0, physicalOffset: 0, storedAtMs: 0 }
  /** Of the records of the batch at hand. */
  readonly #sizes: number[] = []
  #storedAtMs: number

  constructor(world: WriterWorld, lastStoredAtMs: number) {
    this.#clock = world.clock
    this.#progress = world.progress
    this.#threads = world.threads
    this.#log = world.log
    this.#gap = world.gap
    this.#topics = world.topics
    this.#encoder = world.encoder
    this.#followers = world.followers
    this.#storedAtMs = lastStoredAtMs
  }

  append(input: MessageInput): Appended {
    const message = this.#taker.take(input)
    const known = this.#topics.findQueue(message.topic, message.queueId)
    const queue = known ?? this.#topics.newQueue(this.#topics.open(message.topic), message.queueId)
    const log = this.#log
    let bytesMax = this.#encoder.bytesMax(message, queue.topic)
    if (bytesMax > log.recordBytesMax) bytesMax = this.#bytesCounted([message], queue.topic)
    const counted = isCounted(message)
    this.#checkRoom(1)

    const physicalOffset = log.reserve(bytesMax)
    const queueOffset = counted ? queue.nextOffset : 0
    const place = this.#place
    place.topic = queue.topic
    place.queueOffset = queueOffset
    place.physicalOffset = physicalOffset
    place.storedAtMs = this.#nowMs()
    const at = physicalOffset - log.base
    const sizeBytes = this.#encodeOrAbandon(at, message, at, bytesMax)
    this.#encoder.close(log, at, sizeBytes, message.body)
    log.write(sizeBytes)

    if (known === undefined) this.#addQueue(queue)
    if (counted) this.#count(queue, physicalOffset)
    this.#publish(queue, sizeBytes)
    return { queueOffset: queueOffset as QueueOffset, physicalOffset: physicalOffset as PhysicalOffset, sizeBytes }
  }

  appendBatch(messages: readonly MessageInput[], positions?: number[]): Appended {
    try {
      return this.#appendBatch(this.#taker.takeAll(messages), positions)
    } finally {
      this.#taker.releaseAll()
    }
  }

  #appendBatch(messages: readonly MessageFields[], positions?: number[]): Appended {
    const first = messages[0]
    if (first === undefined) throw new VarveError('BATCH_INVALID', { problem: 'it is empty' })
    const known = this.#topics.findQueue(first.topic, first.queueId)
    const queue = known ?? this.#topics.newQueue(this.#topics.open(first.topic), first.queueId)
    const bytesMax = this.#batchBytesMax(messages, queue)
    this.#checkRoom(messages.length)

    const physicalOffset = this.#log.reserve(bytesMax)
    const queueOffset = queue.nextOffset
    const bytes = this.#encodeBatch(messages, queue, physicalOffset, bytesMax)
    if (known === undefined) this.#addQueue(queue)
    let position = physicalOffset
    if (positions !== undefined) positions.length = messages.length
    for (let i = 0; i < messages.length; i++) {
      if (positions !== undefined) positions[i] = position
      this.#count(queue, position)
      position += this.#sizes[i] as number // Below length.
    }
    this.#publish(queue, bytes)
    return {
      queueOffset: queueOffset as QueueOffset,
      physicalOffset: physicalOffset as PhysicalOffset,
      sizeBytes: bytes
    }
  }

  /** Whether the next append would find room where entries wait for the dispatcher. */
  hasRoom(): boolean {
    return this.#gap.makeRoomFor(1, this.#queuesWritten())
  }

  /** Encodes and writes all of them. */
  #encodeBatch(messages: readonly MessageFields[], queue: Queue, physicalOffset: number, bytesMax: number): number {
    const encoder = this.#encoder
    const log = this.#log
    const from = physicalOffset - log.base
    const place = this.#place
    place.topic = queue.topic
    place.storedAtMs = this.#nowMs()
    let bytes = 0
    for (let i = 0; i < messages.length; i++) {
      const message = messages[i] as MessageFields // Below length.
      place.queueOffset = queue.nextOffset + i
      place.physicalOffset = physicalOffset + bytes
      const sizeBytes = this.#encodeOrAbandon(from + bytes, message, from, bytesMax)
      // The size of the first record is written last: until then no record of the batch can be found.
      encoder.closeLater(log, from + bytes, i === 0 ? 0 : sizeBytes)
      this.#sizes[i] = sizeBytes
      bytes += sizeBytes
    }
    encoder.closeAll(log)
    const firstBytes = this.#sizes[0] as number // A batch is not empty.
    // Not mapped, a process that is killed leaves part of a write: the batch goes first, then what makes it exist.
    log.write(bytes)
    encoder.finish(log, from, firstBytes)
    log.write(firstBytes, bytes)
    return bytes
  }

  #batchBytesMax(messages: readonly MessageFields[], { topic, queueId }: Queue): number {
    let bytesMax = 0
    for (const message of messages) {
      if (message.topic !== topic.name || message.queueId !== queueId || !isCounted(message)) {
        throw new VarveError('BATCH_INVALID', {
          problem: 'all messages must go to one queue, outside of transactions',
          topic: message.topic,
          queueId: message.queueId
        })
      }
      bytesMax += this.#encoder.bytesMax(message, topic)
    }
    return bytesMax > this.#log.recordBytesMax ? this.#bytesCounted(messages, topic) : bytesMax
  }

  /** @throws VarveError BATCH_INVALID if it still does not fit into a segment */
  #bytesCounted(messages: readonly MessageFields[], topic: Topic): number {
    const bytesMax = this.#log.recordBytesMax
    const bytes = messages.reduce((sum, message) => sum + this.#encoder.bytesCounted(message, topic), 0)
    if (bytes > bytesMax) throw new VarveError('BATCH_INVALID', { bytes, bytesMax })
    return bytes
  }

  /** A message that cannot be encoded leaves nothing behind of what was written since `from`. */
  #encodeOrAbandon(at: number, message: MessageFields, from: number, bytesMax: number): number {
    try {
      return this.#encoder.encode(this.#log, at, message, this.#place)
    } catch (error) {
      this.#encoder.abandonOpen()
      this.#log.abandon(at - from + bytesMax)
      throw error
    }
  }

  #addQueue(queue: Queue): void {
    this.#topics.add(queue)
    this.#threads.announce(seedOf(queue))
    this.#followers.wakeNew(queue)
  }

  #count(queue: Queue, position: number): void {
    queue.newestOrdinal = this.#gap.push(position, queue.newestOrdinal)
    queue.nextOffset++
  }

  #publish(queue: Queue, bytes: number): void {
    this.#progress.appendedAtMs = this.#storedAtMs
    this.#log.publish(bytes)
    this.#threads.wake('dispatcher')
    if (!this.#followers.isEmpty) this.#followers.wake(queue)
  }

  /** @throws VarveError STORE_BUSY, or what the system is short of */
  #checkRoom(count: number): void {
    if (this.#gap.hasRoomFor(count)) return
    if (this.#gap.makeRoomFor(count, this.#queuesWritten())) return
    this.#progress.addCount(SLOT.writeQueuesNow)
    this.#threads.wake('dispatcher')
    if (this.#gap.makeRoomFor(count, this.#queuesWritten())) return
    throw new VarveError(shortageOf(this.#progress) ?? 'STORE_BUSY', { undispatchedMessages: this.#gap.count })
  }

  #queuesWritten(): number {
    return this.#progress.positionBehind(SLOT.queuesWritten, this.#log.appended)
  }

  #nowMs(): number {
    const nowMs = this.#clock.nowMs()
    if (nowMs > this.#storedAtMs) this.#storedAtMs = nowMs
    return this.#storedAtMs
  }
}

/** Stands in the reused place until the first append. */
const NO_TOPIC: Topic = { name: '', bytes: new Uint8Array(0), queues: [] }

/** Half and rolled back messages are in no queue. */
function isCounted({ sysFlag = 0 }: MessageFields): boolean {
  const transaction = sysFlag & SYS_FLAG.TRANSACTION_MASK
  return transaction === 0 || transaction === SYS_FLAG.TRANSACTION_COMMIT
}

const seedOf = ({ topic, queueId, index, nextOffset }: Queue): QueueSeed => ({
  topic: topic.name,
  queueId,
  index,
  nextOffset,
  empty: nextOffset === 0,
  firstOffset: 0
})
