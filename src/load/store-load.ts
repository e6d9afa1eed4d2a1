/** Appends to a store in this process: a stream, batches, or writers that each wait for the disk. */
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../base/index.ts'
import type { Store } from '../store/index.ts'
import { bodies, HASHED_COUNT, hashOf } from './bodies.ts'
import { loadFailure } from './failure.ts'
import { figuresOf, type LoadResult, streamLoad, windowLoad } from './loops.ts'
import type { Extent } from './meter.ts'
import { accepted, inTurn } from './refused.ts'
import type { CaseResult } from './report.ts'
import type { Watch } from './timeline.ts'

export interface StoreLoadSettings {
  readonly extent: Extent
  readonly bodyBytes: number
  /** Messages of one call; more than one uses `appendBatch`, and then all go to one queue. */
  readonly batchCount?: number
  /** So many writers that each wait for `flushed`; without it nobody waits. */
  readonly window?: number
  /** Messages go round over all queues of all topics. */
  readonly topic?: string
  readonly topicCount?: number
  readonly queueCount?: number
}

/** The store must be new: its queues must hold, in the end, what was appended and nothing else. */
export async function runStoreLoad(
  store: Store,
  settings: StoreLoadSettings,
  watch: Omit<Watch, 'pid'> = {}
): Promise<CaseResult> {
  const {
    extent,
    bodyBytes,
    batchCount = 1,
    window,
    topic: prefix = 'bench',
    topicCount = 1,
    queueCount = 1
  } = settings
  const body = bodies(bodyBytes)
  const targets = Array.from({ length: topicCount * queueCount }, (_, index) => ({
    topic: `${prefix}-${index % topicCount}`,
    queueId: Math.floor(index / topicCount)
  }))
  const append = (index: number) => {
    const { topic, queueId } = targets[index % targets.length]! // Inside by the remainder.
    return store.append({ topic, queueId, body: body[index & (body.length - 1)]! })
  }
  const appendBatch = (first: number) => {
    // Written out: on Node 20 an object made by spreading another costs the engine four times as much to read.
    const { topic, queueId } = targets[0]!
    const messages = Array.from({ length: batchCount }, (_, i) => ({
      topic,
      queueId,
      body: body[(first + i) & (body.length - 1)]!
    }))
    return store.appendBatch(messages)
  }

  const openedQueuesMs = targets.length === 1 ? 0 : await openQueues(store, targets.length, append)
  const opened = targets.length === 1 ? 0 : targets.length

  const lag = watchLag(store)
  const write = batchCount === 1 ? append : appendBatch
  let load: LoadResult
  const details: Record<string, number> = opened === 0 ? {} : { openedQueuesMs }
  if (window === undefined) {
    const { refusedMs, ...streamed } = await streamLoad({
      extent,
      watch,
      perCall: batchCount,
      write: first => accepted(() => write(opened + first)),
      writable: () => store.writable(),
      turn: lag.look,
      settle: lag.drain
    })
    load = streamed
    Object.assign(details, { lagMiBMax: lag.maxBytes() / 2 ** 20, drainMs: lag.drainMs(), refusedMs })
  } else {
    const accept = inTurn(store)
    const writeAndWait = (index: number) =>
      accept(() => {
        const { physicalOffset, sizeBytes } = append(opened + index)
        return store.flushed(physicalOffset + sizeBytes)
      })
    load = await windowLoad({ extent, watch, window, write: writeAndWait })
  }

  const stored = targets.reduce((sum, target) => sum + store.maxOffset(target), 0)
  if (stored !== load.all + opened) throw loadFailure(`${load.all + opened} were appended, the queues hold ${stored}`)
  const firstBodies: Uint8Array[] = []
  for (let index = 0; index < Math.min(HASHED_COUNT, stored); index++) {
    const target = targets[index % targets.length]! // Inside by the remainder.
    const { messages } = await store.read({ ...target, offset: Math.floor(index / targets.length), countMax: 1 })
    firstBodies.push(...messages.map(message => message.body))
  }
  const { mapper } = store.info()

  return {
    ...figuresOf(load),
    work: { count: load.messages, hash: hashOf(firstBodies) },
    settings: {
      bodyBytes,
      batchCount,
      topicCount,
      queueCount,
      mapper,
      ...(window === undefined ? {} : { window })
    },
    details
  }
}

/** The first message of a queue makes its file; that is a cost of its own, and shown as one. */
async function openQueues(store: Store, count: number, append: (index: number) => unknown): Promise<number> {
  const beganMs = systemClock.monotonicMs()
  for (let index = 0; index < count; index++) {
    while (!accepted(() => append(index))) await store.writable()
  }
  await caughtUp(store, 'queuesWrittenUntil')
  return systemClock.monotonicMs() - beganMs
}

async function caughtUp(store: Store, until: 'dispatchedUntil' | 'queuesWrittenUntil'): Promise<void> {
  for (;;) {
    const info = store.info()
    if (info.state === 'poisoned') throw info.poisonedBy
    if (info[until] >= info.appendedUntil) return
    await pause(1)
  }
}

/** How far the dispatcher is behind the writer, and how long it takes to catch up in the end. */
function watchLag(store: Store) {
  let maxBytes = 0
  let drainMs = 0
  return {
    look: () => {
      const { appendedUntil, dispatchedUntil } = store.info()
      maxBytes = Math.max(maxBytes, appendedUntil - dispatchedUntil)
    },
    drain: async () => {
      const beganMs = systemClock.monotonicMs()
      await caughtUp(store, 'dispatchedUntil')
      drainMs = systemClock.monotonicMs() - beganMs
    },
    maxBytes: () => maxBytes,
    drainMs: () => drainMs
  }
}
