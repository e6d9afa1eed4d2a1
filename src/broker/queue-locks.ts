/**
 * Queue locks: which client of a group alone reads which queue, for consumption in order.
 *
 * A lock is lent: it ends 60 s after its holder last asked for it. Locks live in memory only and are lost at a restart,
 * as in RocketMQ; clients then ask again.
 *
 * Not here: who should hold which queue (clients share them out), the wire form (server).
 */
import type { Clock } from '../base/index.ts'

export const LOCK_MS = 60_000

/** A queue as clients name it: locks of another broker's queues are kept apart. */
export interface LockedQueue {
  readonly brokerName: string
  readonly topic: string
  readonly queueId: number
}

interface Lock {
  clientId: string
  /** Of the monotonic clock: a wall clock that is set must not end locks. */
  renewedAtMs: number
}

export class QueueLocks {
  readonly #clock: Clock
  readonly #groups = new Map<string, Map<string, Lock>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes or renews what is free, expired or the client's own. @returns the queues that it holds now, of those named */
  lock(group: string, clientId: string, queues: readonly LockedQueue[]): LockedQueue[] {
    const locks = this.#groups.get(group) ?? new Map<string, Lock>()
    const held = queues.filter(queue => this.#take(locks, keyOf(queue), clientId))
    if (locks.size > 0) this.#groups.set(group, locks)
    return held
  }

  /** Gives back what the client holds; the rest stays as it is. */
  unlock(group: string, clientId: string, queues: readonly LockedQueue[]): void {
    const locks = this.#groups.get(group)
    if (locks === undefined) return
    for (const queue of queues) {
      const key = keyOf(queue)
      if (locks.get(key)?.clientId === clientId) locks.delete(key)
    }
    if (locks.size === 0) this.#groups.delete(group)
  }

  /** Who holds the queue; undefined where nobody does. */
  holder(group: string, queue: LockedQueue): string | undefined {
    const lock = this.#groups.get(group)?.get(keyOf(queue))
    return lock === undefined || this.#isExpired(lock) ? undefined : lock.clientId
  }

  /** Whether any lock of the group is in force: then its retries keep their place in no queue and go to the dead letters. */
  isAnyHeld(group: string): boolean {
    for (const lock of this.#groups.get(group)?.values() ?? []) if (!this.#isExpired(lock)) return true
    return false
  }

  /** Forgets locks that have ended, so that groups that are gone take no memory. Every minute or so. */
  expire(): void {
    for (const [group, locks] of this.#groups) {
      for (const [key, lock] of locks) if (this.#isExpired(lock)) locks.delete(key)
      if (locks.size === 0) this.#groups.delete(group)
    }
  }

  #take(locks: Map<string, Lock>, key: string, clientId: string): boolean {
    const lock = locks.get(key)
    const now = this.#clock.monotonicMs()
    if (lock === undefined) {
      locks.set(key, { clientId, renewedAtMs: now })
      return true
    }
    if (lock.clientId !== clientId && !this.#isExpired(lock)) return false
    lock.clientId = clientId
    lock.renewedAtMs = now
    return true
  }

  #isExpired({ renewedAtMs }: Lock): boolean {
    return this.#clock.monotonicMs() - renewedAtMs > LOCK_MS
  }
}

/** No name holds a space. */
const keyOf = ({ brokerName, topic, queueId }: LockedQueue): string => `${queueId} ${topic} ${brokerName}`
