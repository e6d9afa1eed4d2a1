/**
 * Threads: what the store needs of them, as an interface that it is handed.
 *
 * Production gives it Piscina workers (workers/store-threads.ts); tests and small tools run the same parts inline, in
 * the calling thread and in a fixed order (inline-threads.ts). The store itself never knows which.
 */
import type { VarveError } from '../base/index.ts'
import type { FirstFile, QueueSeed } from './dispatch.ts'
import type { MapperKind } from './files.ts'
import type { RunJob } from './jobs.ts'
import type { Role } from './progress.ts'
import type { StoreIdentity } from './state-keeper.ts'
import type { DamagedRange } from './store-api.ts'

/** All that the parts need to start, as plain data: it crosses threads. */
export interface ThreadSetup {
  readonly directory: string
  readonly mapper: MapperKind
  readonly segmentBytes: number
  readonly queueFileEntries: number
  readonly index: boolean
  readonly indexSlots: number
  readonly indexItems: number
  readonly delayLevelsMs: readonly number[]
  readonly openFilesMax: number
  readonly stagedCountMax: number
  readonly flush: {
    readonly mode: 'sync' | 'async'
    readonly intervalMs: number
    readonly leastPages: number
    readonly thoroughIntervalMs: number
  }
  readonly aheadBytes: number
  readonly identity: StoreIdentity
  /** Where the log ends, all of it flushed and dispatched. */
  readonly appended: number
  readonly queues: readonly QueueSeed[]
  readonly progress: SharedArrayBuffer
  readonly counts: SharedArrayBuffer
}

/** What the queues held when everything below `until` had been written to them. */
export interface QueueTableBytes {
  readonly until: number
  readonly storedAtMs: number
  readonly table: Uint8Array
  /** The files of queues that were written to since the table before; undefined if they are too many to name. */
  readonly changed: readonly string[] | undefined
}

export interface ThreadEvents {
  /** `flushed` has moved. Only while `flushListeners` is set. */
  flushed(): void
  damaged(range: DamagedRange): void
  /** A part has ended for good. Told once; nothing works any more. */
  failed(error: VarveError): void
}

export interface StoreThreads {
  readonly kind: 'workers' | 'none'
  readonly runJob: RunJob
  /** Begins to bring the threads up; they come up while the store recovers. `start` and `kill` do without it. */
  warm(): void
  /** Resolves when every part has started. @throws VarveError if one cannot */
  start(setup: ThreadSetup, events: ThreadEvents): Promise<void>
  wake(role: Role): void
  /** Before the first record of a queue is appended. */
  announce(queue: QueueSeed): void
  /** Resolves when the topic's files are removed. What the log has of it below `until` gets into no queue any more. */
  forgetTopic(topic: string, until: number): Promise<void>
  /** The queues as they are now, everything staged written. */
  queueTable(): Promise<QueueTableBytes>
  /** Retention has removed segments: index files that only have records below the position go, and files of queues will. */
  logBeginsAt(physicalOffset: number, firstFiles: readonly FirstFile[]): Promise<void>
  /** While true, the process stays alive for an answer that is awaited. */
  hold(waiting: boolean): void
  /** Flushes, dispatches and writes out everything below `appended`, then ends all parts. The table is the last one. */
  stop(): Promise<QueueTableBytes>
  /** Ends all parts at once, after a failure. */
  kill(): Promise<void>
}
