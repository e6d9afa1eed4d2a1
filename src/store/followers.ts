/**
 * Followers: who sleeps until a queue may have something new.
 *
 * They wait by queue, so that an append wakes only those who wait for its queue; for a queue that does not exist yet
 * they wait by its name. Whoever is woken looks again: being woken promises nothing.
 */
import type { Queue } from './topics.ts'

type Wake = () => void

export class Followers {
  readonly #ofQueues = new Map<Queue, Set<Wake>>()
  readonly #ofMissing = new Map<string, Set<Wake>>()

  /** Cheap, for the path of every append. */
  get isEmpty(): boolean {
    return this.#ofQueues.size === 0
  }

  wake(queue: Queue): void {
    wakeAmong(this.#ofQueues, queue)
  }

  /** The queue has begun to exist. */
  wakeNew(queue: Queue): void {
    wakeAmong(this.#ofMissing, nameOf(queue.topic.name, queue.queueId))
  }

  wakeQueues(): void {
    for (const queue of [...this.#ofQueues.keys()]) wakeAmong(this.#ofQueues, queue)
  }

  wakeAll(): void {
    this.wakeQueues()
    for (const name of [...this.#ofMissing.keys()]) wakeAmong(this.#ofMissing, name)
  }

  sleep(queue: Queue, signal: AbortSignal | undefined): Promise<void> {
    return sleepAmong(this.#ofQueues, queue, signal)
  }

  sleepUntilExists(topic: string, queueId: number, signal: AbortSignal | undefined): Promise<void> {
    return sleepAmong(this.#ofMissing, nameOf(topic, queueId), signal)
  }
}

/** A name that no other queue has: topics contain no space. */
const nameOf = (topic: string, queueId: number): string => `${queueId} ${topic}`

function wakeAmong<Key>(sleepers: Map<Key, Set<Wake>>, key: Key): void {
  const waiting = sleepers.get(key)
  if (waiting === undefined) return
  sleepers.delete(key)
  for (const wake of waiting) wake()
}

/** Waits to be woken together with all who wait for `key`, or for the signal; leaves nothing behind with either. */
function sleepAmong<Key>(sleepers: Map<Key, Set<Wake>>, key: Key, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    const waiting = sleepers.get(key) ?? new Set()
    sleepers.set(key, waiting)
    const wake = (): void => {
      signal?.removeEventListener('abort', wake)
      waiting.delete(wake)
      if (waiting.size === 0 && sleepers.get(key) === waiting) sleepers.delete(key)
      resolve()
    }
    waiting.add(wake)
    signal?.addEventListener('abort', wake)
  })
}
