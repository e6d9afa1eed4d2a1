/** The engine: what embedders, brokers and the threads of a store need of it. */
export type { QueueSeed } from './dispatch.ts'
export type { Files, MapperKind } from './files.ts'
export { inlineThreads } from './inline-threads.ts'
export { type Job, performJob, type RunJob } from './jobs.ts'
export { prefaultHere } from './mapping.ts'
export { openStoreWith, type StoreSurroundings } from './open-store.ts'
export { Progress, type Role, SLOT } from './progress.ts'
export { openRealFiles } from './real-files.ts'
export type {
  DamagedRange,
  KeyQuery,
  QueueName,
  ReadRequest,
  ReadResult,
  RecordViews,
  RecoveryProgress,
  RecoveryReport,
  RetentionOptions,
  SegmentFacts,
  SnapshotReport,
  Store,
  StoreInfo,
  StoreOptions
} from './store-api.ts'
export { openAllocatorPart, openDispatcherPart, openFlusherPart, type Part, type PartWorld } from './store-parts.ts'
export type { QueueTableBytes, StoreThreads, ThreadEvents, ThreadSetup } from './threads.ts'
