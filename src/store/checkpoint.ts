import type { Files } from './files.ts'
export interface Checkpoint {
  /** Store time of the last message known to be on disk. */
  readonly logStoredAtMs: number
  /** Store time of the last message put into a consume queue. */
  readonly queuesStoredAtMs: number
  /** Store time of the last item of the newest full and synced index file. */
  readonly indexStoredAtMs: number
  /** Replication only, else 0. */
  readonly masterFlushedOffset: number
  /** Where the last valid record begins, as recovery found it. */
  readonly confirmPhysicalOffset: number
}
export declare function readCheckpoint(files: Files, directory: string): Checkpoint
export declare class CheckpointFile {
  constructor(files: Files, directory: string)
  write(checkpoint: Checkpoint, options: { durable: boolean }): void
  close(): void
}
