/**
 * Queue locks: which client of a group alone reads which queue, for consumption in order.
 *
 * A lock is lent: it ends 60 s after its holder last asked for it. Who holds what outlasts a restart in `varve/locks.json`,
 * and counts from then as if it had just been asked for: the holder goes on reading for half a minute without a broker,
 * and whoever comes back first must not be given its queues meanwhile. (Apache RocketMQ keeps them in memory only.)
 *
 * Invariants:
 * - who was told that it holds a queue holds it after a restart, too, unless the disk took nothing
 *
 * Not here: who should hold which queue (clients share them out), the wire form (server).
 */
import { join } from 'node:path'
import type { Clock } from '../base/index.ts'
import type { JavaJson } from '../layout/index.ts'
import { ConfigFile, readConfigFile } from './config-file.ts'
import { objectOf, textsOf } from './json-fields.ts'
import type { TableSurroundings } from './topics.ts'

export const LOCK_MS = 60_000

/** A queue as clients name it: locks of another broker's queues are kept apart. */
export interface LockedQueue {
  readonly brokerName: string
  readonly topic: string
  readonly queueId: number
}

interface Lock {
  readonly clientId: string
  /** Of the monotonic clock: a wall clock that is set must not end locks. */
  renewedAtMs: number
}

export class QueueLocks {
  readonly #clock: Clock
  readonly #file: ConfigFile
  readonly #groups = new Map<string, Map<string, Lock>>()

  /** Reads the file. */
  constructor({ directory, files, save, clock, log }: Omit<TableSurroundings, 'config'>) {
    this.#clock = clock
    this.#file = new ConfigFile({
      path: join(directory, 'varve', 'locks.json'),
      save,
      print: () => new TextEncoder().encode(this.#print()),
      onFailure: error => log.error('locks of queues not saved', { error: error as Error })
    })
    try {
      this.#read(readConfigFile(files, this.#file.path)?.json)
    } catch (error) {
      // They would have ended within a minute.
      log.error('locks of queues from before cannot be read', { error: error as Error })
    }
  }

  /** Whether everything that was granted is on disk. */
  get isSaved(): boolean {
    return this.#file.isSaved
  }

  /** Resolves once it is, or the disk has refused it: then a restart may forget it, and nothing else is wrong. */
  async saved(): Promise<void> {
    await this.#file.saved().catch(() => undefined) // `onFailure` has heard of it.
  }

  /** Takes or renews what is free, expired or the client's own. @returns the queues that it holds now, of those named */
  lock(group: string, clientId: string, queues: readonly LockedQueue[]): LockedQueue[] {
    const locks = this.#groups.get(group) ?? new Map<string, Lock>()
    const held = queues.filter(queue => this.#take(locks, keyOf(queue), clientId))
    if (locks.size > 0) this.#groups.set(group, locks)
    if (!this.isSaved) this.#file.saveSoon()
    return held
  }

  /** Gives back what the client holds; the rest stays as it is. */
  unlock(group: string, clientId: string, queues: readonly LockedQueue[]): void {
    const locks = this.#groups.get(group)
    if (locks === undefined) return
    for (const queue of queues) {
      const key = keyOf(queue)
      if (locks.get(key)?.clientId !== clientId) continue
      locks.delete(key)
      this.#file.changed()
    }
    if (locks.size === 0) this.#groups.delete(group)
    if (!this.isSaved) this.#file.saveSoon()
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
      for (const [key, lock] of locks) {
        if (!this.#isExpired(lock)) continue
        locks.delete(key)
        this.#file.changed()
      }
      if (locks.size === 0) this.#groups.delete(group)
    }
    if (!this.isSaved) this.#file.saveSoon()
  }

  #take(locks: Map<string, Lock>, key: string, clientId: string): boolean {
    const lock = locks.get(key)
    const now = this.#clock.monotonicMs()
    if (lock?.clientId === clientId) {
      lock.renewedAtMs = now
      return true
    }
    if (lock !== undefined && !this.#isExpired(lock)) return false
    locks.set(key, { clientId, renewedAtMs: now })
    this.#file.changed()
    return true
  }

  #read(json: JavaJson | undefined): void {
    const renewedAtMs = this.#clock.monotonicMs()
    for (const [group, clients] of Object.entries(objectOf(objectOf(json)?.locks) ?? {})) {
      const locks = Object.entries(textsOf(clients)).map(([key, clientId]) => [key, { clientId, renewedAtMs }] as const)
      if (locks.length > 0) this.#groups.set(group, new Map(locks))
    }
  }

  #print(): string {
    const locks = [...this.#groups].map(
      ([group, held]) =>
        [group, Object.fromEntries([...held].map(([key, { clientId }]) => [key, clientId] as const))] as const
    )
    return JSON.stringify({ locks: Object.fromEntries(locks) })
  }

  #isExpired({ renewedAtMs }: Lock): boolean {
    return this.#clock.monotonicMs() - renewedAtMs > LOCK_MS
  }
}

/** No name holds a space. */
const keyOf = ({ brokerName, topic, queueId }: LockedQueue): string => `${queueId} ${topic} ${brokerName}`
