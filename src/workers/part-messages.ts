/** What the owner of a store and the threads of its parts tell each other. Rare events only: progress goes through shared memory. */

import type { MessagePort } from 'node:worker_threads'
import type { ErrorReport } from '../base/index.ts'
import type { DamagedRange, FirstFile, QueueSeed, QueueTableBytes, Role, ThreadSetup } from '../store/index.ts'

export interface PartTask {
  readonly role: Role
  readonly setup: ThreadSetup
  readonly port: MessagePort
}

export type ToPart =
  | { readonly type: 'announce'; readonly queue: QueueSeed }
  | { readonly type: 'forget'; readonly id: number; readonly topic: string; readonly until: number }
  | {
      readonly type: 'logBeginsAt'
      readonly id: number
      readonly physicalOffset: number
      readonly firstFiles: readonly FirstFile[]
    }
  | { readonly type: 'queueTable'; readonly id: number }

export type FromPart =
  | { readonly type: 'started' }
  | { readonly type: 'flushed' }
  | { readonly type: 'damaged'; readonly range: DamagedRange }
  | { readonly type: 'done'; readonly id: number }
  /** What was asked cannot be done for now, because the system is short of something; nothing else has changed. */
  | { readonly type: 'refused'; readonly id: number; readonly error: ErrorReport }
  | { readonly type: 'queueTable'; readonly id: number; readonly table: QueueTableBytes }
  | { readonly type: 'failed'; readonly error: ErrorReport }
  /** The last word of a part that ended as it was told to. */
  | { readonly type: 'stopped'; readonly table: QueueTableBytes | undefined }
